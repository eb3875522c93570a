"""A model for sweeps: says back the last prompt, or what a function makes of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.core.events import Event, TextDelta, TurnEnded, TurnStarted, Usage
from nbassist.core.messages import Request
from nbassist.journal import Journal
from nbassist.sweep import Sweep

sys.path.insert(0, str(Path(__file__).parent))


class Says:
    """A backend whose answer is `say(prompt, model)`."""

    name = "model"

    def __init__(self, say: Callable[[str, str], str]) -> None:
        self.say = say
        self.asked: list[Request] = []

    def stream(self, request: Request) -> Iterator[Event]:
        raise AssertionError("a sweep runs on an event loop")

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        self.asked.append(request)
        yield TurnStarted(model=request.model)
        yield TextDelta(self.say(request.messages[-1].text, request.model))
        yield TurnEnded("stop", Usage(10, 5, known=True))

    def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
        return {}

    def models(self) -> list[str]:
        return []


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.db")
    yield made
    made.close()


@pytest.fixture
def swept(journal: Journal) -> Callable[..., Sweep]:
    """A function that makes a sweep, not yet run: `say`, template, and the options of `Sweep`."""

    def make(say: Callable[[str, str], str], template: str, **options: Any) -> Sweep:
        return Sweep(Assistant(backend=Says(say), journal=journal), template, **options)  # type: ignore[arg-type]

    return make
