"""Moving in: what people exported, with its ids and times, and a thread that goes on by its old id."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nbassist.cli import main
from nbassist.server.config import ServerConfig

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

ASSISTANT = {
    "id": "asst_p3KXhIBPAThM0ixa6VmjXqiZ",
    "object": "assistant",
    "created_at": 1714000000,
    "name": "Clerk",
    "description": None,
    "model": "gpt-4-turbo",
    "instructions": "You are a clerk.",
    "tools": [
        {"type": "code_interpreter"},
        {"type": "file_search", "file_search": {"max_num_results": 5}},
        {
            "type": "function",
            "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}, "strict": False},
        },
    ],
    "top_p": 1.0,
    "temperature": 0.3,
    "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}, "code_interpreter": {"file_ids": ["file-1"]}},
    "metadata": {"team": "sales"},
    "response_format": "auto",
}
THREAD = {"id": "thread_old", "object": "thread", "created_at": 1714000100, "metadata": {"who": "Ann"}}


def message(name: str, role: str, text: str, at: int, **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": {"value": text, "annotations": []}}]
    base = {"id": name, "object": "thread.message", "created_at": at, "thread_id": "thread_old", "role": role}
    return {**base, "content": content, "assistant_id": None, "run_id": None, "metadata": {}, **more}


ASKED = message("msg_1", "user", "My name is Ann.", 1714000101)
ANSWERED = message("msg_2", "assistant", "Hello Ann.", 1714000101, run_id="run_1", assistant_id=ASSISTANT["id"])
RUN = {
    "id": "run_1",
    "object": "thread.run",
    "created_at": 1714000101,
    "thread_id": "thread_old",
    "assistant_id": ASSISTANT["id"],
    "status": "completed",
    "completed_at": 1714000103,
    "model": "gpt-4-turbo",
    "instructions": "You are a clerk.",
    "tools": [],
    "metadata": {"a": "b"},
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
STEP = {
    "id": "step_1",
    "object": "thread.run.step",
    "created_at": 1714000102,
    "run_id": "run_1",
    "thread_id": "thread_old",
    "assistant_id": ASSISTANT["id"],
    "type": "message_creation",
    "status": "completed",
    "completed_at": 1714000103,
    "step_details": {"type": "message_creation", "message_creation": {"message_id": "msg_2"}},
}
FILE = {"id": "file-1", "object": "file", "created_at": 1714000000, "filename": "a.csv", "purpose": "assistants"}
ALL = [ASSISTANT, THREAD, ASKED, ANSWERED, RUN, STEP, {**FILE, "bytes": 3}]

FORMS: dict[str, Any] = {
    "lines": "\n".join(map(json.dumps, ALL)),
    "an array": json.dumps(ALL),
    "pages as the API gave them, the newest first": "\n".join(
        json.dumps({"object": "list", "data": data, "has_more": False})
        for data in ([ASSISTANT], [ANSWERED, ASKED], [RUN], [STEP], [FILE])
    )
    + json.dumps(THREAD),
    "one object of lists": json.dumps(
        {
            "exported_at": "2026-08-20",
            "assistants": [ASSISTANT],
            "threads": [{**THREAD, "messages": [ASKED, ANSWERED], "runs": [{**RUN, "steps": [STEP]}]}],
            "files": [FILE],
        }
    ),
    "by their ids": json.dumps(
        {
            ASSISTANT["id"]: {name: value for name, value in ASSISTANT.items() if name not in ("id", "object")},
            "thread_old": {**THREAD, "messages": {"object": "list", "data": [ANSWERED, ASKED]}},
            "run_1": {**RUN, "run_steps": [STEP]},
            "file-1": FILE,
        },
        indent=1,
    ),
    "a thread beside its messages": json.dumps(ASSISTANT)
    + json.dumps({"thread": THREAD, "messages": [ASKED, ANSWERED], "runs": {"data": [RUN]}, "steps": [STEP]})
    + json.dumps(FILE),
}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'unused.db'}"


@pytest.fixture
def moved(tmp_path: Path, config: ServerConfig, run_server: Any, upstream: Any) -> Any:
    """Import a text, and give a client of a server on what it made."""

    def move(text: str, *flags: str) -> Any:
        file = tmp_path / "export.json"
        file.write_text(text, encoding="utf-8")
        assert main(["import", str(file), "--store", str(tmp_path / "store.db"), *flags]) == 0
        kept = replace(config, store_url=f"sqlite:///{tmp_path / 'store.db'}", hosted_tools="ignore")
        return run_server(kept)

    return move


@pytest.mark.parametrize("form", FORMS)
def test_a_program_finds_everything_under_its_old_ids_in_whatever_form_it_came(
    form: str, moved: Any, tmp_path: Path
) -> None:
    (tmp_path / "file-1").write_bytes(b"a,b")
    with moved(FORMS[form]) as server:
        beta = server.client.beta
        assistant = beta.assistants.retrieve(ASSISTANT["id"]).to_dict()
        for name in ("created_at", "name", "model", "instructions", "tools", "temperature", "metadata"):
            assert assistant[name] == ASSISTANT[name], name
        assert assistant["tool_resources"] == ASSISTANT["tool_resources"]
        assert beta.threads.retrieve("thread_old").metadata == {"who": "Ann"}
        messages = beta.threads.messages.list("thread_old", order="asc").data
        assert [(one.id, one.role, one.created_at) for one in messages] == [
            ("msg_1", "user", 1714000101),
            ("msg_2", "assistant", 1714000101),
        ]
        run = beta.threads.runs.retrieve("run_1", thread_id="thread_old")
        assert (run.status, run.completed_at, run.usage.total_tokens) == ("completed", 1714000103, 3)
        assert [one.id for one in beta.threads.runs.steps.list("run_1", thread_id="thread_old")] == ["step_1"]
        assert server.client.files.content("file-1").read() == b"a,b"


def test_a_thread_goes_on_by_its_old_id(moved: Any, upstream: Any) -> None:
    with moved(FORMS["lines"]) as server:
        threads = server.client.beta.threads
        threads.messages.create("thread_old", role="user", content="Who am I?")
        run = threads.runs.create_and_poll(thread_id="thread_old", assistant_id=ASSISTANT["id"])
        assert run.status == "completed"
        assert [one.role for one in threads.messages.list("thread_old", order="asc")][-2:] == ["user", "assistant"]
    said = [message["content"] for message in upstream.requests[-1]["messages"]]
    assert said == ["You are a clerk.", "My name is Ann.", "Hello Ann.", "Who am I?"]
    assert [tool["function"]["name"] for tool in upstream.requests[-1]["tools"]] == ["look_up", "file_search"]


def test_messages_that_are_a_role_and_a_text_are_enough_for_a_thread(moved: Any) -> None:
    text = {"thread_bare": [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]}
    with moved(json.dumps(text)) as server:
        found = server.client.beta.threads.messages.list("thread_bare", order="asc").data
        assert [(one.role, one.content[0].text.value) for one in found] == [("user", "One"), ("assistant", "Two")]


def test_messages_of_a_thread_that_nobody_described_make_it_and_times_may_be_written_out(moved: Any) -> None:
    texts = [
        {**message("msg_8", "user", "later", 0), "created_at": "2024-05-01T10:00:01+00:00"},
        {**message("msg_9", "user", "sooner", 0), "created_at": 1714557600000, "content": "sooner"},
    ]
    with moved(json.dumps(texts)) as server:
        assert server.client.beta.threads.retrieve("thread_old").created_at == 1714557600
        found = server.client.beta.threads.messages.list("thread_old", order="asc").data
        assert [one.id for one in found] == ["msg_9", "msg_8"]


def test_a_run_that_was_under_way_does_not_lock_its_thread(moved: Any) -> None:
    with moved(json.dumps([ASSISTANT, THREAD, ASKED, {**RUN, "status": "requires_action"}])) as server:
        threads = server.client.beta.threads
        assert threads.runs.retrieve("run_1", thread_id="thread_old").status == "expired"
        run = threads.runs.create_and_poll(thread_id="thread_old", assistant_id=ASSISTANT["id"])
        assert run.status == "completed"


def test_a_second_import_changes_nothing(moved: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with moved(FORMS["lines"]) as server:
        server.client.beta.assistants.update(ASSISTANT["id"], name="Renamed")
        capsys.readouterr()
        with moved(FORMS["an array"]):
            assert "assistants: 0 added, 1 there already" in capsys.readouterr().out
        assert server.client.beta.assistants.retrieve(ASSISTANT["id"]).name == "Renamed"


def test_what_can_not_be_kept_is_named_and_the_rest_is_kept(moved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [{**ASKED, "role": "robot"}, {**ASSISTANT, "id": "no id"}, {**STEP, "run_id": "run_none"}]
    with moved(json.dumps([*wrong, THREAD, FILE])):
        said = capsys.readouterr()
        assert "threads: 1 added" in said.out
        for words in ("message msg_1", "'no id'", "step step_1 without its run", "without their bytes"):
            assert words in said.err


def test_what_an_import_says_and_an_export_prints_controls_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[31mred\x1b]0;title\x07 \x9b31m"
    wrong = [{**ASKED, "role": evil}, {**ASSISTANT, "id": f"no {evil}"}, {**STEP, "run_id": f"run_{evil}"}]
    content = [{"type": "text", "text": {"value": evil, "annotations": []}}]
    kept = [THREAD, {**ASKED, "content": content}, {**ASSISTANT, "name": evil}]
    (tmp_path / "x.json").write_text(json.dumps([*wrong, *kept]))
    assert main(["import", str(tmp_path / "x.json"), "--store", str(tmp_path / "s.db")]) == 0
    assert main(["export", "--store", str(tmp_path / "s.db")]) == 0
    said = capsys.readouterr()
    assert "left out: " in said.err
    assert "red" in said.out
    assert not [one for one in said.out + said.err if one != "\n" and (one < " " or "\x7f" <= one < "\xa0")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_export_that_windows_wrote_is_read_as_any_other(
    encoding: str, end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {**ASSISTANT, "name": "Übersetzer"}
    lines = end.join(json.dumps(one, ensure_ascii=False) for one in (named, THREAD))
    (tmp_path / "x.jsonl").write_bytes((lines + end).encode(encoding))
    assert main(["import", str(tmp_path / "x.jsonl"), "--store", str(tmp_path / "s.db")]) == 0
    assert main(["export", "--store", str(tmp_path / "s.db")]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [one["name"] for one in found if one["object"] == "assistant"] == ["Übersetzer"]


@pytest.mark.parametrize(("text", "words"), [("{", "line 1"), ('[1]\n{"a": oops}', "line 2"), ("", None)])
def test_what_is_no_json_is_one_line(text: str, words: str | None, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    code = main(["import", str(file), "--store", str(tmp_path / "s.db")])
    said = capsys.readouterr().err
    assert (code, len(said.splitlines())) == (2 if words else 0, 1)
    assert (words or "nothing was found") in said


def test_an_export_is_an_import_elsewhere_with_bytes_and_all(
    moved: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {**FILE, "content_base64": base64.b64encode(b"\x00\xff").decode()}
    with moved("\n".join(map(json.dumps, [*ALL[:-1], held]))) as server:
        asked = {"Authorization": f"Bearer {server.client.api_key}"}
        with httpx2.Client(base_url=server.url, headers=asked, timeout=60) as http:
            paths = ("/assistants", "/threads", "/threads/thread_old/messages", "/threads/thread_old/runs", "/files")
            before = [http.get(path).json() for path in paths]
            assert main(["export", "--store", str(tmp_path / "store.db"), "-o", str(tmp_path / "out.jsonl")]) == 0
            assert (tmp_path / "out.jsonl").stat().st_mode & 0o077 == 0
            sources = {"second.db": str(tmp_path / "out.jsonl"), "third.db": str(tmp_path / "store.db")}
            for name, source in sources.items():
                assert main(["import", source, "--store", str(tmp_path / name)]) == 0
    for name in ("second.db", "third.db"):
        capsys.readouterr()
        assert main(["export", "--store", str(tmp_path / name)]) == 0
        assert capsys.readouterr().out == (tmp_path / "out.jsonl").read_text()
    assert before[1]["data"][0]["id"] == "thread_old"
    assert main(["export", "--store", str(tmp_path / "store.db"), "-o", str(tmp_path / "out.jsonl")]) == 2


def test_a_client_may_choose_the_id_of_what_it_makes(http: httpx2.Client) -> None:
    for path, body in (("/assistants", {"model": "m"}), ("/threads", {})):
        made = http.post(path, json={**body, "id": "its_own-1"})
        assert made.json()["id"] == "its_own-1"
        again = http.post(path, json={**body, "id": "its_own-1"}).json()["error"]
        assert (again["code"], again["param"]) == ("id_in_use", "id")
        assert http.post(path, json={**body, "id": "no id"}).status_code == 400
    assert [one["id"] for one in http.get("/threads").json()["data"]] == ["its_own-1"]


def test_vector_stores_come_along_and_their_files_are_read_and_found_there(
    moved: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], until: Any
) -> None:
    strategy: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10}}
    with moved(json.dumps(THREAD)) as server:
        client = server.client
        file = client.files.create(file=("bees.txt", b"Bees make honey."), purpose="assistants")
        stores = [client.vector_stores.create(name=name, metadata={"of": name}) for name in ("one", "two")]
        for number, store in enumerate(stores):
            attributes: Any = {"number": number}
            kept = {"file_id": file.id, "attributes": attributes, "chunking_strategy": strategy}
            client.vector_stores.files.create_and_poll(vector_store_id=store.id, poll_interval_ms=20, **kept)
        resources: Any = {"file_search": {"vector_store_ids": [stores[1].id]}}
        made = client.beta.assistants.create(model="m", tools=[{"type": "file_search"}], tool_resources=resources)
        out = tmp_path / "out.jsonl"
        assert main(["export", "--store", str(tmp_path / "store.db"), "-o", str(out)]) == 0
    (tmp_path / "store.db").rename(tmp_path / "before.db")
    capsys.readouterr()
    with moved(out.read_text()) as server:
        said = capsys.readouterr()
        assert "vector stores: 2 added" in said.out
        assert "files in vector stores: 2 added" in said.out
        assert said.err == ""
        client = server.client
        until(lambda: all(store.file_counts.completed == 1 for store in client.vector_stores.list().data))
        for number, store in enumerate(stores):
            [found] = client.vector_stores.search(store.id, query="who makes honey").data
            assert (found.file_id, found.attributes) == (file.id, {"number": number})
            read = client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
            assert read.chunking_strategy is not None
            assert read.chunking_strategy.to_dict() == strategy
            assert client.vector_stores.retrieve(store.id).metadata == store.metadata
        assert client.beta.assistants.retrieve(made.id).tool_resources == made.tool_resources
    with moved(out.read_text()):
        assert "files in vector stores: 0 added, 2 there already" in capsys.readouterr().out


def test_a_file_in_a_store_that_did_not_come_is_named(moved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inside = {**FILE, "object": "vector_store.file", "vector_store_id": "vs_gone"}
    with moved("\n".join(map(json.dumps, [inside, FILE]))):
        assert "file file-1 in vector store vs_gone without vs_gone" in capsys.readouterr().err


def test_what_the_first_version_of_the_api_gave_comes_in_the_form_of_the_second(
    moved: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], until: Any
) -> None:
    tools = [{"type": "retrieval"}, {"type": "code_interpreter"}]
    file = {**FILE, "filename": "bees.txt", "content_base64": base64.b64encode(b"Bees make honey.").decode()}
    call = {"id": "call_1", "type": "retrieval", "retrieval": {}}
    step = {**STEP, "type": "tool_calls", "step_details": {"type": "tool_calls", "tool_calls": [call]}}
    old = {name: value for name, value in ASSISTANT.items() if name != "tool_resources"}
    exported = [
        {**old, "model": "gpt-4-1106-preview", "tools": tools, "file_ids": ["file-1"]},
        THREAD,
        {**ASKED, "file_ids": ["file-1"]},
        {**ANSWERED, "file_ids": []},
        {**RUN, "tools": tools, "file_ids": ["file-1"]},
        step,
        file,
    ]
    text = "\n".join(map(json.dumps, exported))
    with moved(text) as server:
        client = server.client
        assistant = client.beta.assistants.retrieve(ASSISTANT["id"])
        assert [tool.type for tool in assistant.tools] == ["file_search", "code_interpreter"]
        assert assistant.tool_resources.code_interpreter.file_ids == ["file-1"]
        [store] = assistant.tool_resources.file_search.vector_store_ids
        until(lambda: client.vector_stores.retrieve(store).file_counts.completed == 1)
        assert [one.file_id for one in client.vector_stores.search(store, query="honey").data] == ["file-1"]
        message = client.beta.threads.messages.retrieve("msg_1", thread_id="thread_old")
        assert [one.file_id for one in message.attachments] == ["file-1"]
        [found] = client.beta.threads.runs.steps.list("run_1", thread_id="thread_old").data
        assert [one.type for one in found.step_details.tool_calls] == ["file_search"]
    capsys.readouterr()
    with moved(text):
        assert "vector stores: 0 added, 1 there already" in capsys.readouterr().out


def test_tools_that_came_with_nulls_are_as_the_api_makes_them_and_so_the_upstream_gets_them(
    moved: Any, upstream: Any
) -> None:
    nulls = {"type": "function", "function": {"name": "f", "description": None, "parameters": None, "strict": None}}
    options = {"ranker": None, "score_threshold": 0.5}
    search = {"type": "file_search", "file_search": {"max_num_results": None, "ranking_options": options}}
    schema = {"name": "s", "description": None, "schema_": {"type": "object"}, "strict": None}
    given = {
        "tools": [nulls, search, {"type": "code_interpreter"}],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "tool_resources": {"file_search": {"vector_store_ids": None}, "code_interpreter": None},
    }
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": None}}
    shown = {"id": "msg_9", "object": "thread.message", "created_at": 1714000105, "role": "user", "content": [picture]}
    objects = [{**ASSISTANT, **given}, THREAD, ASKED, {**shown, "thread_id": "thread_old"}, {**RUN, **given}]
    empty = {"type": "object", "properties": {}}
    expected = [
        {"type": "function", "function": {"name": "f", "parameters": empty, "strict": False}},
        {"type": "file_search", "file_search": {"ranking_options": {"score_threshold": 0.5}}},
        {"type": "code_interpreter"},
    ]
    with moved(json.dumps(objects)) as server:
        beta = server.client.beta
        assistant = beta.assistants.retrieve(ASSISTANT["id"]).to_dict()
        run = beta.threads.runs.retrieve("run_1", thread_id="thread_old").to_dict()
        for one in (assistant, run):
            assert one["tools"] == expected
        assert assistant["tool_resources"] == {"file_search": {}, "code_interpreter": {"file_ids": []}}
        beta.assistants.update(ASSISTANT["id"], **{name: assistant[name] for name in given})
        beta.threads.runs.create_and_poll(thread_id="thread_old", assistant_id=ASSISTANT["id"])
    sent = upstream.requests[-1]
    assert sent["tools"][0] == expected[0]
    assert sent["response_format"]["json_schema"] == {"name": "s", "schema": {"type": "object"}}
    assert sent["messages"][-1]["content"][0]["image_url"]["detail"] == "auto"


STRANGE_CALLS: dict[str, Any] = {
    "a search that says nothing": {"id": "call_y", "type": "file_search", "file_search": None},
    "a search whose results are null": {"id": "call_y", "type": "file_search", "file_search": {"results": None}},
    "a call without its type": {"id": "call_y", "file_search": {"results": []}},
    "a function without output": {"id": "call_y", "type": "function", "function": {"name": "f"}},
    "code without outputs": {"id": "call_y", "type": "code_interpreter", "code_interpreter": None},
}


@pytest.mark.parametrize("call", STRANGE_CALLS.values(), ids=STRANGE_CALLS)
def test_a_step_of_an_unusual_shape_is_shown_as_the_api_has_steps(call: Any, moved: Any) -> None:
    step = {**STEP, "type": "tool_calls", "step_details": {"type": "tool_calls", "tool_calls": [call]}}
    with moved(json.dumps([ASSISTANT, THREAD, RUN, step])) as server:
        [found] = server.client.beta.threads.runs.steps.list("run_1", thread_id="thread_old").data
        [shown] = found.step_details.tool_calls
        assert (shown.id, shown.type) == ("call_y", call.get("type", "file_search"))
        assert getattr(shown, shown.type) is not None


def test_a_step_that_says_too_little_is_left_out_and_the_others_are_shown(
    moved: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[Any] = [{"id": "c"}, {"type": "function", "function": {"name": "f"}}, "c", {"id": "c", "type": "magic"}]
    details: list[Any] = [{"type": "tool_calls", "tool_calls": [call]} for call in calls]
    details += [None, {}, {"type": "message_creation", "message_creation": None}]
    steps = [{**STEP, "id": f"step_w{index}", "step_details": one} for index, one in enumerate(details)]
    with moved(json.dumps([ASSISTANT, THREAD, RUN, *steps, STEP])) as server:
        said = capsys.readouterr().err
        assert [f"left out: step step_w{index} is not" in said for index in range(len(steps))] == [True] * len(steps)
        [found] = server.client.beta.threads.runs.steps.list("run_1", thread_id="thread_old").data
        assert found.id == "step_1"
