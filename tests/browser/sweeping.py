"""A model for sweeps in notebooks of the tests: answers after a moment, without an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from nbassist import Assistant
from nbassist.core.events import (
    Event,
    Retrying,
    TextDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    TurnStarted,
    Usage,
)
from nbassist.core.messages import Request
from nbassist.errors import ConnectionFailedError
from nbassist.sweep import Sweep
from nbassist.sweep.view import make_sweep_view, run_and_judge

SAID = (
    "The parcel came late and the box was torn: **negative**.",
    "Positive.",
    "It is neutral, since the customer says both that it works and that it is too loud at night.",
)


class Model:
    """Answers by the number of the prompt; `seconds` is how long it takes, `gate` a file that it waits for.

    `busy` is how many seconds it asks to wait, once, as an endpoint does with 429, but it waits for the gate; a judge's
    prompt gets a verdict. Where it `echoes` it says what it was asked.
    """

    name = "model"

    def __init__(
        self, seconds: float = 0.0, gate: str = "", calls: bool = False, busy: float = 0.0, echoes: bool = False
    ) -> None:
        self.seconds, self.gate, self.calls, self.busy, self.echoes = seconds, gate, calls, busy, echoes

    def stream(self, request: Request) -> Iterator[Event]:
        raise AssertionError("a sweep runs on an event loop")

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        prompt = request.messages[-1].text
        number = 0 if self.echoes else int("".join(filter(str.isdigit, prompt)) or 0)
        if "boom" in prompt:
            raise ConnectionFailedError("the endpoint did not answer within 10 s")
        if self.busy and number == 2:
            seconds, self.busy = self.busy, 0.0
            yield Retrying(seconds, 1, "429: slow down", everyone=True)
            while self.gate and not Path(self.gate).exists():
                await asyncio.sleep(0.02)
        yield TurnStarted(model=request.model)
        if self.calls and request.messages[-1].role == "user" and request.tools:
            yield ToolCallStarted("c1", request.tools[0].name)
            yield ToolCallReady("c1", request.tools[0].name, '{"table": "orders"}')
            yield TurnEnded("tool_calls")
            return
        verdict = '{"reason": "it says what it should", "score": 4}'
        text = (
            verdict
            if prompt.startswith("You grade")
            else SAID[(number if number % 4 else number + len(request.model)) % 3]
        )
        for word in (prompt if self.echoes else text).split(" "):
            if self.seconds:
                await asyncio.sleep(self.seconds)
            yield TextDelta(word + " ")
        while self.gate and number > 5 and not Path(self.gate).exists():
            await asyncio.sleep(0.02)
        yield TurnEnded("stop", Usage(40 + number % 7, 12, known=True))

    def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
        return {}

    def models(self) -> list[str]:
        return []


def sweep(model: Model, template: str, *, rubric: str = "", check: str = "", **options: Any) -> Any:
    """Run a sweep in the cell, as `%%assistant` does, and have it judged by a rubric; return its runs."""
    from IPython import get_ipython

    made = Sweep(Assistant(backend=model), template, **options)  # type: ignore[arg-type]
    runs = run_and_judge(made, make_sweep_view("live", get_ipython()), [check] if check else [], rubric)
    runs.shown = True
    return runs
