"""Each habit of a Responses server, with what it sends."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.backends.responses.decoder import ResponsesDecoder
from nbassist.core.events import (
    CitationAdded,
    Event,
    ItemKept,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    Usage,
)
from nbassist.errors import NotAnEndpointError, ServerFailedError

MESSAGE: Any = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}


def message(*texts: str, **named: Any) -> dict[str, Any]:
    return {**MESSAGE, "content": [{"type": "output_text", "text": text, "annotations": []} for text in texts], **named}


def call(name: str, arguments: str, **named: Any) -> dict[str, Any]:
    return {"type": "function_call", "name": name, "arguments": arguments, **named}


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(e.call_id, e.name, e.arguments) for e in events if isinstance(e, ToolCallReady)]


def end(events: list[Event]) -> TurnEnded:
    last = events[-1]
    assert isinstance(last, TurnEnded)
    return last


def test_text_is_told_once_however_often_it_is_said(responses: Any) -> None:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = responses.decode(
        responses.added(MESSAGE, output_index=0),
        responses.event("content_part.added", **at, part={"type": "output_text", "text": ""}),
        responses.event("output_text.delta", **at, delta="Hel"),
        responses.event("output_text.delta", **at, delta="lo"),
        responses.event("output_text.done", **at, text="Hello"),
        responses.event("content_part.done", **at, part={"type": "output_text", "text": "Hello"}),
        responses.done(message("Hello"), output_index=0),
        responses.completed(message("Hello"), usage={"input_tokens": 3, "output_tokens": 2}),
    )
    assert text(events) == "Hello"
    assert end(events) == TurnEnded("stop", Usage(3, 2, known=True), {"response_id": "resp_1"})


@pytest.mark.parametrize(
    "habit",
    [
        pytest.param(["delta"], id="no output_text.done and no item done"),
        pytest.param(["bare delta"], id="no item, no index at all"),
        pytest.param(["delta", "completed"], id="deltas and the whole at the end"),
        pytest.param(["added", "delta", "done"], id="llama.cpp: no output_index, no content_index"),
        pytest.param(["completed"], id="items only at the end"),
        pytest.param(["done"], id="whole items only"),
        pytest.param(["delta", "completed under another id"], id="another id at the end"),
    ],
)
def test_text_comes_whole_whatever_a_server_leaves_out(responses: Any, habit: list[str]) -> None:
    pieces = {
        "added": [responses.added(MESSAGE)],
        "delta": [responses.event("output_text.delta", item_id="msg_1", delta=piece) for piece in ("Hel", "lo")],
        "bare delta": [responses.event("output_text.delta", delta=piece) for piece in ("Hel", "lo")],
        "done": [responses.done(message("Hello"))],
    }
    output = {"completed": [message("Hello")], "completed under another id": [message("Hello", id="msg_9")]}
    chunks = [chunk for name in habit for chunk in pieces.get(name, [])]
    last = responses.completed(*[item for name in habit for item in output.get(name, [])])
    assert text(responses.decode(*chunks, last)) == "Hello"


def test_two_messages_are_two_paragraphs(responses: Any) -> None:
    events = responses.decode(
        responses.done(message("One.")), responses.done(message("Two.", id="msg_2")), responses.completed()
    )
    assert text(events) == "One.\n\nTwo."


@pytest.mark.parametrize("streamed", [True, False])
def test_a_refusal(responses: Any, streamed: bool) -> None:
    chunk = (
        responses.event("refusal.delta", item_id="msg_1", content_index=0, delta="No.")
        if streamed
        else responses.done({**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]})
    )
    assert RefusalDelta("No.") in responses.decode(chunk, responses.completed())


def test_reasoning_summaries_are_paragraphs_and_encrypted_reasoning_is_kept_unchanged(responses: Any) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": t} for t in ("A", "B")]}
    item["encrypted_content"] = "gAAA"
    events = responses.decode(
        responses.added({"type": "reasoning", "id": "rs_1", "summary": []}),
        responses.event("reasoning_summary_text.delta", item_id="rs_1", summary_index=0, delta="A"),
        responses.event("reasoning_summary_text.done", item_id="rs_1", summary_index=0, text="A"),
        responses.event("reasoning_summary_text.delta", item_id="rs_1", summary_index=1, delta="B"),
        responses.done(item),
        responses.completed(item),
    )
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == "A\n\nB"
    assert [e for e in events if isinstance(e, ItemKept)] == [ItemKept("responses", item)]


def test_reasoning_as_text_of_open_models(responses: Any) -> None:
    events = responses.decode(
        responses.event("reasoning_text.delta", item_id="rs_1", content_index=0, delta="hm"), responses.completed()
    )
    assert ReasoningDelta("hm") in events


BOTH = [("call_1", "f", '{"a":1}'), ("call_2", "g", '{"b":2}')]


@pytest.mark.parametrize("numbered", [True, False], ids=["with output_index", "without"])
def test_parallel_calls_whose_pieces_are_mixed(responses: Any, numbered: bool) -> None:
    def at(index: int) -> dict[str, Any]:
        return {"output_index": index} if numbered else {}

    def piece(index: int, delta: str) -> Any:
        return responses.event("function_call_arguments.delta", item_id=f"fc_{index + 1}", delta=delta, **at(index))

    events = responses.decode(
        responses.added(call("f", "", id="fc_1", call_id="call_1"), **at(0)),
        responses.added(call("g", "", id="fc_2", call_id="call_2"), **at(1)),
        piece(0, '{"a"'),
        piece(1, '{"b"'),
        piece(0, ":1}"),
        piece(1, ":2}"),
        responses.done(call("f", '{"a":1}', id="fc_1", call_id="call_1"), **at(0)),
        responses.done(call("g", '{"b":2}', id="fc_2", call_id="call_2"), **at(1)),
        responses.completed(),
    )
    assert calls(events) == BOTH
    assert end(events).reason == "tool_calls"


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(lambda r: [r.completed(call("f", '{"a":1}', call_id="call_1"))], id="at the end alone"),
        pytest.param(
            # llama.cpp: the item has no id, and its pieces name it by its call_id.
            lambda r: [
                r.added(call("f", "", call_id="call_1")),
                r.event("function_call_arguments.delta", item_id="call_1", delta='{"a":1}'),
                r.done(call("f", '{"a":1}', call_id="call_1")),
                r.completed(call("f", '{"a":1}', call_id="call_1")),
            ],
            id="llama.cpp: no id",
        ),
        pytest.param(
            lambda r: [
                r.event("function_call_arguments.delta", item_id="fc_1", delta='{"a":1}'),
                r.done(call("f", '{"a":1}', id="fc_1", call_id="call_1")),
                r.completed(),
            ],
            id="pieces before their item",
        ),
    ],
)
def test_a_call_is_one_call_under_its_own_id(responses: Any, chunks: Any) -> None:
    events = responses.decode(*chunks(responses))
    assert calls(events) == [("call_1", "f", '{"a":1}')]
    pieces = [e.text for e in events if isinstance(e, ToolArgumentsDelta)]
    assert "".join(pieces) == '{"a":1}'


def test_one_call_id_twice_is_two_calls(responses: Any) -> None:
    twice = [call("f", "{}", id=f"fc_{n}", call_id="call_1") for n in (1, 2)]
    chunks = [responses.done(twice[0], output_index=0), responses.done({**twice[1], "call_id": ""}, output_index=1)]
    events = responses.decode(*chunks, responses.completed())
    assert len({ready[0] for ready in calls(events)}) == 2


def test_a_custom_tool_gets_free_text(responses: Any) -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": ""}
    events = responses.decode(
        responses.added(item),
        responses.event("custom_tool_call_input.delta", item_id="ctc_1", delta="SELECT "),
        responses.event("custom_tool_call_input.delta", item_id="ctc_1", delta="1"),
        responses.event("custom_tool_call_input.done", item_id="ctc_1", input="SELECT 1"),
        responses.done({**item, "input": "SELECT 1"}),
        responses.completed(),
    )
    assert ToolCallStarted("call_1", "sql", "custom") in events
    assert ToolCallReady("call_1", "sql", "SELECT 1", "custom") in events


def test_an_approval_is_a_call_to_answer_and_kept_to_be_sent_again(responses: Any) -> None:
    item = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "wiki", "name": "ask", "arguments": "{}"}
    events = responses.decode(responses.added(item), responses.done(item), responses.completed(item))
    assert ToolCallReady("mcpr_1", "wiki.ask", "{}", "approval") in events
    assert ItemKept("responses", item) in events
    assert end(events).reason == "tool_calls"


def test_citations_of_all_kinds_once_each_with_the_text_that_stands_for_them(responses: Any) -> None:
    web = {"type": "url_citation", "url": "https://x.org", "title": "X", "start_index": 4, "end_index": 7}
    file = {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 3}
    made = {"type": "container_file_citation", "file_id": "cfile_1", "container_id": "c", "filename": "plot.png"}
    at = {"item_id": "msg_1", "content_index": 0}
    done = {**MESSAGE, "content": [{"type": "output_text", "text": "See [X].", "annotations": [web, file, made]}]}
    events = responses.decode(
        responses.event("output_text.delta", **at, delta="See [X]."),
        responses.event("output_text.annotation.added", **at, annotation=web),
        responses.done(done),
        responses.completed(done),
    )
    assert [e for e in events if isinstance(e, CitationAdded)] == [
        CitationAdded("X", "https://x.org", "[X]"),
        CitationAdded("a.pdf"),
        CitationAdded("plot.png"),
    ]


@pytest.mark.parametrize(
    ("last", "reason", "word"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length", ""),
        ({"status": "completed", "incomplete_details": {"reason": "max_output_tokens"}}, "length", ""),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter", ""),
        ({"status": "failed", "error": {"code": "server_error", "message": "boom"}}, "failed", "boom"),
        ({"status": "cancelled"}, "cancelled", ""),
    ],
)
def test_the_status_counts_and_only_a_completed_response_is_gone_on_from(
    responses: Any, last: Any, reason: str, word: str
) -> None:
    whole = call("f", "{}", id="fc_1", call_id="call_1")
    events = responses.decode(responses.done(whole), responses.completed(whole, **last))
    assert calls(events) == []
    assert (end(events).reason, end(events).cursor) == (reason, None)
    assert word in end(events).detail


def test_completed_for_a_reply_that_its_limit_cut() -> None:
    """llama.cpp, seen with max_output_tokens 3: status completed, no incomplete_details, output_tokens 3."""
    decoder = ResponsesDecoder("ours", limit=3)
    decoder.feed({"type": "response.created", "response": {"id": "resp_1"}})
    response = {"id": "resp_1", "status": "completed", "output": [], "usage": {"input_tokens": 31, "output_tokens": 3}}
    assert end(decoder.feed({"type": "response.completed", "response": response})).reason == "length"


def test_a_stream_without_its_last_event_was_cut_and_its_calls_are_not_run(responses: Any) -> None:
    events = responses.decode(responses.done(call("f", "{}", id="fc_1", call_id="call_1")))
    assert calls(events) == []
    assert (end(events).reason, end(events).cursor) == ("cut", None)


@pytest.mark.parametrize(
    "chunk",
    [
        {"type": "error", "code": "x", "message": "overloaded"},
        {"error": {"message": "overloaded"}},
        {"error": "overloaded"},
        {"type": "error", "error": {"message": "overloaded"}},
    ],
)
def test_an_error_in_the_stream_is_told_in_its_words(chunk: Any) -> None:
    with pytest.raises(ServerFailedError, match="overloaded"):
        ResponsesDecoder().feed(chunk)


def test_an_empty_stream_is_no_endpoint() -> None:
    with pytest.raises(NotAnEndpointError, match="chat"):
        ResponsesDecoder().finish()


@pytest.mark.parametrize("content", ["Hello there", ["Hello there"], [{"type": "text", "text": "Hello there"}]])
def test_a_message_whose_content_is_plain_text_is_told(responses: Any, content: Any) -> None:
    whole = {**MESSAGE, "content": content}
    assert text(responses.decode(responses.completed(whole))) == "Hello there"
    delta = responses.event("output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="Hello")
    assert text(responses.decode(delta, responses.done(whole), responses.completed(whole))) == "Hello there"


def test_what_was_read_before_a_reconnection_is_not_told_twice(responses: Any) -> None:
    said = [
        responses.event("output_text.delta", item_id="msg_1", delta=p, sequence_number=n) for n, p in enumerate("abc")
    ]
    decoder = ResponsesDecoder(background=True)
    events = [event for delta in said[:2] for event in decoder.feed(delta)]
    decoder.reconnect()
    assert text(events + [event for delta in said[1:] for event in decoder.feed(delta)]) == "abc"


@pytest.mark.parametrize(
    "numbers",
    [[0] * 5, [-1] * 5, [0, 1, 0, 1, 0], [3, 2, 1, 0, 0], [None] * 5],
    ids=["always 0", "always -1", "anew for each item", "backwards", "null"],
)
def test_numbers_that_do_not_count_throw_nothing_away(responses: Any, numbers: list[Any]) -> None:
    said = [responses.event("output_text.delta", item_id="msg_1", delta=piece) for piece in "abcd"]
    events = [{**e, "sequence_number": n} for e, n in zip([*said, responses.completed()], numbers, strict=True)]
    decoded = responses.decode(*events)
    assert text(decoded) == "abcd"
    assert end(decoded).reason == "stop"


@pytest.mark.parametrize(
    "chunk", [{"type": "response.audio.delta", "delta": "x"}, {"type": "response.new_thing"}, {"type": "ping"}, {}, 1]
)
def test_what_is_not_known_is_passed_over(responses: Any, chunk: Any) -> None:
    assert text(responses.decode(chunk, responses.done(message("a")), responses.completed())) == "a"


def test_a_call_written_as_text_is_read_where_tools_were_offered(responses: Any) -> None:
    decoder = ResponsesDecoder("ours", tools=["f"])
    deltas = [
        responses.event("output_text.delta", item_id="msg_1", delta=d)
        for d in ('```json\n{"name": "f", "argu', 'ments": {"a": 1}}\n```')
    ]
    events = responses.decode(*deltas, responses.completed(), decoder=decoder)
    assert [ready[1:] for ready in calls(events)] == [("f", '{"a": 1}')]
    assert text(events) == ""
