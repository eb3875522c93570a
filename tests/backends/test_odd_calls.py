"""Calls that a server writes in another shape than the protocol has: each runs once, with the values that it has."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from nbassist.backends.assistants.decoder import AssistantsDecoder
from nbassist.backends.chat.backend import ChatDecoder, build_chat_request
from nbassist.backends.responses.decoder import ResponsesDecoder
from nbassist.backends.responses.request import build_responses_request
from nbassist.core.events import Event, ToolCallReady, ToolCallStarted
from nbassist.core.messages import Message, Request, Text, ToolCall, ToolOutput

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


def action(arguments: Any, *before: Any, name: str = "f", tools: tuple[str, ...] = ()) -> list[Event]:
    """Return the events of a run that asks for one call."""
    function = {"name": name, "arguments": arguments}
    asked = {"submit_tool_outputs": {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}}
    run = {"id": "r", "status": "requires_action", "required_action": asked}
    decoder = AssistantsDecoder({"thread_id": "t", "run_id": "r"}, (), tools)
    chunks = [*before, {"event": "thread.run.requires_action", "data": run}]
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_assistants_arguments_that_are_an_object_are_what_the_call_runs_with() -> None:
    entry = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ROME}}
    details = {"type": "tool_calls", "tool_calls": [entry]}
    delta = {"event": "thread.run.step.delta", "data": {"id": "s", "delta": {"step_details": details}}}
    assert calls(action(ROME, delta)) == [("f", ROME)]
    assert calls(action(ROME)) == [("f", ROME)]


ODD_NAMES = ["functions.f", "function.f", "f<|channel|>commentary", "functions.f:0", " f "]
SENT = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_call_that_names_a_tool_with_something_around_it_is_of_that_tool(responses: Any, name: str) -> None:
    decoder = ChatDecoder(["f", "g"])
    entry = {"index": 0, "id": "1", "function": {"name": name, "arguments": '{"a": 1}'}}
    events = decoder.feed({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [entry]}}]})
    assert calls(events + decoder.finish(marked=True)) == [("f", {"a": 1})]
    assert [e.name for e in events if isinstance(e, ToolCallStarted)] == ["f"]
    whole = responses.completed({**CALL, "name": name, "arguments": '{"a": 1}'})
    assert calls(responses.decode(whole, decoder=ResponsesDecoder(offered=["f", "g"]))) == [("f", {"a": 1})]
    assert calls(action({}, name=name, tools=("f", "g"))) == [("f", {})]


@pytest.mark.parametrize("name", ["multi_tool_use.parallel", "functions.h", "f.g", "other<|channel|>commentary"])
def test_a_call_that_names_no_tool_keeps_its_name(responses: Any, name: str) -> None:
    whole = responses.completed({**CALL, "name": name, "arguments": "{}"})
    assert calls(responses.decode(whole, decoder=ResponsesDecoder(offered=["f", "g"]))) == [(name, {})]
    assert calls(action({}, name=name, tools=("f", "g"))) == [(name, {})]


def test_a_dressed_name_that_comes_again_or_in_pieces_is_one_call() -> None:
    def piece(**function: str) -> Any:
        return {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}}]}

    for names in (("functions.f", "functions.f"), ("functions.", "f")):
        decoder = ChatDecoder(["f"])
        pieces = [piece(name=names[0]), piece(name=names[1]), piece(arguments='{"a": 1}')]
        events = [event for each in pieces for event in decoder.feed(each)]
        assert calls(events + decoder.finish(marked=True)) == [("f", {"a": 1})], names


@pytest.mark.parametrize("name", ["multi_tool_use.parallel", "weather<|channel|>commentary", "ä" * 70, "x" * 65, ""])
def test_an_invented_name_goes_back_as_one_that_every_endpoint_takes(name: str) -> None:
    history = (
        Message("user", (Text("?"),)),
        Message("assistant", (ToolCall("1", name, "{}"),)),
        Message("tool", (ToolOutput("1", name, "there is no such tool"),)),
    )
    request = Request(history, model="m")
    chat = build_chat_request(request)
    assert SENT.fullmatch(chat["messages"][1]["tool_calls"][0]["function"]["name"])
    assert SENT.fullmatch(chat["tools"][0]["function"]["name"]), "named, though none are offered"
    sent = build_responses_request(request)
    assert SENT.fullmatch(sent["input"][1]["name"])
    assert SENT.fullmatch(sent["tools"][0]["name"])
    assert sent["input"][2]["call_id"] == sent["input"][1]["call_id"]


DONE = {**CALL, "arguments": '{"a": 1}'}


@pytest.mark.parametrize("listed", [[DONE], []])
def test_a_call_that_ends_under_other_ids_in_its_place_runs_once(responses: Any, listed: list[Any]) -> None:
    early = {"id": "tmp_1", "call_id": "tmp_2", "type": "function_call", "name": "f", "arguments": ""}
    delta = responses.event("function_call_arguments.delta", item_id="tmp_1", output_index=0, delta='{"a": 1}')
    said = [responses.added(early, output_index=0), delta, responses.done(DONE, output_index=0)]
    assert calls(responses.decode(*said, responses.completed(*listed))) == [("f", {"a": 1})]


def test_two_calls_begun_in_one_place_are_two(responses: Any) -> None:
    second = {**DONE, "id": "fc_2", "call_id": "call_2", "arguments": '{"a": 2}'}
    said = [*(responses.added({**one, "arguments": ""}, output_index=0) for one in (DONE, second))]
    said += [responses.done(one, output_index=0) for one in (DONE, second)]
    assert calls(responses.decode(*said, responses.completed(DONE, second))) == [("f", {"a": 1}), ("f", {"a": 2})]
    other = {**second, "name": "g"}
    said = [responses.added({**DONE, "arguments": ""}, output_index=0), responses.done(other, output_index=0)]
    assert calls(responses.decode(*said, responses.completed(DONE, other))) == [("f", {"a": 1}), ("g", {"a": 2})]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_call_that_is_listed_twice_runs_once(responses: Any, streamed: bool) -> None:
    said = [responses.done(DONE, output_index=0)] if streamed else []
    twice = responses.completed(DONE, {**DONE, "id": "fc_2"})
    assert calls(responses.decode(*said, twice)) == [("f", {"a": 1})]


def test_two_calls_of_one_id_with_other_arguments_are_two(responses: Any) -> None:
    other = {**DONE, "arguments": '{"a": 2}'}
    events = responses.decode(responses.completed(DONE, other))
    assert calls(events) == [("f", {"a": 1}), ("f", {"a": 2})]
    assert len({event.call_id for event in events if isinstance(event, ToolCallReady)}) == 2


@pytest.mark.parametrize("kind", [[], {}, None, 1])
def test_an_item_whose_type_is_no_text_is_passed_over(responses: Any, kind: Any) -> None:
    assert calls(responses.decode(responses.completed({**DONE, "type": kind}, DONE))) == [("f", {"a": 1})]
