"""The order of events in a run, as a table; a backend that breaks it is found at once, not by what it garbles."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ..errors import OrderError
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


class RunState(Enum):
    """Where a run stands, as its events show it."""

    IDLE = "idle"
    WAITING = "waiting for the endpoint"
    WRITING = "in a turn"
    BETWEEN = "between turns"
    ENDED = "ended"


# All that a model writes in one turn may be mixed: services interleave text, reasoning, and calls that they run.
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
# Two rules keep a run safe. A tool runs between turns only: until `TurnEnded` its call may be cut off. And `RunEnded`
# may come from any state but the first: an interrupt or a failure falls where it falls.
TRANSITIONS: Mapping[RunState, Mapping[type[Event], RunState]] = {
    RunState.IDLE: {RunStarted: RunState.WAITING},
    RunState.WAITING: {
        Retrying: RunState.WAITING,
        Warned: RunState.WAITING,
        TurnStarted: RunState.WRITING,
        RunEnded: RunState.ENDED,
    },
    RunState.WRITING: {
        **dict.fromkeys(_WRITES, RunState.WRITING),
        # A response that runs in the background is read on after its stream was lost, in the middle of the turn.
        Retrying: RunState.WRITING,
        Warned: RunState.WRITING,
        TurnEnded: RunState.BETWEEN,
        RunEnded: RunState.ENDED,
    },
    RunState.BETWEEN: {
        ApprovalAsked: RunState.BETWEEN,
        ApprovalAnswered: RunState.BETWEEN,
        ToolFinished: RunState.BETWEEN,
        # The next turn has not started yet while its request is refused and sent again.
        Retrying: RunState.BETWEEN,
        Warned: RunState.BETWEEN,
        TurnStarted: RunState.WRITING,
        RunEnded: RunState.ENDED,
    },
    RunState.ENDED: {},
}


class EventOrder:
    """Hold the events of one run to `TRANSITIONS`, and the events of each call to their own order."""

    def __init__(self) -> None:
        self.state = RunState.IDLE
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
    # An id may come again once its call was answered: some services number the calls of each turn from 0.
    ToolCallStarted: (None, ToolFinished),
    ToolArgumentsDelta: (ToolCallStarted, ToolArgumentsDelta),
    ToolCallReady: (ToolCallStarted, ToolArgumentsDelta),
    ApprovalAsked: (ToolCallReady, ApprovalAnswered),  # again, where what the person edited is wrong
    ApprovalAnswered: (ToolCallReady, ApprovalAsked),
    # `ApprovalAsked` may be the last word on a call: an interrupt at the question answers it.
    ToolFinished: (ToolCallReady, ApprovalAsked, ApprovalAnswered),
}
_OfCall = ToolCallStarted | ToolArgumentsDelta | ToolCallReady | ApprovalAsked | ApprovalAnswered | ToolFinished
