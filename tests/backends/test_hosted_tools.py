"""What the service runs itself, shown as it happens: the events of each kind of item, by the SDK's types."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from nbassist.backends.provider_quirks import quirks_of
from nbassist.backends.responses.request import build_responses_request
from nbassist.core.events import CitationAdded, Event, ImageReady, ServerToolEvent, Warned
from nbassist.core.messages import Message, Request, Text, ToolSpec


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(e.state, e.text, e.output) for e in events if isinstance(e, ServerToolEvent)]


def test_a_web_search_with_its_query_and_sources(responses: Any) -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
    action = {"type": "search", "query": "weather", "sources": [{"type": "url", "url": "https://x.org"}]}
    events = responses.decode(
        responses.added(item),
        responses.event("web_search_call.searching", item_id="ws_1"),
        responses.event("web_search_call.completed", item_id="ws_1"),
        responses.done({**item, "status": "completed", "action": action}),
        responses.completed(),
    )
    assert told(events) == [("running", "", ""), ("completed", "weather", "https://x.org")]
    assert {e.kind for e in events if isinstance(e, ServerToolEvent)} == {"web_search"}


def test_a_file_search_with_what_it_found(responses: Any) -> None:
    item = {"type": "file_search_call", "id": "fs_1", "queries": ["q1", "q2"], "status": "completed"}
    item["results"] = [{"filename": "a.pdf", "score": 0.9, "text": "found"}]
    events = responses.decode(responses.done(item), responses.completed(item))
    assert told(events) == [("completed", "q1\nq2", "a.pdf (0.90)\nfound")]


def test_the_code_of_a_code_interpreter_streams_and_its_logs_and_pictures_follow(responses: Any) -> None:
    picture = base64.b64encode(b"\x89PNG").decode()
    item = {"type": "code_interpreter_call", "id": "ci_1", "code": "", "status": "in_progress"}
    outputs = [{"type": "logs", "logs": "2\n"}, {"type": "image", "url": f"data:image/png;base64,{picture}"}]
    events = responses.decode(
        responses.added(item),
        responses.event("code_interpreter_call_code.delta", item_id="ci_1", delta="print("),
        responses.event("code_interpreter_call_code.delta", item_id="ci_1", delta="1+1)"),
        responses.event("code_interpreter_call_code.done", item_id="ci_1", code="print(1+1)"),
        responses.event("code_interpreter_call.interpreting", item_id="ci_1"),
        responses.done({**item, "code": "print(1+1)", "status": "completed", "outputs": outputs}),
        responses.completed(),
    )
    assert "".join(text for _, text, _ in told(events)) == "print(1+1)"
    assert told(events)[-1] == ("completed", "", "2\n")
    assert ImageReady("image/png", b"\x89PNG") in events


def test_an_image_comes_as_sketches_and_then_whole_in_their_place(responses: Any) -> None:
    sketch, whole = (base64.b64encode(data).decode() for data in (b"sketch", b"whole"))
    item = {"type": "image_generation_call", "id": "ig_1", "status": "in_progress"}
    part = {"item_id": "ig_1", "partial_image_index": 0, "partial_image_b64": sketch, "output_format": "webp"}
    done = {**item, "status": "completed", "result": whole, "output_format": "webp", "revised_prompt": "a cat"}
    events = responses.decode(
        responses.added(item),
        responses.event("image_generation_call.generating", item_id="ig_1"),
        responses.event("image_generation_call.partial_image", **part),
        responses.done(done),
        responses.completed({**done}),
    )
    assert [e for e in events if isinstance(e, ImageReady)] == [
        ImageReady("image/webp", b"sketch", image_id="ig_1", partial=True),
        ImageReady("image/webp", b"whole", image_id="ig_1"),
    ]
    assert told(events)[-1] == ("completed", "a cat", "")


def test_the_tools_of_an_mcp_server_and_a_call_of_one(responses: Any) -> None:
    tools = {
        "type": "mcp_list_tools",
        "id": "mcpl_1",
        "server_label": "wiki",
        "tools": [{"name": "ask"}, {"name": "b"}],
    }
    item = {"type": "mcp_call", "id": "mcp_1", "server_label": "wiki", "name": "ask", "arguments": ""}
    events = responses.decode(
        responses.done(tools),
        responses.added(item),
        responses.event("mcp_call_arguments.delta", item_id="mcp_1", delta='{"q":'),
        responses.event("mcp_call_arguments.delta", item_id="mcp_1", delta="1}"),
        responses.event("mcp_call_arguments.done", item_id="mcp_1", arguments='{"q":1}'),
        responses.done({**item, "arguments": '{"q":1}', "output": "42", "status": "completed"}),
        responses.completed(),
    )
    assert told(events)[0] == ("completed", "wiki", "ask, b")
    assert "".join(text for _, text, _ in told(events)[1:]) == 'wiki.ask {"q":1}'
    assert told(events)[-1] == ("completed", "", "42")


@pytest.mark.parametrize("error", ["timeout", {"type": "mcp_protocol_error", "message": "timeout"}])
def test_an_mcp_call_that_failed_says_why(responses: Any, error: Any) -> None:
    item = {"type": "mcp_call", "id": "mcp_1", "server_label": "wiki", "name": "ask", "arguments": "{}", "error": error}
    assert told(responses.decode(responses.done(item), responses.completed()))[-1][::2] == ("failed", "timeout")


def test_work_that_only_a_client_could_do_is_said_so(responses: Any) -> None:
    item = {"type": "computer_call", "id": "cu_1", "call_id": "call_1", "status": "completed"}
    events = responses.decode(responses.done(item), responses.completed())
    assert any(isinstance(event, Warned) and "computer_call" in event.text for event in events)


def test_items_of_kinds_to_come_are_shown_by_their_name(responses: Any) -> None:
    item = {"type": "dream_call", "id": "d_1", "status": "completed", "output": "z"}
    events = responses.decode(responses.done(item), responses.completed())
    assert [e for e in events if isinstance(e, ServerToolEvent)] == [
        ServerToolEvent("d_1", "dream", "completed", "", "z")
    ]


def test_items_seen_at_the_end_alone_are_told_once(responses: Any) -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}}
    assert told(responses.decode(responses.completed(item))) == [("completed", "q", "")]


def test_a_citation_of_a_file_that_was_searched_comes_with_its_best_passage(responses: Any) -> None:
    results = [
        {"file_id": "file_1", "filename": "a.pdf", "score": 0.9, "text": "best"},
        {"file_id": "file_1", "filename": "a.pdf", "score": 0.5, "text": "second"},
    ]
    item = {"type": "file_search_call", "id": "fs_1", "queries": ["q"], "status": "completed", "results": results}
    cited = {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 2}
    events = responses.decode(
        responses.done(item, output_index=0),
        responses.event("output_text.delta", output_index=1, item_id="msg_1", content_index=0, delta="So."),
        responses.event(
            "output_text.annotation.added", output_index=1, item_id="msg_1", content_index=0, annotation=cited
        ),
        responses.completed(),
    )
    assert CitationAdded("a.pdf", passage="best") in events


def test_what_was_found_and_what_the_code_printed_is_asked_for_with_these_tools_alone() -> None:
    search: Any = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    code: Any = {"type": "code_interpreter", "container": {"type": "auto"}}
    both = ["file_search_call.results", "code_interpreter_call.outputs"]
    for tools, include in (([search], both[:1]), ([code], both[1:]), ([code, search], both), ([{"type": "web"}], None)):
        request = Request(model="m", messages=(Message("user", (Text("Hi"),)),), parameters={"tools": tools})
        assert build_responses_request(request).get("include") == include


def test_a_tool_that_the_service_has_is_its_own_and_elsewhere_the_notebooks() -> None:
    spec = ToolSpec("code_interpreter", "Run code.", {"type": "object", "properties": {}}, service="code_interpreter")
    request = Request((Message("user", (Text("Hi"),)),), model="m", tools=(spec,))
    own = quirks_of("https://api.openai.com/v1")
    assert build_responses_request(request, habits=own)["tools"] == [
        {"type": "code_interpreter", "container": {"type": "auto"}}
    ]
    [tool] = build_responses_request(request, habits=quirks_of("http://127.0.0.1:8080/v1"))["tools"]
    assert (tool["type"], tool["name"]) == ("function", "code_interpreter")
