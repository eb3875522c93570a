"""Events of whole runs, and ways to cut a text."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from nbassist.core.events import (
    Event,
    ReasoningDelta,
    RunEnded,
    RunStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
)


def cut(text: str, seed: int) -> list[str]:
    """Cut `text` into pieces of 1 to 9 characters, the same for the same seed."""
    rng, pieces, at = random.Random(seed), [], 0
    while at < len(text):
        size = rng.randint(1, 9)
        pieces.append(text[at : at + size])
        at += size
    return pieces


@pytest.fixture
def run() -> Callable[..., list[Event]]:
    """A function that gives the events of a run with one call of a tool."""

    def events(
        answer: str = "There are **1204**.",
        *,
        reasoning: str = "",
        name: str = "row_count",
        arguments: str = '{"table": "orders"}',
        output: str = "1204",
        seed: int = 0,
        **result: object,
    ) -> list[Event]:
        started: list[Event] = [RunStarted("some-model", "chat"), TurnStarted()]
        thought = [ReasoningDelta(piece) for piece in cut(reasoning, seed)]
        call: list[Event] = [TextDelta("Let me see."), ToolCallStarted("1", name)]
        call += [ToolArgumentsDelta("1", piece) for piece in cut(arguments, seed)]
        call += [ToolCallReady("1", name, arguments), TurnEnded("tool_calls", Usage(10, 5, known=True))]
        call += [ToolFinished("1", name, output, **{"seconds": 0.02, **result}), TurnStarted()]  # type: ignore[arg-type]
        said = [TextDelta(piece) for piece in cut(answer, seed)]
        ended: list[Event] = [TurnEnded("stop", Usage(20, 7, known=True)), RunEnded("completed", seconds=1.5)]
        return [*started, *thought, *call, *said, *ended]

    return events
