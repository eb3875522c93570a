"""Hypothesis on every decoder: any split of the bytes gives the same events, and nothing raises but our own errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbassist.backends.assistants.decoder import AssistantsDecoder
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.backends.http.answer_stream import EventStream
from nbassist.backends.responses.decoder import ResponsesDecoder
from nbassist.core.event_order import EventOrder
from nbassist.core.events import Event, RunStarted
from nbassist.errors import BackendError, OrderError, StreamBrokenError

DECODERS: dict[str, Callable[[], Any]] = {
    "chat": lambda: ChatDecoder(["f", "sql"], custom=["sql"]),
    "responses": lambda: ResponsesDecoder("ours", tools=["f"]),
    "assistants": lambda: AssistantsDecoder({}, ["sql"]),
}
KEYS: dict[str, list[str]] = {
    "chat": ["choices", "delta", "message", "tool_calls", "function", "name", "arguments", "id", "index", "usage",
             "content", "reasoning", "refusal", "finish_reason", "error"],
    "responses": ["type", "response", "item", "id", "call_id", "item_id", "output_index", "content_index", "delta",
                  "text", "arguments", "name", "output", "content", "annotations", "annotation", "status", "summary",
                  "sequence_number", "incomplete_details", "usage", "error", "outputs", "action", "result", "code"],
    "assistants": ["event", "data", "id", "thread_id", "status", "delta", "content", "index", "type", "text", "value",
                   "annotations", "step_details", "tool_calls", "function", "name", "arguments", "code_interpreter",
                   "outputs", "input", "image", "file_id", "required_action", "submit_tool_outputs", "usage"],
}  # fmt: skip
WORDS: dict[str, list[str]] = {
    "chat": ["f", "sql", "stop", "length", "{}", '{"a": 1}', '{"name": "f", "arguments": {}}', "\ud800"],
    "responses": [
        *(f"response.{name}" for name in (
            "created", "completed", "failed", "output_item.added", "output_item.done", "output_text.delta",
            "output_text.done", "output_text.annotation.added", "refusal.delta", "reasoning_summary_text.delta",
            "function_call_arguments.delta", "function_call_arguments.done", "custom_tool_call_input.delta",
            "code_interpreter_call_code.delta", "image_generation_call.partial_image", "mcp_call_arguments.done",
            "web_search_call.searching", "mcp_list_tools.failed")),
        "message", "function_call", "custom_tool_call", "reasoning", "mcp_call", "mcp_approval_request",
        "code_interpreter_call", "image_generation_call", "output_text", "url_citation", "f", "{}", "\ud800",
    ],
    "assistants": [
        *(f"thread.{name}" for name in (
            "created", "run.created", "run.completed", "run.requires_action", "message.delta", "message.completed",
            "run.step.delta", "run.step.completed", "run.step.failed")),
        "function", "code_interpreter", "file_search", "text", "image_file", "file_citation", "completed", "sql",
        "requires_action", "{}", "\ud800",
    ],
}  # fmt: skip


def values(name: str) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(WORDS[name]) | st.text(max_size=4)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS[name]), inner, max_size=5),
        max_leaves=14,
    )


def play(name: str, *chunks: Any) -> list[Event]:
    """Decode `chunks` as the transport does; an `OrderError` would be a bug of the decoder."""
    decoder, order = DECODERS[name](), EventOrder()
    events: list[Event] = []

    def take(found: list[Event]) -> None:
        for event in found:
            try:
                order.check(event)
            except OrderError as error:
                raise AssertionError(str(error)) from error
            events.append(event)

    take([RunStarted()])
    try:
        for chunk in chunks:
            take(decoder.feed(chunk))
            if decoder.done:
                break
        take(decoder.finish())
    except BackendError as error:
        if decoder.started:
            take(decoder.broken(error))
    return events


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_json_raises_anything_but_our_own_errors(name: str, data: st.DataObject) -> None:
    play(name, *data.draw(st.lists(values(name), max_size=6)))


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, item in inner for path in paths(item, (*here, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = put(value[path[0]], path[1:], new)
    return value


def stream(name: str) -> list[Any]:
    """A real shape of each protocol, with text and calls."""
    if name == "chat":
        call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
        rest = {"index": 0, "function": {"arguments": "1}"}}
        deltas: list[Any] = [{"role": "assistant", "content": "a"}, {"tool_calls": [call]}, {"tool_calls": [rest]}, {}]
        return [{"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if name == "responses":
        call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}
        message = {"type": "message", "id": "m1", "content": [{"type": "output_text", "text": "ab", "annotations": []}]}
        search = {"type": "web_search_call", "id": "ws", "action": {"query": "q"}, "status": "completed"}
        done = {**call, "arguments": "{}"}
        return [
            {"type": "response.created", "response": {"id": "r", "model": "m"}},
            {"type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "delta": "a"},
            {"type": "response.output_item.done", "output_index": 0, "item": message},
            {"type": "response.output_item.added", "output_index": 1, "item": call},
            {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": "{}"},
            {"type": "response.output_item.done", "output_index": 1, "item": done},
            {"type": "response.output_item.done", "output_index": 2, "item": search},
            {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [message, done]}},
        ]
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    code = {"index": 1, "id": "c2", "type": "code_interpreter", "code_interpreter": {"input": "1", "outputs": []}}
    part = {"index": 0, "type": "text", "text": {"value": "a", "annotations": []}}
    action = {"submit_tool_outputs": {"tool_calls": [call]}}
    run = {"id": "run", "thread_id": "t", "status": "in_progress"}
    named = [
        ("thread.run.created", run),
        ("thread.message.delta", {"id": "m", "delta": {"content": [part]}}),
        ("thread.run.step.delta", {"id": "s", "delta": {"step_details": {"tool_calls": [call, code]}}}),
        ("thread.run.step.completed", {"id": "s", "status": "completed", "step_details": {"tool_calls": [code]}}),
        ("thread.run.requires_action", {**run, "status": "requires_action", "required_action": action}),
    ]
    return [{"event": event, "data": data} for event, data in named]


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_change_to_a_real_stream_raises_anything_but_our_own_errors(name: str, data: st.DataObject) -> None:
    chunks = stream(name)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(chunks) - 1))
        change = data.draw(st.sampled_from(["value", "drop", "twice", "swap"]))
        if change == "value":
            chunks[at] = put(chunks[at], data.draw(st.sampled_from(paths(chunks[at]))), data.draw(values(name)))
        elif change == "drop" and len(chunks) > 1:
            del chunks[at]
        elif change == "twice":
            chunks.insert(at, chunks[at])
        else:
            chunks[at], chunks[0] = chunks[0], chunks[at]
    play(name, *chunks)


@pytest.mark.parametrize("name", DECODERS)
@given(cuts=st.lists(st.integers(0, 5000), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_split_of_the_bytes_gives_the_same_events(name: str, cuts: list[int]) -> None:
    lines = [(chunk.get("event", ""), chunk["data"] if "event" in chunk else chunk) for chunk in stream(name)]
    source = "".join(f"event: {event}\ndata: {json.dumps(data)}\n\n" for event, data in lines).encode()
    at = sorted({0, *(cut % len(source) for cut in cuts), len(source)})

    def events(pieces: list[bytes]) -> list[Event]:
        reading = EventStream(DECODERS[name](), 300)
        return [event for piece in pieces for event in reading.feed(piece)] + list(reading.finish())

    assert events([source[a:b] for a, b in pairwise(at)]) == events([source])


@pytest.mark.parametrize("name", DECODERS)
@given(source=st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise_anything_but_our_own_errors(name: str, source: bytes) -> None:
    decoder = DECODERS[name]()
    reading = EventStream(decoder, 300)
    try:
        list(reading.feed(b"data: " + source + b"\n\n"))
        list(reading.finish())
    except (BackendError, ValueError):  # the transport makes a StreamBrokenError of what is no UTF-8 or no JSON
        decoder.broken(StreamBrokenError("broken"))
