"""Pieces of calls, as servers number, name and repeat them: one call with its arguments, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.backends.chat import calls as chat_calls
from nbassist.backends.chat.calls import Calls, one_object
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.core.event_order import EventOrder
from nbassist.core.events import (
    Event,
    RunStarted,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    Warned,
)

PARIS = [("f", {"city": "Paris"})]


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(name: str | None = None, arguments: Any = "", **rest: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name is not None else {})}
    return chunk(tool_calls=[{"type": "function", "function": function, **rest}])


def decode(*chunks: Any, finish: str = "tool_calls", tools: tuple[str, ...] = ("f", "g")) -> list[Event]:
    decoder, order = ChatDecoder(tools), EventOrder()
    events = [event for item in (*chunks, chunk(finish)) for event in decoder.feed(item)] + decoder.finish()
    for event in [RunStarted(), *events]:
        order.check(event)
    return events


def calls(events: list[Event]) -> list[tuple[str, Any]]:
    return [(e.name, json.loads(e.arguments)) for e in events if isinstance(e, ToolCallReady)]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [
                call("f", "", index=0, id="a"),
                call(None, '{"city":', index=0, id="b"),
                call(None, '"Paris"}', index=0, id="b"),
            ],
            id="the id changes behind the first piece (some versions of vLLM)",
        ),
        pytest.param(
            [call("f", '{"city":', index=0, id="a"), call("f", '"Paris"}', index=0, id="b")],
            id="the id changes, and the name is repeated",
        ),
        pytest.param(
            [call("f", "{}", index=0, id="a"), call(None, '{"city":', index=0), call(None, '"Paris"}', index=0)],
            id="an empty object in front (litellm#4537)",
        ),
        pytest.param(
            [call("f", "{}", index=0, id="a"), call("f", '{"city": "Paris"}', index=0, id="a")],
            id="an empty object in front, name and id repeated",
        ),
        pytest.param(
            [
                call("f", None, index=0, id="a"),
                call("f", '{"city":', index=0, id="a"),
                call("f", '"Paris"}', index=0, id="a"),
            ],
            id="null in front, name and id repeated",
        ),
        pytest.param([call("f", None, index=0, id="a"), call(None, '{"city":"Paris"}', index=0)], id="null in front"),
        pytest.param(
            [call("f", "null", index=0), call(None, '{"city":"Paris"}', index=0)], id="the word null in front"
        ),
        pytest.param([call("f", '{}{"city":"Paris"}', index=0)], id="two objects in one string, the first empty"),
        pytest.param([call("f", '{"city":"Paris"}{"city":"Paris"}', index=0)], id="one object twice in one string"),
        pytest.param(
            [call("f", '{"city":"Paris"}', index=0, id="a"), call("f", '{"city":"Paris"}', index=0, id="a")],
            id="the whole call twice under one id",
        ),
        pytest.param([call("f", "", index=0, id="a"), call(None, '{"city":"Paris"}', index=1)], id="the index changes"),
        pytest.param([call("f", "", index="0", id="a"), call(None, '{"city":"Paris"}', index=0.0)], id="odd indices"),
        pytest.param(
            [call("f", "", id="a"), call(None, '{"city":"Paris"}', id="b")], id="no index, and the id changes"
        ),
        pytest.param(
            [call("f", "", id=7), call(None, {"city": "Paris"}, id=7)], id="a number as id, an object at last"
        ),
        pytest.param(
            [call("", "", index=0, id="a"), call("f", '{"city":"Paris"}', index=0)], id="the name comes later"
        ),
        pytest.param(
            [
                chunk(tool_calls={"index": 0, "function": {"name": "f", "arguments": "{"}}),
                chunk(tool_calls={"index": 0, "function": {"name": None, "arguments": '"city":"Paris"}'}}),
            ],
            id="an object in place of the list (TGI#2794)",
        ),
        pytest.param(
            [
                chunk(function_call={"name": "f", "arguments": ""}),
                chunk(function_call={"arguments": '{"city":"Paris"}'}),
            ],
            id="function_call, the older name",
        ),
        pytest.param(
            [call("f", '{"city":"Pa\ud83d', index=0), call(None, '\ude00ris"}', index=0)], id="half a character"
        ),
    ],
)
def test_one_call_with_its_arguments(chunks: list[Any]) -> None:
    found = calls(decode(*chunks))
    assert found in (PARIS, [("f", {"city": "Pa\U0001f600ris"})])


def test_a_name_in_pieces() -> None:
    events = decode(call("get_", "", index=0), call("rows", '{"a": 1}', index=0), tools=("get_rows",))
    assert calls(events) == [("get_rows", {"a": 1})]


def test_a_call_without_arguments_may_have_none() -> None:
    assert calls(decode(call("f", "", index=0, id="a"))) == [("f", {})]
    assert calls(decode(call("unknown", "", index=0, id="a"))) == [("unknown", {})]


def test_a_call_never_runs_without_arguments_that_got_lost() -> None:
    """Two calls wait for arguments, and pieces come that belong to neither by index or id."""
    lost = [call("f", "", index=0, id="a"), call("g", "", index=1, id="b"), call(None, '{"city":"Paris"}', index=5)]
    ready = [event for event in decode(*lost) if isinstance(event, ToolCallReady)]
    assert len(ready) == 2
    for event in ready:
        with pytest.raises(ValueError, match=r"Expecting"):
            json.loads(event.arguments)


def test_two_different_objects_in_one_string_are_no_arguments() -> None:
    [ready] = [e for e in decode(call("f", '{"a":1}{"a":2}', index=0)) if isinstance(e, ToolCallReady)]
    assert ready.arguments == '{"a":1}{"a":2}'


def test_a_call_without_a_name_is_not_run_and_told() -> None:
    events = decode(call(None, '{"city":"Paris"}', index=0, id="a"))
    assert calls(events) == []
    assert any(isinstance(event, Warned) and "without a name" in event.text for event in events)


@pytest.mark.parametrize("finish", ["abort", "error", "length", "content_filter", "insufficient_system_resource"])
def test_no_call_is_run_of_a_turn_that_did_not_end_well(finish: str) -> None:
    events = decode(call("f", '{"city":"Paris"}', index=0, id="a"), finish=finish)
    assert calls(events) == []
    assert isinstance(events[-1], TurnEnded)
    assert events[-1].reason not in ("stop", "tool_calls")


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4), st.lists(st.integers(1, 9))
)
def test_any_cuts_of_the_arguments_give_them_back(value: dict[str, Any], sizes: list[int]) -> None:
    source, at, chunks = json.dumps(value, ensure_ascii=False), 0, [call("f", "", index=0, id="a")]
    for size in [*sizes, len(source)]:
        chunks.append(call(None, source[at : at + size], index=0, id=f"b{at}"))
        at += size
    assert calls(decode(*chunks)) == [("f", value)]


@given(st.text(alphabet='{}[]":,1a \\nul', max_size=20))
def test_what_is_made_of_arguments_is_an_object_or_what_was_written(source: str) -> None:
    found = one_object(source)
    assert found in (source, "{}", "") or found in source


@pytest.mark.parametrize("said", ["{}", "null", "{ }"])
def test_what_is_shown_of_a_calls_arguments_is_what_it_runs_with(said: str) -> None:
    events = decode(call("f", said, index=0, id="a"))
    shown = "".join(event.text for event in events if isinstance(event, ToolArgumentsDelta))
    assert shown == said.replace("null", "")
    assert calls(events) == [("f", {})]


def test_half_a_character_at_the_end_of_the_arguments_is_shown_and_sent_alike() -> None:
    events = decode(call("f", '{"city":"x\ud83d', index=0, id="a"), call(None, '"}', index=0))
    (ready,) = [event for event in events if isinstance(event, ToolCallReady)]
    assert ready.arguments == "".join(event.text for event in events if isinstance(event, ToolArgumentsDelta))


@pytest.mark.parametrize(
    ("tools", "first"),
    [(("f", "g"), "f"), ((), "anything")],
    ids=["a name that was offered", "no names known"],
)
def test_a_call_is_told_as_soon_as_its_name_is_whole(tools: tuple[str, ...], first: str) -> None:
    decoder = ChatDecoder(tools)
    assert any(isinstance(event, ToolCallStarted) for event in decoder.feed(call(first, "", index=0, id="a")))


def test_a_call_by_a_name_that_was_not_offered_is_told_when_arguments_follow() -> None:
    decoder = ChatDecoder(("f",))
    assert not any(isinstance(event, ToolCallStarted) for event in decoder.feed(call("other", "", index=0, id="a")))
    assert any(isinstance(event, ToolCallStarted) for event in decoder.feed(call(None, "{}", index=0)))


def test_a_name_that_is_repeated_before_any_arguments_begins_no_second_call() -> None:
    events = decode(
        call("f", "", index=0, id="a"), call("f", None, index=0, id="b"), call(None, '{"city":"Paris"}', index=0)
    )
    assert calls(events) == PARIS


def test_a_truth_value_is_no_number_of_a_call() -> None:
    events = decode(call("f", '{"city":', index=True, id="a"), call(None, '"Paris"}', index=1))
    assert calls(events) == PARIS


def test_a_turn_of_thousands_of_calls_looks_at_none_of_them_for_each_new_one() -> None:
    class Unread(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("all calls are gone through for one piece")

        __reversed__ = __iter__

    held = Calls((), lambda: "new", ["f"])
    held._calls = Unread()
    for number in range(3):
        held.feed({"index": number, "id": f"c{number}", "function": {"name": "f", "arguments": "{"}})
        held.feed({"index": number, "id": f"c{number}", "function": {"arguments": "}"}})
    assert [call.text() for call in held._slots.values()] == ["{}"] * 3


@pytest.mark.parametrize("piece", ["}", "x", "{x}", '{"a":1}'])
def test_arguments_that_come_with_the_name_in_each_piece_are_read_once_they_may_be_whole(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0

    def counting(source: str) -> bool:
        nonlocal read
        read += len(source)
        return is_object(source)

    is_object = chat_calls._is_object
    monkeypatch.setattr(chat_calls, "_is_object", counting)
    gathered = chat_calls.Calls((), iter(map(str, range(1000))).__next__, ["f"])
    begins = piece if piece.startswith("{") else '{"a":"'
    total = len(begins)
    gathered.feed({"index": 0, "function": {"name": "f", "arguments": begins}})
    for _ in range(300):
        gathered.feed({"index": 0, "function": {"name": "f", "arguments": piece}})
        total += len(piece)
    assert read <= 2 * total
    ready = [event for event in gathered.ready() if isinstance(event, ToolCallReady)]
    assert len(ready) == (301 if piece == '{"a":1}' else 1)
    # A call under an index of its own asks nothing of those before it.
    read = 0
    for index in range(1, 100):
        gathered.feed({"index": index, "id": f"i{index}", "function": {"name": "f", "arguments": '{"a":1}'}})
    assert not read
