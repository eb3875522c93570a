"""Every parameter that the description of the API has: taken, and shown again where the object has it, or refused by
name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True},
}
MESSAGE = {"role": "user", "content": "Hi"}
OPTIONS = {"ranker": "default_2024_08_21", "score_threshold": 0.5, "hybrid_search": None}
SEARCH = {"type": "file_search", "file_search": {"max_num_results": 7, "ranking_options": OPTIONS}}
SAMPLES: dict[str, list[Any]] = {
    "additional_instructions": ["Be kind."],
    "additional_messages": [[MESSAGE]],
    "assistant_id": [],  # in every body that has one
    "attachments": [[], [{"file_id": "file_1", "tools": [{"type": "code_interpreter"}]}]],
    "content": [
        "Hi",
        [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "https://x.test/i"}}],
    ],
    "description": ["what it does"],
    "instructions": ["Be brief."],
    "max_completion_tokens": [1, 256],
    "max_prompt_tokens": [256],
    "messages": [[MESSAGE]],
    "metadata": [{"k": "v"}, {}],
    "model": ["other"],
    "name": ["A"],
    "parallel_tool_calls": [False, True],
    "reasoning_effort": ["low"],
    "response_format": [
        "auto",
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}},
    ],
    "role": ["user", "assistant"],
    "stream": [False, True],
    "temperature": [0, 1.5],
    "thread": [{"messages": [MESSAGE], "metadata": {"k": "v"}}],
    "tool_choice": ["none", "auto", "required", {"type": "function", "function": {"name": "f"}}],
    "tool_outputs": [[{"tool_call_id": "call_a", "output": "1"}]],
    "tool_resources": [
        {"code_interpreter": {"file_ids": []}},
        {"code_interpreter": {"file_ids": ["file_1"]}},
        {"file_search": {"vector_store_ids": []}},
        {"file_search": {"vector_stores": [{"file_ids": [], "metadata": {"k": "v"}}]}},
    ],
    "tools": [[TOOL], [], [{"type": "code_interpreter"}], [SEARCH]],
    "top_p": [0.5, 1],
    "truncation_strategy": [
        {"type": "auto", "last_messages": None},
        {"type": "last_messages", "last_messages": 3},
    ],
}
ABSENT = "file_1"
QUERIES: dict[str, list[str]] = {
    "limit": ["1", "100"],
    "order": ["asc", "desc"],
    "run_id": ["run_1"],
    "include[]": ["step_details.tool_calls[*].file_search.results[*].content"],
}


def properties(source: Any, schema: Any) -> set[str]:
    """The names of what an object may have."""
    while "$ref" in schema:
        schema = source["components"]["schemas"][schema["$ref"].split("/")[-1]]
    parts: list[Any] = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ())]
    return set(schema.get("properties", ())).union(*(properties(source, part) for part in parts))


def operations(source: Any) -> Iterator[tuple[str, str, set[str], set[str]]]:
    """Method, path, parameters of the query and of the body, for all that the description has."""
    for path, methods in source["paths"].items():
        for method, operation in methods.items():
            queries = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"}
            bodies: Any = operation.get("requestBody", {"content": {"none": {"schema": {}}}})["content"]
            yield method.upper(), path, queries, properties(source, next(iter(bodies.values()))["schema"])


@pytest.fixture
def prepare(http: httpx2.Client, upstream: Any, until: Any) -> Callable[[str], tuple[str, dict[str, Any]]]:
    """Make what a path needs; return it with real ids, and the least that its body has to have."""
    assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
    upstream.calls(("call_a", "f", "{}"))
    upstream.otherwise = upstream.script.pop().chunks  # to every request

    def fill(path: str) -> tuple[str, dict[str, Any]]:
        thread = http.post("/threads", json={"messages": [MESSAGE]}).json()["id"]
        ids = {"thread_id": thread, "assistant_id": assistant}
        ids["message_id"] = http.get(f"/threads/{thread}/messages").json()["data"][0]["id"]
        if "{run_id}" in path:
            runs = f"/threads/{thread}/runs"
            ids["run_id"] = http.post(runs, json={"assistant_id": assistant, "tools": [TOOL]}).json()["id"]
            until(lambda: http.get(f"{runs}/{ids['run_id']}").json()["status"] == "requires_action")
            ids["step_id"] = http.get(f"{runs}/{ids['run_id']}/steps").json()["data"][0]["id"]
        if path == "/assistants":
            least: dict[str, Any] = {"model": "m"}
        elif path.endswith("/messages"):
            least = dict(MESSAGE)
        elif path.endswith("/runs"):
            least = {"assistant_id": assistant, "tools": [TOOL]}
        else:
            least = {"tool_outputs": SAMPLES["tool_outputs"][0]} if path.endswith("outputs") else {}
        return path.format(**ids), least

    return fill


def test_every_parameter_of_a_body_is_taken_or_refused_by_name(
    http: httpx2.Client, description: Any, prepare: Callable[[str], tuple[str, dict[str, Any]]]
) -> None:
    seen = set()
    for method, path, _, names in operations(description.source):
        for name in sorted(names):
            for value in SAMPLES[name]:
                real, least = prepare(path)
                response = http.request(method, real, json={**least, name: value})
                where = (method, path, name, value)
                if ABSENT in json.dumps(value):
                    assert response.status_code == 400, (where, response.text)
                    error = response.json()["error"]
                    assert error["message"] == f"No file found with id '{ABSENT}'."
                    assert error["param"].startswith(name), where
                    seen.add(name)
                    continue
                assert response.status_code == 200, (where, response.text)
                if value is True and name == "stream":
                    description.check_stream(response.text)
                elif name in (shown := response.json()) and name not in ("content", "tool_resources"):
                    assert shown[name] == value, where
        seen |= names
    assert seen == SAMPLES.keys()


def test_every_parameter_of_a_query_is_taken(
    http: httpx2.Client, description: Any, prepare: Callable[[str], tuple[str, dict[str, Any]]]
) -> None:
    lists = [(path, names) for method, path, names, _ in operations(description.source) if method == "GET" and names]
    assert len(lists) == 5  # one of them is a single step, whose `include[]` there is
    for path, names in lists:
        real, _ = prepare(path)
        for name in names - {"after", "before"}:
            for value in QUERIES[name]:
                assert http.get(real, params={name: value}).status_code == 200, (path, name, value)
        assert http.get(real, params={"colour": "red"}).json()["error"]["param"] == "colour"


def test_every_other_list_comes_in_pages_as_messages_do(http: httpx2.Client, upstream: Any, until: Any) -> None:
    """Each is made of five, and read from both ends, in both orders, and from either side of a cursor."""
    assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
    runs = f"/threads/{http.post('/threads').json()['id']}/runs"
    for _ in range(4):
        upstream.calls(("call_a", "f", "{}"))
    run = http.post(runs, json={"assistant_id": assistant, "tools": [TOOL]}).json()["id"]
    for _ in range(4):
        until(lambda: http.get(f"{runs}/{run}").json()["status"] == "requires_action")
        outputs = {"tool_outputs": SAMPLES["tool_outputs"][0]}
        assert http.post(f"{runs}/{run}/submit_tool_outputs", json=outputs).status_code == 200
    until(lambda: http.get(f"{runs}/{run}").json()["status"] == "completed")
    steps = http.get(f"{runs}/{run}/steps", params={"order": "asc"}).json()["data"]
    assert [step["type"] for step in steps] == ["tool_calls"] * 4 + ["message_creation"]
    made: dict[str, list[str]] = {f"{runs}/{run}/steps": [step["id"] for step in steps], runs: [run]}
    for _ in range(4):
        stream = http.post(runs, json={"assistant_id": assistant, "stream": True}).text
        made[runs].append(next(word for word in stream.split('"') if word.startswith("run_")))
    made["/assistants"] = [http.post("/assistants", json={"model": "m"}).json()["id"] for _ in range(5)]
    upload: Any = {"files": {"file": ("a.png", b"x")}, "data": {"purpose": "vision"}}
    made["/files"] = [http.post("/files", **upload).json()["id"] for _ in range(5)]
    for path, ids in made.items():

        def page(path: str = path, **query: Any) -> tuple[list[str], bool]:
            body = http.get(path, params=query).json()
            found = [item["id"] for item in body["data"]]
            assert (body["first_id"], body["last_id"]) == ((found[0], found[-1]) if found else (None, None))
            return found, body["has_more"]

        assert page(limit=2) == (ids[3:][::-1], True), path
        assert page(order="asc", after=ids[1], limit=2) == (ids[2:4], True), path
        assert page(order="asc", after=ids[1]) == (ids[2:], False), path
        assert page(order="asc", before=ids[3], limit=2) == (ids[1:3], True), path
        assert page(before=ids[1], after=ids[4]) == (ids[2:4][::-1], False), path
        assert page(before=ids[4]) == ([], False), path
