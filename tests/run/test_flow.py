"""The run loop, without IO: what it asks for, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.core.conversation import Conversation
from nbassist.core.events import TextDelta, ToolCallReady, ToolFinished, TurnEnded, Usage
from nbassist.core.messages import Request, Text, ToolSpec
from nbassist.run.flow import CallTools, Limits, Outcome, Submit, run_flow

TOOLS = (ToolSpec("f", "", {"type": "object"}),)


class Play:
    """Drive the flow by hand: `turns` says what the model does at each request."""

    def __init__(self, *turns: list[Any], **limits: int) -> None:
        self.conversation = Conversation()
        self.conversation.add_user(Text("go"))
        self.submitted: list[Submit] = []
        self.called: list[CallTools] = []
        flow = run_flow(self.conversation, Request((), tools=TOOLS), Limits(**limits))
        script = list(turns)
        try:
            step = next(flow)
            while True:
                if isinstance(step, Submit):
                    self.submitted.append(step)
                    events = script.pop(0) if len(script) > 1 else script[0]
                    for event in events:
                        self.conversation.fold(event)
                    step = flow.send(events[-1])
                else:
                    self.called.append(step)
                    for call in step.calls:
                        self.conversation.fold(ToolFinished(call.id, call.name, "out"))
                    step = flow.send(None)
        except StopIteration as stop:
            self.outcome: Outcome = stop.value


def call(call_id: str, arguments: str = "{}") -> list[Any]:
    return [
        ToolCallReady(call_id, "f", arguments),
        TurnEnded("tool_calls", Usage(2, 1, known=True), {"thread_id": "t"}),
    ]


ANSWER = [TextDelta("done"), TurnEnded("stop", Usage(3, 2, known=True))]


def test_an_answer_ends_the_run() -> None:
    play = Play(ANSWER)
    assert play.outcome == Outcome("completed", Usage(3, 2, known=True))
    assert play.called == []


def test_calls_are_run_and_their_outputs_go_back_until_the_answer_is_there() -> None:
    play = Play(call("1"), call("2", '{"a": 1}'), ANSWER)
    assert [c.calls[0].id for c in play.called] == ["1", "2"]
    assert play.outcome == Outcome("completed", Usage(7, 4, known=True))
    assert [m.role for m in play.conversation.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]


def test_the_endpoint_is_sent_only_what_it_does_not_hold() -> None:
    second = Play(call("1"), ANSWER).submitted[1].request
    assert [m.role for m in second.new] == ["tool"]
    assert second.cursor == {"thread_id": "t"}


def test_two_calls_in_one_turn_are_answered_together() -> None:
    both = [ToolCallReady("1", "f", "{}"), ToolCallReady("2", "f", "{}"), TurnEnded("tool_calls")]
    assert [c.id for c in Play(both, ANSWER).called[0].calls] == ["1", "2"]


@pytest.mark.parametrize(
    ("reason", "finish", "word"),
    [
        ("length", "incomplete", "limit"),
        ("content_filter", "incomplete", "filter"),
        ("cut", "incomplete", "cut"),
        ("unmarked", "completed", "possibly cut short"),
        ("expired", "failed", "expired"),
        ("failed", "failed", "failed"),
        ("cancelled", "interrupted", "cancelled"),
    ],
)
def test_each_end_has_its_own_words(reason: Any, finish: str, word: str) -> None:
    outcome = Play([TextDelta("a"), TurnEnded(reason)]).outcome
    assert outcome.finish == finish
    assert word in outcome.detail


def test_what_the_endpoint_says_of_a_failure_comes_first() -> None:
    assert Play([TurnEnded("failed", detail="no quota")]).outcome.detail == "no quota"


def different(n: int) -> list[list[Any]]:
    return [call(str(i), f'{{"a": {i}}}') for i in range(n)]


def test_endless_calls_end_at_the_limit_and_the_last_turn_is_asked_to_answer() -> None:
    play = Play(*different(9), max_turns=4)
    assert len(play.submitted) == 4
    assert [s.request.tool_choice for s in play.submitted] == ["auto", "auto", "auto", "none"]
    assert "without tools" in next(iter(play.called[-1].notes.values()))
    assert play.outcome.finish == "stopped"
    assert "4 turns" in play.outcome.detail


def test_a_run_has_ten_turns_where_nothing_else_is_said() -> None:
    assert len(Play(*different(12)).submitted) == 10


def test_an_answer_in_the_last_turn_completes_the_run() -> None:
    assert Play(*different(3), ANSWER, max_turns=4).outcome.finish == "completed"


def test_the_same_call_over_and_over_is_nudged_at_3_and_ended_at_5() -> None:
    play = Play(*[call(str(i), ('{"a": 1, "b": 2}', '{"b":2,"a":1}')[i % 2]) for i in range(9)])
    assert [bool(c.notes) for c in play.called] == [False, False, True, True]
    assert play.outcome.finish == "stopped"
    assert "same call 5 times" in play.outcome.detail
