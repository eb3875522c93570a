"""The order of events in a run, as a table; a backend that breaks it is found at once, not by what it garbles."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from .errors import OrderError
from .events import (
    ApprovalAnswered,
    ApprovalAsked,
    CitationAdded,
    Event,
    ImageReady,
    ItemKept,
    ReasoningDelta,
    RefusalDelta,
    Retrying,
    RunEnded,
    RunStarted,
    ServerToolEvent,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Warned,
)


class State(Enum):
    """Where a run stands, as its events show it."""

    IDLE = "idle"
    WAITING = "waiting for the endpoint"
    WRITING = "in a turn"
    BETWEEN = "between turns"
    ENDED = "ended"


_WRITES: tuple[type[Event], ...] = (
    TextDelta,
    RefusalDelta,
    ReasoningDelta,
    ToolCallStarted,
    ToolArgumentsDelta,
    ToolCallReady,
    ServerToolEvent,
    ImageReady,
    CitationAdded,
    ItemKept,
)
TRANSITIONS: Mapping[State, Mapping[type[Event], State]] = {
    State.IDLE: {RunStarted: State.WAITING},
    State.WAITING: {
        Retrying: State.WAITING,
        Warned: State.WAITING,
        TurnStarted: State.WRITING,
        RunEnded: State.ENDED,
    },
    State.WRITING: {
        **dict.fromkeys(_WRITES, State.WRITING),
        Retrying: State.WRITING,
        Warned: State.WRITING,
        TurnEnded: State.BETWEEN,
        RunEnded: State.ENDED,
    },
    State.BETWEEN: {
        ApprovalAsked: State.BETWEEN,
        ApprovalAnswered: State.BETWEEN,
        ToolFinished: State.BETWEEN,
        Retrying: State.BETWEEN,
        Warned: State.BETWEEN,
        TurnStarted: State.WRITING,
        RunEnded: State.ENDED,
    },
    State.ENDED: {},
}


class Order:
    """Hold the events of one run to `TRANSITIONS`, and the events of each call to their own order."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self._calls: dict[str, type[Event]] = {}

    def check(self, event: Event) -> None:
        """Take the next event.

        Raises
        ------
        OrderError
            Where it may not follow those before it.
        """
        following = TRANSITIONS[self.state].get(type(event))
        if following is None:
            raise OrderError(f"{type(event).__name__} came while the run was {self.state.value}")
        self.state = following
        if isinstance(event, _OfCall):
            before = self._calls.get(event.call_id)
            if before not in _CALL_ORDER[type(event)]:
                came = before.__name__ if before else "nothing"
                raise OrderError(f"{type(event).__name__} of call {event.call_id} came after {came}")
            self._calls[event.call_id] = type(event)


_CALL_ORDER: Mapping[type[Event], tuple[type[Event] | None, ...]] = {
    ToolCallStarted: (None, ToolFinished),
    ToolArgumentsDelta: (ToolCallStarted, ToolArgumentsDelta),
    ToolCallReady: (ToolCallStarted, ToolArgumentsDelta),
    ApprovalAsked: (ToolCallReady, ApprovalAnswered),  # again, where what the person edited is wrong
    ApprovalAnswered: (ToolCallReady, ApprovalAsked),
    ToolFinished: (ToolCallReady, ApprovalAsked, ApprovalAnswered),
}
_OfCall = ToolCallStarted | ToolArgumentsDelta | ToolCallReady | ApprovalAsked | ApprovalAnswered | ToolFinished
