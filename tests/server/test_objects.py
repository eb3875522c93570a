"""Assistants, threads, messages and files: made, read, changed, listed in pages, deleted, refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest

from nbassist.server import objects
from nbassist.server.store.schema import steps

pytestmark = pytest.mark.filterwarnings("ignore:(deprecated|The Assistants API):DeprecationWarning")

TOOL = {"type": "function", "function": {"name": "f"}}


def error(response: httpx2.Response) -> tuple[int, str, str | None]:
    body = response.json()["error"]
    return response.status_code, body["message"], body["param"]


def test_an_assistant_is_made_read_changed_and_deleted(http: httpx2.Client) -> None:
    made = http.post("/assistants", json={"model": "m", "name": "A", "tools": [TOOL], "temperature": 0.5}).json()
    assert made["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    path = f"/assistants/{made['id']}"
    assert http.get(path).json() == made
    changed = http.post(path, json={"name": None, "metadata": {"a": "b"}, "tools": []}).json()
    assert changed == {**made, "name": None, "metadata": {"a": "b"}, "tools": []}
    assert http.delete(path).json() == {"id": made["id"], "object": "assistant.deleted", "deleted": True}
    for gone in (http.get(path), http.post(path, json={}), http.delete(path)):
        assert error(gone) == (404, f"No assistant found with id '{made['id']}'.", None)


def test_a_thread_and_its_messages_are_made_read_changed_and_deleted(http: httpx2.Client) -> None:
    thread = http.post("/threads", json={"messages": [{"role": "user", "content": "one"}]}).json()
    path = f"/threads/{thread['id']}"
    assert http.get(path).json() == thread
    assert http.post(path, json={"metadata": {"k": "v"}}).json()["metadata"] == {"k": "v"}
    assert http.post(path, json={}).json()["metadata"] == {"k": "v"}
    parts = [{"type": "text", "text": "two"}, {"type": "image_url", "image_url": {"url": "https://x.test/i.png"}}]
    message = http.post(f"{path}/messages", json={"role": "assistant", "content": parts}).json()
    assert message["content"] == [
        {"type": "text", "text": {"value": "two", "annotations": []}},
        {"type": "image_url", "image_url": {"url": "https://x.test/i.png", "detail": "auto"}},
    ]
    of_message = f"{path}/messages/{message['id']}"
    assert http.get(of_message).json() == message
    assert http.post(of_message, json={"metadata": {"a": "b"}}).json() == {**message, "metadata": {"a": "b"}}
    assert http.delete(of_message).json()["object"] == "thread.message.deleted"
    assert error(http.get(of_message))[:2] == (404, f"No message found with id '{message['id']}'.")
    assert http.delete(path).json()["deleted"] is True
    assert error(http.get(f"{path}/messages"))[:2] == (404, f"No thread found with id '{thread['id']}'.")


def test_lists_come_in_pages_in_both_orders_and_from_both_ends(http: httpx2.Client) -> None:
    path = f"/threads/{http.post('/threads').json()['id']}/messages"
    ids = [http.post(path, json={"role": "user", "content": str(n)}).json()["id"] for n in range(7)]

    def page(**query: Any) -> tuple[list[int], bool]:
        body = http.get(path, params=query).json()
        found = [ids.index(message["id"]) for message in body["data"]]
        assert (body["first_id"], body["last_id"]) == ((ids[found[0]], ids[found[-1]]) if found else (None, None))
        return found, body["has_more"]

    assert page() == ([6, 5, 4, 3, 2, 1, 0], False)
    assert page(limit=3) == ([6, 5, 4], True)
    assert page(limit=3, after=ids[4]) == ([3, 2, 1], True)
    assert page(limit=3, after=ids[1]) == ([0], False)
    assert page(limit=3, order="asc", after=ids[1]) == ([2, 3, 4], True)
    assert page(limit=2, before=ids[3]) == ([5, 4], True)
    assert page(limit=5, order="asc", before=ids[3]) == ([0, 1, 2], False)
    assert page(after=ids[6], before=ids[2]) == ([5, 4, 3], False)
    assert page(after=ids[0]) == ([], False)


def test_a_program_that_deletes_what_it_lists_reaches_the_end(client: openai.OpenAI) -> None:
    for number in range(5):
        client.beta.assistants.create(model="m", name=str(number))
    for assistant in client.beta.assistants.list(limit=2):
        client.beta.assistants.delete(assistant.id)
    assert list(client.beta.assistants.list()) == []


WRONG_QUERIES = [
    ("limit=0", "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.", "limit"),
    (
        "limit=101",
        "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
        "limit",
    ),
    ("limit=x", "Invalid type for 'limit': expected an integer, but got 'x' instead.", "limit"),
    ("order=up", "Invalid value: 'up'. Supported values are: 'asc' and 'desc'.", "order"),
    ("after=asst_no", "Invalid 'after': there is nothing with id 'asst_no' in this list.", "after"),
    ("after=%00", "Invalid 'after': this is no id.", "after"),
    ("offset=3", "Unknown query parameter: 'offset'.", "offset"),
]


def test_a_wrong_query_is_refused_by_name(http: httpx2.Client) -> None:
    for query, message, param in WRONG_QUERIES:
        assert error(http.get(f"/assistants?{query}")) == (400, message, param)


WRONG_BODIES: list[tuple[str, Any, str, str | None]] = [
    ("/assistants", {}, "Missing required parameter: 'model'.", "model"),
    ("/assistants", {"model": "m", "colour": 1}, "Unknown parameter: 'colour'.", "colour"),
    (
        "/assistants",
        {"model": "m", "temperature": 2.5},
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
        "temperature",
    ),
    (
        "/threads",
        {"messages": [{"role": "system", "content": "x"}]},
        "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
        "messages[0].role",
    ),
    (
        "/threads",
        {"metadata": {str(n): "" for n in range(17)}},
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object "
        "with 17 properties instead.",
        "metadata",
    ),
    ("/threads", [], "Invalid type: expected an object, but got an array instead.", None),
    (
        "/threads/runs",
        {"assistant_id": "asst_1", "max_prompt_tokens": 3},
        "Invalid 'max_prompt_tokens': integer below minimum value. Expected a value >= 256, but got 3 instead.",
        "max_prompt_tokens",
    ),
    (
        "/threads/runs",
        {"assistant_id": "asst_1", "stream": "yes"},
        "Invalid type for 'stream': expected a boolean, but got a string instead.",
        "stream",
    ),
    (
        "/threads/runs",
        {"assistant_id": "asst_1", "response_format": {"type": "json_schema", "json_schema": {}}},
        "Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string that matches "
        "the pattern '[a-zA-Z0-9_-]{1,64}'.",
        "response_format.json_schema.name",
    ),
]


def test_a_wrong_body_is_refused_by_name(http: httpx2.Client) -> None:
    for path, body, message, param in WRONG_BODIES:
        assert error(http.post(path, json=body)) == (400, message, param)


def test_what_is_no_json_is_refused(http: httpx2.Client) -> None:
    deep = b'{"a":' * 500 + b'"\\u0041"' + b"}" * 500
    for raw in (b"{", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b'"\xed\xa0\x80"', b"[" * 100_000, b"1" * 5000, deep):
        status, message, _ = error(http.post("/threads", content=raw))
        assert status == 400
        assert "JSON" in message or "expected an object" in message


def test_schemas_may_be_nested_as_deeply_as_people_write_them(http: httpx2.Client) -> None:
    schema: Any = {"type": "string"}
    for _ in range(40):
        schema = {"type": "object", "properties": {"a": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    made = http.post("/assistants", json={"model": "m", "tools": [tool]}).json()
    assert made["tools"][0]["function"]["parameters"] == schema


def test_text_that_no_store_holds_is_mended(http: httpx2.Client) -> None:
    body = (
        b'{"messages": [{"role": "user", "content": "a\\u0000b\\ud800c \\ud83c\\udf2e"}], "metadata": {"\\u0000": ""}}'
    )
    thread = http.post("/threads", content=body).json()
    assert thread["metadata"] == {"\ufffd": ""}
    message = http.get(f"/threads/{thread['id']}/messages").json()["data"][0]
    assert message["content"][0]["text"]["value"] == "a\ufffdb\ufffdc \U0001f32e"


def test_an_id_that_is_not_there_is_404(http: httpx2.Client) -> None:
    for identifier in ["thread_x", "%00", "a%20b", "x" * 300]:
        for path in (f"/threads/{identifier}", f"/threads/{identifier}/messages", f"/threads/{identifier}/runs/run_1"):
            assert http.get(path).status_code == 404


def test_a_part_of_a_run_that_is_not_there_is_told_as_the_hosted_service_did(http: httpx2.Client, until: Any) -> None:
    assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
    run = http.post("/threads/runs", json={"assistant_id": assistant}).json()
    path = f"/threads/{run['thread_id']}/runs"
    assert error(http.get(f"{path}/{run['id']}/steps/step_123")) == (404, "No run step found with id 'step_123'.", None)
    assert error(http.get(f"{path}/run_123/steps")) == (404, "No run found with id 'run_123'.", None)
    assert error(http.post(path, json={"assistant_id": "asst_123"}))[0] in (400, 404)
    until(lambda: http.get(f"{path}/{run['id']}").json()["status"] == "completed")
    assert error(http.post(path, json={"assistant_id": "asst_123"})) == (
        404,
        "No assistant found with id 'asst_123'.",
        None,
    )


def test_an_unknown_url_or_method_is_told(http: httpx2.Client) -> None:
    assert error(http.get("/nothing")) == (404, "Invalid URL (GET /v1/nothing)", None)
    assert error(http.put("/threads")) == (405, "Not allowed to (PUT /v1/threads)", None)


def test_a_base_url_without_its_version_is_told_what_is_missing(http: httpx2.Client) -> None:
    url = str(http.base_url).replace("/v1/", "/threads")
    assert error(http.post(url)) == (404, "Invalid URL (POST /threads): the base URL of this server ends in /v1", None)


def test_a_file_is_uploaded_listed_shown_to_the_model_and_deleted(client: openai.OpenAI, upstream: Any) -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    file = client.files.create(file=("plot.png", image), purpose="vision")
    assert (file.filename, file.bytes, file.purpose) == ("plot.png", len(image), "vision")
    assert client.files.retrieve(file.id).id == file.id
    assert [entry.id for entry in client.files.list(purpose="vision")] == [file.id]
    assert client.files.content(file.id).read() == image
    assistant = client.beta.assistants.create(model="m")
    content: Any = [{"type": "text", "text": "What is it?"}, {"type": "image_file", "image_file": {"file_id": file.id}}]
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": content}]}, poll_interval_ms=20
    )
    assert run.status == "completed"
    sent = upstream.requests[0]["messages"][0]["content"]
    assert sent[0] == {"type": "text", "text": "What is it?"}
    assert sent[1]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    client.files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError, match="No file found with id"):
        client.beta.threads.create(messages=[{"role": "user", "content": content}])


def test_an_upload_without_its_fields_is_refused(http: httpx2.Client) -> None:
    assert error(http.post("/files", json={}))[0] == 400
    assert error(http.post("/files", files={"file": ("a", b"x")}))[2] == "purpose"
    assert error(http.post("/files", data={"purpose": "vision"}, files={"other": ("a", b"x")}))[2] == "file"
    assert error(http.post("/files", data={"purpose": "x"}, files={"file": ("a", b"x")}))[2] == "purpose"
    bad = {"content-type": "multipart/form-data; boundary=x"}
    assert error(http.post("/files", content=b"nothing", headers=bad))[0] == 400


def test_many_messages_at_once_keep_their_thread_whole(server: Any) -> None:
    async def post() -> list[str]:
        async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": "Bearer test-token"}) as http:
            thread = (await http.post("/threads")).json()["id"]
            path = f"/threads/{thread}/messages"
            sent = [http.post(path, json={"role": "user", "content": str(n)}) for n in range(50)]
            assert {response.status_code for response in await asyncio.gather(*sent)} == {200}
            listed = (await http.get(path, params={"limit": 100})).json()["data"]
            return [message["content"][0]["text"]["value"] for message in listed]

    assert sorted(asyncio.run(post()), key=int) == [str(n) for n in range(50)]


def test_a_step_that_is_kept_in_an_unusual_shape_is_shown_all_the_same() -> None:
    calls: list[Any] = [{"id": "a", "type": "file_search", "file_search": None}, {"id": "b"}]
    details = {"type": "tool_calls", "tool_calls": calls}
    row: dict[str, Any] = {**dict.fromkeys(steps.c.keys()), "step_details": details}
    assert objects.step(row)["step_details"] == details
