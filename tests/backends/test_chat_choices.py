"""More than one choice in a stream of Chat Completions: one is the reply, and no call of it is lost."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.core.event_order import EventOrder
from nbassist.core.events import Event, RunStarted, TextDelta, ToolCallReady, TurnEnded

CALL = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
BEGUN = {"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a"'}}
SPLIT = [BEGUN, {"index": 0, "function": {"arguments": ":1}"}}]


def chunk(*choices: Any) -> dict[str, Any]:
    return {"id": "c", "choices": list(choices)}


def choice(index: int | None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {**({} if index is None else {"index": index}), "delta": delta, "finish_reason": finish}


def decode(*chunks: Any) -> tuple[str, list[tuple[str, str]], str]:
    """Return the text, the calls and how the turn ended."""
    decoder, order = ChatDecoder(["f"]), EventOrder()
    events: list[Event] = [event for item in chunks for event in decoder.feed(item)] + decoder.finish(marked=True)
    for event in [RunStarted(), *events]:
        order.check(event)
    [ended] = [e.reason for e in events if isinstance(e, TurnEnded)]
    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    return text, [(e.name, e.arguments) for e in events if isinstance(e, ToolCallReady)], ended


def whole(finish: str | None = "tool_calls", index: int | None = None, **message: Any) -> dict[str, Any]:
    return {**({} if index is None else {"index": index}), "message": message, "finish_reason": finish}


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [chunk(choice(0, "tool_calls", content="let me"), choice(1, "tool_calls", tool_calls=[CALL]))],
            id="one chunk",
        ),
        pytest.param(
            [chunk(choice(None, "tool_calls", content="let me"), choice(None, "tool_calls", tool_calls=[CALL]))],
            id="without indexes",
        ),
        pytest.param(
            [chunk(choice(0, "tool_calls", content="let me"), choice(0, "tool_calls", tool_calls=[CALL]))],
            id="both of index 0",
        ),
        pytest.param([chunk(whole(content="let me"), whole(tool_calls=[CALL]))], id="a whole answer"),
        pytest.param(
            [
                chunk(choice(0, content="let ")),
                chunk(choice(0, "tool_calls", content="me")),
                *(chunk(choice(1, tool_calls=[piece])) for piece in SPLIT),
                chunk(choice(1, "tool_calls")),
            ],
            id="the calls behind the text",
        ),
        pytest.param(
            [
                chunk(choice(0, content="let "), choice(1, tool_calls=[SPLIT[0]])),
                chunk(choice(1, tool_calls=[SPLIT[1]])),
                chunk(choice(0, content="me")),
                chunk(choice(1, "tool_calls")),
            ],
            id="in turns, and no reason for the first",
        ),
    ],
)
def test_calls_in_another_choice_than_the_text_are_the_replys_own(chunks: list[Any]) -> None:
    assert decode(*chunks) == ("let me", [("f", '{"a":1}')], "tool_calls")


def test_calls_alone_in_another_choice_are_run_whatever_the_empty_one_says() -> None:
    assert decode(chunk(choice(0, "stop"), choice(1, "tool_calls", tool_calls=[CALL]))) == (
        "", [("f", '{"a":1}')], "tool_calls",
    )  # fmt: skip


def test_of_two_replies_in_turns_the_first_is_told() -> None:
    said = [
        chunk(choice(0, role="assistant"), choice(1, role="assistant")),
        chunk(choice(0, content="Rome ")),
        chunk(choice(1, content="Oslo ")),
        chunk(choice(0, content="is warm")),
        chunk(choice(1, content="is cold")),
        chunk(choice(1, "length")),
        chunk(choice(0, "stop")),
    ]
    assert decode(*said) == ("Rome is warm", [], "stop")
    assert decode(chunk(whole("stop", content="Rome"), whole("stop", content="Oslo"))) == ("Rome", [], "stop")


def test_no_call_of_another_reply_is_run() -> None:
    other = {**CALL, "function": {"name": "f", "arguments": '{"a":2}'}}
    both = [chunk(choice(0, tool_calls=[CALL])), chunk(choice(1, "tool_calls", tool_calls=[other]))]
    assert decode(*both, chunk(choice(0, "tool_calls"))) == ("", [("f", '{"a":1}')], "tool_calls")
    in_words = [chunk(choice(0, content="Rome")), chunk(choice(1, "tool_calls", tool_calls=[other]))]
    assert decode(*in_words, chunk(choice(0, "stop"))) == ("Rome", [], "stop")


def test_a_call_in_another_choice_that_is_still_written_is_waited_for() -> None:
    decoder = ChatDecoder(["f"])
    decoder.feed(chunk(choice(0, "tool_calls", content="let me"), choice(1, tool_calls=[SPLIT[0]])))
    assert decoder.grace is None
    decoder.feed(chunk(choice(1, "tool_calls", tool_calls=[SPLIT[1]])))
    assert decoder.grace is not None


@pytest.mark.parametrize("index", [0, 1, None])
def test_text_is_told_whatever_number_its_only_choice_has(index: int | None) -> None:
    said = [chunk(choice(index, content="a")), chunk(choice(index, content="b")), chunk(choice(index, "stop"))]
    assert decode(*said) == ("ab", [], "stop")
