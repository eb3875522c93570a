"""Each habit of a Chat Completions server, with what it sends."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.backends.chat.backend import ChatDecoder
from nbassist.core.event_order import EventOrder
from nbassist.core.events import Event, ReasoningDelta, RefusalDelta, RunStarted, TextDelta, ToolCallReady, TurnEnded
from nbassist.errors import BackendError, NotAnEndpointError, ServerFailedError


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(name: str | None = None, arguments: Any = "", **rest: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name is not None else {})}
    return chunk(tool_calls=[{"type": "function", "function": function, **rest}])


def decode(*chunks: Any, tools: tuple[str, ...] = ("f", "g"), marked: bool = True, **named: Any) -> list[Event]:
    decoder, order = ChatDecoder(tools, **named), EventOrder()
    events = [event for item in chunks for event in decoder.feed(item)] + decoder.finish(marked=marked)
    for event in [RunStarted(), *events]:
        order.check(event)
    return events


def calls(events: list[Event]) -> list[tuple[str, str]]:
    return [(e.name, e.arguments) for e in events if isinstance(e, ToolCallReady)]


def end(events: list[Event]) -> TurnEnded:
    last = events[-1]
    assert isinstance(last, TurnEnded)
    return last


STOP = chunk("stop")
BOTH = [("f", '{"a":1}'), ("g", '{"b":2}')]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [call("f", "", index=0, id="1"), call(None, '{"a":1}', index=0), call("g", '{"b":2}', index=1, id="2")],
            id="openai: pieces by index",
        ),
        pytest.param([call("f", '{"a":1}', index=0, id="1"), call("g", '{"b":2}', index=0, id="2")], id="all index 0"),
        pytest.param([call("f", '{"a":1}', index=0), call("g", '{"b":2}', index=0)], id="all index 0, no id"),
        pytest.param([call("f", '{"a":1}', id="1"), call("g", '{"b":2}', id="2")], id="no index"),
        pytest.param([call("f", '{"a":'), call(None, "1}"), call("g", '{"b":2}')], id="no index, no id"),
        pytest.param([call("f", '{"a":1}', index=1, id="1"), call("g", '{"b":2}', index=2, id="2")], id="from 1"),
        pytest.param([call("f", '{"a":1}', index=0, id=""), call("g", '{"b":2}', index=1, id="")], id="empty id"),
        pytest.param([call("f", '{"a":1}', index=0, id="x"), call("g", '{"b":2}', index=1, id="x")], id="one id twice"),
        pytest.param([call("f", '{"a":1}', id="x"), call("g", '{"b":2}', id="x")], id="one id twice, no index"),
        pytest.param(
            [call("f", '{"a":', index=0, id="1"), call("f", "1}", index=0, id="1"), call("g", '{"b":2}', index=1)],
            id="name and id in every chunk",
        ),
    ],
)
def test_two_calls_are_gathered_however_they_are_numbered(chunks: list[Any]) -> None:
    events = decode(*chunks, chunk("tool_calls"))
    assert calls(events) == BOTH
    ids = [e.call_id for e in events if isinstance(e, ToolCallReady)]
    assert len(set(ids)) == 2
    assert all(ids)
    assert end(events).reason == "tool_calls"


def test_arguments_as_an_object_and_as_null() -> None:
    events = decode(call("f", {"a": 1}, index=0), call("g", None, index=0), chunk("tool_calls"))
    assert calls(events) == [("f", '{"a": 1}'), ("g", "{}")]


def test_the_same_call_twice_is_two_calls() -> None:
    assert calls(decode(call("f", "{}", index=0), call("f", "{}", index=0), STOP)) == [("f", "{}"), ("f", "{}")]


@pytest.mark.parametrize("finish", ["stop", "tool_calls", None])
def test_that_tools_are_asked_for_follows_from_the_calls(finish: str | None) -> None:
    events = decode(call("f", "{}", index=0, id="1"), *([chunk(finish)] if finish else []))
    assert end(events).reason == "tool_calls"


def test_a_doubled_finish_chunk_makes_one_call() -> None:
    assert len(calls(decode(call("f", "{}", index=0, id="1"), chunk("tool_calls"), chunk("tool_calls")))) == 1


def test_a_call_cut_in_its_arguments_is_never_ready() -> None:
    events = decode(call("f", '{"a": ', index=0, id="1"))
    assert calls(events) == []
    assert end(events).reason == "cut"


def test_a_call_cut_by_the_token_limit_is_never_ready() -> None:
    events = decode(call("f", '{"a": ', index=0, id="1"), chunk("length"))
    assert calls(events) == []
    assert end(events).reason == "length"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_has_three_names(name: str) -> None:
    assert ReasoningDelta("hm") in decode(chunk(**{name: "hm"}), STOP)


def test_text_refusal_and_a_role_in_every_chunk() -> None:
    events = decode(
        chunk(role="assistant", content="a"), chunk(role="assistant", content="b"), chunk(refusal="no"), STOP
    )
    assert [e for e in events if isinstance(e, TextDelta | RefusalDelta)] == [
        TextDelta("a"),
        TextDelta("b"),
        RefusalDelta("no"),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": []},
        {"choices": None},
        {"id": "x"},
        {"choices": [{"delta": None}]},
        chunk(content=None),
        {},
        [],
        None,
    ],
)
def test_chunks_that_say_nothing_are_passed_over(odd: Any) -> None:
    assert [e for e in decode(chunk(content="a"), odd, STOP) if isinstance(e, TextDelta)] == [TextDelta("a")]


def test_usage_in_a_chunk_without_choices_is_counted() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}
    ended = end(decode(chunk(content="a"), STOP, {"choices": [], "usage": usage}))
    assert (ended.usage.input_tokens, ended.usage.output_tokens, ended.usage.cached_tokens) == (7, 2, 3)
    assert ended.usage.known


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("eos", "stop")],
)
def test_the_end_is_labelled(finish: str, reason: str) -> None:
    assert end(decode(chunk(content="a"), chunk(finish))).reason == reason


def test_a_clean_end_without_a_finish_reason_is_kept_and_marked() -> None:
    assert end(decode(chunk(content="a"))).reason == "unmarked"


def test_an_empty_stream_is_no_endpoint() -> None:
    with pytest.raises(NotAnEndpointError, match="base_url"):
        ChatDecoder().finish()


@pytest.mark.parametrize("error", [{"message": "overloaded"}, "overloaded"])
def test_an_error_in_the_stream_is_told_in_its_words(error: Any) -> None:
    with pytest.raises(ServerFailedError, match="overloaded"):
        ChatDecoder().feed({"error": error})


@pytest.mark.parametrize("nothing", [None, []])
@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"error_type": "BadRequestError", "error_message": "too long a prompt"}, "too long a prompt"),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "login fail"),
        ({"base_resp": {"status_code": 1008, "status_msg": "no money"}, "usage": {"total_tokens": 0}}, "no money"),
        ({"message": "quota is used up", "code": "quota"}, "quota is used up"),
        ({"detail": "overloaded", "code": 500, "usage": None}, "overloaded"),
        ({"object": "error", "message": "broken"}, "broken"),
    ],
)
def test_an_error_beside_empty_choices_is_a_failure_in_its_words(told: Any, words: str, nothing: Any) -> None:
    with pytest.raises(BackendError, match=words):
        decode({"id": "c", "object": "chat.completion.chunk", "choices": nothing, **told})
    decoder = ChatDecoder()
    decoder.feed(chunk(content="a"))
    with pytest.raises(BackendError, match=words):
        decoder.feed({"id": "c", "choices": nothing, **told})


@pytest.mark.parametrize(
    "fine",
    [
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}], "id": ""},
        {"choices": None, "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"choices": [], "base_resp": {"status_code": "0", "status_msg": ""}},
        {"choices": [], "code": 0, "message": "Success"},
        {"choices": [], "id": "c", "code": "ok", "msg": "ok"},
        {**chunk(content=""), "code": 0, "message": "Success"},
    ],
)
def test_empty_choices_and_a_word_that_all_is_well_are_no_error(fine: Any) -> None:
    events = decode(chunk(content="a"), fine, STOP)
    assert end(events).reason == "stop"


def test_a_lone_surrogate_is_replaced() -> None:
    events = decode(chunk(content="a\ud800"), STOP)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "a\ufffd"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "tool_calls", "function", "name", "arguments", "id", "index", "usage"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=6))
def test_no_json_raises_anything_but_our_own_errors(chunks: list[Any]) -> None:
    with contextlib.suppress(BackendError):
        decode(*chunks)


def test_a_server_that_answers_by_another_model_than_was_asked_is_read_as_that_model_writes() -> None:
    written = [
        {"model": "qwen2.5-coder-1.5b-instruct-q4_k_m", **chunk(content='{"name": "f", "arguments": {"a":1}}')},
        STOP,
    ]
    assert calls(decode(*written)) == [("f", '{"a": 1}')]
    assert calls(decode(*written, calls_natively=True)) == []
    assert calls(decode({**written[0], "model": "gpt-4o"}, STOP)) == []
    assert calls(decode(*written, settled=True)) == [], "where the request told, no stream does"
