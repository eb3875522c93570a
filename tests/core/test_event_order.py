"""The order of events: what a backend may tell, and what is found at once."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from nbassist.core.event_order import TRANSITIONS, EventOrder, RunState
from nbassist.core.events import (
    Event,
    Retrying,
    RunEnded,
    RunStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Warned,
)
from nbassist.errors import OrderError

START = [RunStarted(), TurnStarted()]
CALL = [ToolCallStarted("1", "f"), ToolArgumentsDelta("1", "{}"), ToolCallReady("1", "f", "{}")]
TURN_END = TurnEnded("tool_calls")
DONE = ToolFinished("1", "f", "out")


def check(*events: Any) -> RunState:
    order = EventOrder()
    for event in events:
        order.check(event)
    return order.state


@pytest.mark.parametrize(
    "events",
    [
        [*START, TextDelta("a"), TurnEnded("stop"), RunEnded("completed")],
        [RunStarted(), Retrying(1.0, 1, "busy"), TurnStarted(), TurnEnded("stop"), RunEnded("completed")],
        [*START, *CALL, TURN_END, DONE, TurnStarted(), Warned("w"), TurnEnded("stop"), RunEnded("completed")],
        [RunStarted(), RunEnded("interrupted")],
        [*START, *CALL, RunEnded("interrupted")],
        [*START, *CALL, TURN_END, DONE, TurnStarted(), *CALL, TURN_END, DONE, RunEnded("stopped")],
    ],
)
def test_what_may_happen(events: list[Any]) -> None:
    assert check(*events) is RunState.ENDED


@pytest.mark.parametrize(
    "events",
    [
        [TextDelta("a")],
        [RunStarted(), TextDelta("a")],
        [*START, DONE],
        [*START, *CALL, DONE],
        [*START, ToolArgumentsDelta("1", "{}")],
        [*START, ToolCallReady("1", "f", "{}")],
        [*START, *CALL, ToolCallReady("1", "f", "{}")],
        [*START, *CALL, TURN_END, DONE, DONE],
        [*START, TurnEnded("stop"), TextDelta("late")],
        [*START, RunEnded("completed"), RunEnded("completed")],
        [RunStarted(), RunStarted()],
    ],
)
def test_what_may_not_is_found(events: list[Any]) -> None:
    with pytest.raises(OrderError):
        check(*events)


def test_every_event_has_its_place_in_the_table() -> None:
    placed = {event for following in TRANSITIONS.values() for event in following}
    assert placed == set(get_args(Event))
