"""Runs the tasks of a plan on an event loop, many at once, and tells what happens to each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..conversation import Conversation
from ..errors import NbassistError, UsageError
from ..events import Event, Retrying, TextDelta
from ..reply import Reply
from ..tools import Toolbox
from .onerun import Run
from .pace import Pace
from .plan import Task
from .updates import Update


class Asker(Protocol):
    """What asks: see `nbassist.Assistant`."""

    async def aask(self, prompt: str, *, view: Any = None, **options: Any) -> Reply: ...


@dataclass(frozen=True)
class Order:
    """How a sweep is to be run.

    Parameters
    ----------
    asker : callable
        Gives the assistant for a profile; an empty one is the assistant's own.
    conversation : Conversation
        What each run goes on from, on a fork of its own.
    tools : Toolbox
        What the model may call; those that need approval are refused.
    options : mapping
        What all runs share; see `nbassist.asking.Asking`.
    cache : str
        How recorded replies are used.
    name : str
        What the journal knows the runs by, with their numbers; empty where they need not be found again.
    """

    asker: Callable[[str], Asker]
    conversation: Conversation
    tools: Toolbox = field(default_factory=Toolbox)
    options: Mapping[str, Any] = field(default_factory=dict)
    cache: str = "auto"
    name: str = ""


async def run_all(
    runs: Sequence[Run], order: Order, pace: Pace, tell: Callable[[Update], None], todo: list[Run] | None = None
) -> None:
    """Run what is not done yet; what is done when this is cancelled stays done.

    Parameters
    ----------
    runs : sequence of Run
        They are filled in, one by one, as they end.
    order, pace
        How, and how fast.
    tell : callable
        Told what happens, on this loop.
    todo : list of Run, optional
        Only these; all that are not done by default.
    """
    waiting = iter([run for run in (runs if todo is None else todo) if not run.ok])

    async def worker() -> None:
        for run in waiting:
            async with pace:
                await _run(run, order, pace, tell)

    count = min(pace.jobs, max(len(runs), 1))
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(worker())


async def _run(run: Run, order: Order, pace: Pace, tell: Callable[[Update], None]) -> None:
    task = run.task
    tell(Update("started", task.number))
    watcher, clock = _Watcher(task.number, pace, tell), time.monotonic()
    try:
        reply = await order.asker(task.option("profile")).aask(task.prompt, view=watcher, **options_of(task, order))
    except UsageError:
        raise  # the sweep itself is wrong: every run would say the same
    except NbassistError as error:
        run.reply, run.error = None, str(error)
    else:
        run.reply, run.error = reply, ""
        pace.spend(reply.usage.input_tokens + reply.usage.output_tokens)
    run.seconds = time.monotonic() - clock
    run.first_token = watcher.first - clock if watcher.first else 0.0
    tell(Update("ended", task.number))


class _Watcher:
    """Sees the events of one run as a view does."""

    def __init__(self, number: int, pace: Pace, tell: Callable[[Update], None]) -> None:
        self.first = 0.0
        self._number = number
        self._pace = pace
        self._tell = tell

    def apply(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self.first = self.first or time.monotonic()
            self._tell(Update("text", self._number, event.text))
        elif isinstance(event, Retrying):
            self._pace.hold(event.seconds)
            self._tell(Update("waiting", self._number, event.detail, event.seconds))


def options_of(task: Task, order: Order) -> dict[str, Any]:
    """Return the options with which a task is asked; see `nbassist.asking.Asking`."""
    options = dict(order.options)
    parameters = {**(options.pop("parameters", None) or {}), **task.parameters}
    for name, option in (("model", "model"), ("system", "instructions"), ("reasoning", "reasoning")):
        if name in task.variant:
            options[option] = str(task.variant[name])
    return {
        **options,
        "parameters": parameters,
        "conversation": order.conversation.fork(),
        "tools": order.tools,
        "approval": "deny",
        "cache": order.cache,
        "repeat": task.repeat,
        "variant": {
            **task.variant,
            "input": str(task.input.index),
            **({"run": run_name(order, task)} if order.name else {}),
        },
        "template": False,
    }


def run_name(order: Order, task: Task) -> str:
    """Return what the journal knows a run by."""
    return f"{order.name}:{task.number}"
