"""Habits that recordings of real services show, in bytes of our own.

The recordings are the fixtures of prism-php/prism (MIT), tests/Fixtures/{openai,mistral,deepseek,openrouter}.
None of their text is here: what was seen in each is written anew, as short as shows it.
"""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.backends.http.answer_stream import chunk_of
from nbassist.backends.http.sse import ServerSentEvent
from nbassist.backends.responses.decoder import ResponsesDecoder
from nbassist.core.events import (
    CitationAdded,
    Event,
    ItemKept,
    ReasoningDelta,
    ServerToolEvent,
    TextDelta,
    ToolCallReady,
)
from nbassist.errors import RateLimitError


def chat(*chunks: Any) -> list[Event]:
    decoder = ChatDecoder(["time"])
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def test_mistral_thinks_in_parts_of_the_content() -> None:
    """mistral/stream-reasoning-model-1: content is "" at first, then a list of parts, then a string."""
    events = chat(
        delta(role="assistant", content=""),
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}]}]),
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "think."}]}]),
        delta(content=[{"type": "text", "text": "It "}]),
        delta(content="is 4."),
        delta("stop", content=""),
    )
    assert [e.text for e in events if isinstance(e, ReasoningDelta)] == ["Let me ", "think."]
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "It is 4."


def test_a_tool_without_parameters_is_called_with_an_empty_object() -> None:
    """openrouter/stream-text-with-empty-parameters-tools: arguments "{}" in a piece without a name."""
    events = chat(
        delta(
            tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "time", "arguments": ""}}]
        ),
        delta(tool_calls=[{"index": 0, "type": "function", "function": {"arguments": "{}"}}]),
        delta("tool_calls"),
    )
    assert [(e.name, e.arguments) for e in events if isinstance(e, ToolCallReady)] == [("time", "{}")]


def test_reasoning_beside_an_empty_content() -> None:
    """deepseek/stream-with-reasoning-1: `content` null beside `reasoning_content`, and the other way round."""
    events = chat(
        delta(content=None, reasoning_content="hm"), delta(content="a", reasoning_content=None), delta("stop")
    )
    told = [type(event).__name__ for event in events if not isinstance(event, ItemKept)]
    assert told[1:3] == ["ReasoningDelta", "TextDelta"]


def test_an_error_of_the_hosted_service_comes_before_the_failed_response() -> None:
    """openai/stream-rate-limited-1: `event: error` whose error stands inside, then `response.failed`."""
    decoder = ResponsesDecoder()
    decoder.feed({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1"}})
    data = (
        '{"type":"error","sequence_number":2,"error":{"code":"rate_limit_exceeded","message":"too large","param":null}}'
    )
    with pytest.raises(RateLimitError, match="too large"):
        decoder.feed(chunk_of(ServerSentEvent("error", data)))
    assert not decoder.started, "nothing was told yet: it is waited for, and asked again"


def test_web_searches_tell_their_query_at_the_end_and_citations_stand_for_a_link_in_the_text(responses: Any) -> None:
    """openai/stream-with-provider-tool-1: reasoning, a search, reasoning, a search, then text with two citations."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
    link = "([x.org](https://x.org/?a=b))"
    citation = {
        "type": "url_citation",
        "start_index": 5,
        "end_index": 5 + len(link),
        "title": "X",
        "url": "https://x.org/?a=b",
    }
    events = responses.decode(
        responses.added({"type": "reasoning", "id": "rs_1", "summary": []}, output_index=0),
        responses.done({"type": "reasoning", "id": "rs_1", "summary": []}, output_index=0),
        responses.added(search, output_index=1),
        responses.event("web_search_call.in_progress", output_index=1, item_id="ws_1"),
        responses.event("web_search_call.searching", output_index=1, item_id="ws_1"),
        responses.event("web_search_call.completed", output_index=1, item_id="ws_1"),
        responses.done(
            {**search, "status": "completed", "action": {"type": "search", "query": "an inch"}}, output_index=1
        ),
        responses.event("output_text.delta", output_index=2, item_id="msg_1", content_index=0, delta="2.54 " + link),
        responses.event(
            "output_text.annotation.added", output_index=2, item_id="msg_1", content_index=0, annotation=citation
        ),
        responses.completed(),
    )
    assert [(e.state, e.text) for e in events if isinstance(e, ServerToolEvent)] == [
        ("running", ""),
        ("completed", "an inch"),
    ]
    assert CitationAdded("X", "https://x.org/?a=b", link) in events


def test_an_item_done_without_its_index(responses: Any) -> None:
    """openai/stream-multiple-output-items-1: `output_item.done` has no output_index, and there are two messages."""

    def message(number: int, text: str) -> dict[str, Any]:
        return {"type": "message", "id": f"msg_{number}", "content": [{"type": "output_text", "text": text}]}

    chunks = [
        chunk
        for number, text in enumerate(("First", "Second"))
        for chunk in (
            responses.added({**message(number, ""), "content": []}, output_index=number),
            responses.event(
                "output_text.delta", item_id=f"msg_{number}", output_index=number, content_index=0, delta=text
            ),
            responses.done(message(number, text)),
        )
    ]
    events = responses.decode(*chunks, responses.completed(message(0, "First"), message(1, "Second")))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "First\n\nSecond"
