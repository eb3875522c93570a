"""Calls that a server writes in another shape than the protocol has: each runs once, with the values that it has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbassist.backends.assistants.decoder import AssistantsDecoder
from nbassist.core.events import Event, ToolCallReady

ROME = {"city": "Rome", "sky": "ciel d’été"}
CALL: Any = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f"}
BEGUN = {**CALL, "arguments": ""}


def calls(events: list[Event]) -> list[tuple[str, Any]]:
    return [(e.name, json.loads(e.arguments)) for e in events if isinstance(e, ToolCallReady)]


@pytest.mark.parametrize("how", ["completed", "done", "arguments.done", "arguments.delta", "added"])
def test_responses_arguments_that_are_an_object_are_what_the_call_runs_with(responses: Any, how: str) -> None:
    whole, at = {**CALL, "arguments": ROME}, {"item_id": "fc_1", "output_index": 0}
    event = {
        "completed": [],
        "done": [responses.done(whole, output_index=0)],
        "arguments.done": [
            responses.added(BEGUN, output_index=0),
            responses.event("function_call_arguments.done", **at, arguments=ROME),
        ],
        "arguments.delta": [
            responses.added(BEGUN, output_index=0),
            responses.event("function_call_arguments.delta", **at, delta=ROME),
        ],
        "added": [responses.added(whole, output_index=0)],
    }[how]
    events = responses.decode(*event, responses.completed(whole if how == "completed" else BEGUN))
    assert calls(events) == [("f", ROME)]


def test_responses_arguments_said_as_an_object_and_as_text_are_one(responses: Any) -> None:
    whole = {**CALL, "arguments": ROME}
    piece = responses.event("function_call_arguments.delta", item_id="fc_1", delta=json.dumps(ROME))
    events = responses.decode(responses.added(BEGUN), piece, responses.done(whole), responses.completed(whole))
    assert calls(events) == [("f", ROME)]


@pytest.mark.parametrize("odd", [5, 0, False, True, [ROME], []])
def test_arguments_that_are_no_object_are_a_mistake_and_not_the_defaults(responses: Any, odd: Any) -> None:
    assert calls(responses.decode(responses.completed({**CALL, "arguments": odd}))) == [("f", odd)]
    assert calls(action(odd)) == [("f", odd)]


def test_arguments_that_are_null_are_none(responses: Any) -> None:
    assert calls(responses.decode(responses.completed({**CALL, "arguments": None}))) == [("f", {})]


def action(arguments: Any, *before: Any) -> list[Event]:
    """Return the events of a run that asks for one call."""
    function = {"name": "f", "arguments": arguments}
    asked = {"submit_tool_outputs": {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}}
    run = {"id": "r", "status": "requires_action", "required_action": asked}
    decoder = AssistantsDecoder({"thread_id": "t", "run_id": "r"})
    chunks = [*before, {"event": "thread.run.requires_action", "data": run}]
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_assistants_arguments_that_are_an_object_are_what_the_call_runs_with() -> None:
    entry = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ROME}}
    details = {"type": "tool_calls", "tool_calls": [entry]}
    delta = {"event": "thread.run.step.delta", "data": {"id": "s", "delta": {"step_details": details}}}
    assert calls(action(ROME, delta)) == [("f", ROME)]
    assert calls(action(ROME)) == [("f", ROME)]
