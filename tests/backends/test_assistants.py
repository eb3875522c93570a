"""Assistants v2 beyond text: what the service runs, pictures and citations, files of a prompt, an old thread.

The shapes are those of the OpenAPI description.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.assistants.backend import AssistantsBackend
from nbassist.backends.assistants.request import EndpointFiles, run_body, thread_messages, wire_messages
from nbassist.core.conversation import Conversation
from nbassist.core.events import CitationAdded, ImageReady, ServerToolEvent, TurnEnded, Warned
from nbassist.core.messages import File, Image, Message, OutputSchema, Request, Text, ToolSpec
from nbassist.errors import ConversationError

RUN: Any = {"id": "run_1", "thread_id": "thread_1", "model": "m", "status": "in_progress"}


@pytest.fixture
def assistant(endpoint: Any) -> Assistant:
    endpoint.json("POST", "/assistants", {"id": "asst_1"})
    return Assistant(backend="assistants", base_url=endpoint.url, api_key="k", model="m", tools=[])


def script(endpoint: Any, wire: Any, *events: tuple[str, Any]) -> None:
    named = [("run.created", RUN), *events, ("run.completed", {**RUN, "status": "completed"})]
    pieces = [f"event: thread.{name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in named]
    answer = wire.answer([*pieces, b"event: done\ndata: [DONE]\n\n"])
    endpoint.on("POST", "/threads/runs", answer)
    endpoint.on("POST", "/threads/thread_1/runs", answer)


def step(*calls: Any) -> dict[str, Any]:
    return {"id": "step_1", "delta": {"step_details": {"type": "tool_calls", "tool_calls": list(calls)}}}


def test_the_code_interpreter_is_shown_with_code_logs_and_pictures(
    endpoint: Any, wire: Any, assistant: Assistant
) -> None:
    def code(**details: Any) -> dict[str, Any]:
        return {"index": 0, "id": "call_1", "type": "code_interpreter", "code_interpreter": details}

    logs = {"index": 0, "type": "logs", "logs": "2\n"}
    picture = {"index": 1, "type": "image", "image": {"file_id": "file_1"}}
    whole = code(input="print(1+1)", outputs=[logs, picture])
    done = {"id": "step_1", "status": "completed", "step_details": {"type": "tool_calls", "tool_calls": [whole]}}
    script(
        endpoint,
        wire,
        ("run.step.delta", step(code(input="print(", outputs=[]))),
        ("run.step.delta", step(code(input="1+1)"))),
        ("run.step.delta", step(code(outputs=[logs]))),
        ("run.step.completed", done),
    )
    endpoint.on("GET", "/files/file_1/content", wire.answer([b"\xff\xd8\xffJPEG"], kind="application/octet-stream"))
    events = assistant.ask("go").events
    told = [event for event in events if isinstance(event, ServerToolEvent)]
    assert "".join(event.text for event in told) == "print(1+1)"
    assert "".join(event.output for event in told) == "2\n"
    assert [event.state for event in told] == ["running", "running", "running", "completed"]
    assert ImageReady("image/jpeg", b"\xff\xd8\xffJPEG", "file_1") in events
    assert isinstance(events[-2], TurnEnded)


def test_what_the_server_notes_of_a_run_is_said_once_and_other_metadata_is_not(
    endpoint: Any, wire: Any, assistant: Assistant
) -> None:
    noted = {
        **RUN,
        "metadata": {"nbassist_model": "gpt-4o is no model of the upstream", "nbassist_else": "x", "a": "b"},
    }
    script(endpoint, wire, ("run.in_progress", noted), ("run.in_progress", noted))
    reply = assistant.ask("go")
    assert [event.text for event in reply.events if isinstance(event, Warned)] == [noted["metadata"]["nbassist_model"]]


def test_a_file_search_is_shown_with_what_it_found(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    found = {"file_id": "file_1", "file_name": "a.pdf", "score": 0.5, "content": [{"type": "text", "text": "so"}]}
    call = {"index": 0, "id": "call_1", "type": "file_search", "file_search": {"results": [found]}}
    done = {"id": "step_1", "status": "completed", "step_details": {"tool_calls": [call]}}
    begun = {**call, "file_search": {}}
    script(endpoint, wire, ("run.step.delta", step(begun)), ("run.step.completed", done))
    told = [event for event in assistant.ask("go").events if isinstance(event, ServerToolEvent)]
    assert [(event.state, event.output) for event in told] == [("running", ""), ("completed", "a.pdf (0.50)\nso")]


def test_a_citation_of_a_search_comes_with_its_passage_and_page(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    results = [
        {"file_id": "file_1", "file_name": "a.pdf", "score": 0.5, "content": [{"type": "text", "text": "no"}]},
        {
            "file_id": "file_1",
            "file_name": "a.pdf",
            "score": 0.4,
            "content": [{"type": "text", "text": "yes"}],
            "nbassist_page": 7,
        },
    ]
    call = {"index": 0, "id": "call_1", "type": "file_search", "file_search": {"results": results}}
    done = {"id": "step_1", "status": "completed", "step_details": {"tool_calls": [call]}}
    marker = "【4:1†a.pdf】"
    cited = {"type": "file_citation", "text": marker, "start_index": 1, "file_citation": {"file_id": "file_1"}}
    text = {"type": "text", "text": {"value": f"a{marker}", "annotations": [cited]}}
    message = ("message.completed", {"id": "msg_1", "content": [text]})
    script(endpoint, wire, ("run.step.completed", done), message)
    endpoint.json("GET", "/files/file_1", {"id": "file_1", "filename": "a.pdf"})
    reply = assistant.ask("go", parameters={"tools": [{"type": "file_search"}]})
    assert CitationAdded("a.pdf", marker=marker, passage="yes", page=7) in reply.events
    html = reply._repr_mimebundle_()["text/html"]
    assert "<summary>a.pdf, page 7</summary>" in html
    assert ">yes</pre>" in html
    [path] = [asked.path for asked in endpoint.asked if "/runs" in asked.path]
    assert "file_search.results" in path


def test_citations_get_the_names_of_their_files(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    def cited(kind: str, marker: str, **what: str) -> dict[str, Any]:
        return {"type": kind, "text": marker, "start_index": 1, kind: what}

    annotations = [
        cited("file_citation", "【1】", file_id="file_1"),
        cited("file_path", "sandbox:/a.csv", file_id="file_2"),
        cited("url_citation", "【2】", url="https://x.org", title="X"),
    ]
    text = {"type": "text", "text": {"value": "a【1】", "annotations": annotations}}
    message = {"id": "msg_1", "delta": {"content": [{"index": 0, **text}]}}
    script(endpoint, wire, ("message.delta", message), ("message.completed", {"id": "msg_1", "content": [text]}))
    endpoint.json("GET", "/files/file_1", {"id": "file_1", "filename": "report.pdf"})
    events = assistant.ask("go").events
    assert [event for event in events if isinstance(event, CitationAdded)] == [
        CitationAdded("X", "https://x.org", "【2】"),
        CitationAdded("report.pdf", marker="【1】"),
        CitationAdded("file_2", marker="sandbox:/a.csv"),  # the endpoint does not know it by name
    ]


def test_a_file_that_the_interpreter_wrote_comes_with_the_reply(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    link = "sandbox:/mnt/data/a.csv"
    cited = {"type": "file_path", "text": link, "start_index": 5, "file_path": {"file_id": "file_2"}}
    text = {"type": "text", "text": {"value": f"[it]({link})", "annotations": [cited]}}
    script(endpoint, wire, ("message.completed", {"id": "msg_1", "content": [text]}))
    endpoint.json("GET", "/files/file_2", {"id": "file_2", "filename": "a.csv"})
    endpoint.on("GET", "/files/file_2/content", wire.answer([b"a,b\n1,2\n"], headers={"Content-Type": "text/csv"}))
    reply = assistant.ask("go")
    assert reply.files == {"a.csv": b"a,b\n1,2\n"}
    assert 'download="a.csv"' in reply._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    ("status", "data", "line"),
    [
        (200, b"x" * (1024 * 1024 + 1), "a.csv stays at the endpoint: it is over 1 MiB"),
        (404, b"{}", "a.csv is not at the endpoint any more; run the cell again to have it made anew"),
    ],
)
def test_a_file_that_does_not_come_stays_a_source_with_a_line_why(
    endpoint: Any, wire: Any, assistant: Assistant, status: int, data: bytes, line: str
) -> None:
    link = "sandbox:/mnt/data/a.csv"
    cited = {"type": "file_path", "text": link, "start_index": 5, "file_path": {"file_id": "file_2"}}
    text = {"type": "text", "text": {"value": f"[it]({link})", "annotations": [cited]}}
    script(endpoint, wire, ("message.completed", {"id": "msg_1", "content": [text]}))
    endpoint.json("GET", "/files/file_2", {"id": "file_2", "filename": "a.csv"})
    endpoint.on("GET", "/files/file_2/content", wire.answer([data], status=status))
    reply = assistant.ask("go")
    assert CitationAdded("a.csv", marker=link) in reply.events
    assert (reply.finish, Warned(line) in reply.events) == ("completed", True)


def test_a_picture_that_can_not_be_fetched_is_told_by_its_id(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    message = {"id": "msg_1", "content": [{"type": "image_file", "image_file": {"file_id": "file_9"}}]}
    script(endpoint, wire, ("message.completed", message))
    reply = assistant.ask("go")
    assert ImageReady("image/png", file_id="file_9") in reply.events
    assert reply.finish == "completed"


def test_images_and_files_are_uploaded_once_and_named() -> None:
    picture, scan = Image(data=b"\x89PNG"), File("a.pdf", "application/pdf", b"%PDF")
    message = Message("user", (Text("look"), picture, scan, File("a.csv", "text/csv", b"a,b")))
    files = EndpointFiles()
    steps, ids = play(files.upload([message]))
    assert [(s.name, s.fields["purpose"]) for s in steps] == [("image.png", "vision"), ("a.pdf", "assistants")]
    assert play(files.upload([message])) == ([], ids)  # known by now
    wire = wire_messages(message, ids, [{"type": "code_interpreter"}])[0]
    assert [part["type"] for part in wire["content"]] == ["text", "image_file", "text"]
    assert wire["content"][1]["image_file"] == {"file_id": "file_0"}
    assert wire["attachments"] == [{"file_id": "file_1", "tools": [{"type": "code_interpreter"}]}]


def play(flow: Any) -> tuple[list[Any], Any]:
    """Answer the steps of a part of a flow with new file ids; return them, and what it returns."""
    steps: list[Any] = []
    try:
        step = next(flow)
        while True:
            steps.append(step)
            step = flow.send({"id": f"file_{len(steps) - 1}"})
    except StopIteration as stop:
        return steps, stop.value


def test_schema_reasoning_hosted_and_custom_tools_of_a_run() -> None:
    request = Request(
        (),
        model="o3",
        tools=(ToolSpec("sql", "", {}, kind="custom"),),
        reasoning="low",
        output=OutputSchema("answer", {"type": "object"}),
        parameters={"tools": [{"type": "code_interpreter"}]},
    )
    body = run_body(request)
    assert [tool["type"] for tool in body["tools"]] == ["function", "code_interpreter"]
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert (body["reasoning_effort"], body["response_format"]["type"]) == ("low", "json_schema")


def page(*ids: str, more: bool) -> dict[str, Any]:
    data = [
        {
            "id": i,
            "role": "user" if i.endswith("u") else "assistant",
            "content": [{"type": "text", "text": {"value": i}}],
        }
        for i in ids
    ]
    return {"object": "list", "data": data, "has_more": more, "last_id": ids[-1]}


def test_an_old_thread_is_opened_by_its_id_and_gone_on_with(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    endpoint.json("GET", "/threads/thread_1/messages", page("1u", "2a", more=True), page("3u", "4a", more=False))
    script(endpoint, wire)
    backend = assistant.backend
    assert isinstance(backend, AssistantsBackend)
    messages, cursor = backend.open("thread_1")
    assert [(m.role, m.text) for m in messages] == [
        ("user", "1u"),
        ("assistant", "2a"),
        ("user", "3u"),
        ("assistant", "4a"),
    ]
    assert "after=2a" in endpoint.asked[-1].path
    conversation = Conversation("old", tuple(messages))
    conversation.keep_cursor(cursor)
    assistant.ask("go", conversation=conversation)
    body = endpoint.bodies("/threads/thread_1/runs")[0]
    assert body["additional_messages"] == [{"role": "user", "content": "go"}]


def test_a_server_that_ignores_after_is_not_paged_for_ever(endpoint: Any, assistant: Assistant) -> None:
    endpoint.json("GET", "/threads/thread_1/messages", page("1u", "2a", more=True))
    backend = assistant.backend
    assert isinstance(backend, AssistantsBackend)
    assert len(backend.open("thread_1")[0]) == 2
    assert len(endpoint.asked) == 2


def test_a_thread_that_is_not_there_is_said_so(endpoint: Any, assistant: Assistant) -> None:
    endpoint.json("GET", "/threads/thread_9/messages", {"error": {"message": "No thread found"}}, status=404)
    backend = assistant.backend
    assert isinstance(backend, AssistantsBackend)
    with pytest.raises(ConversationError, match="no thread thread_9"):
        backend.open("thread_9")


def test_an_old_thread_with_pictures() -> None:
    content = [
        {"type": "image_file", "image_file": {"file_id": "file_1"}},
        {"type": "image_url", "image_url": {"url": "https://x.org/y.png"}},
    ]
    flow = thread_messages("t")
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send({"data": [{"id": "1", "role": "user", "content": content, "status": "incomplete"}, {"id": "2"}]})
    assert stop.value.value == [
        Message("user", (Image(file_id="file_1"), Image(url="https://x.org/y.png")), complete=False)
    ]
    assert Text not in [type(part) for message in stop.value.value for part in message.parts]
