"""A run becomes the thread's turn, as if its prompt had been asked there; and the cell that asks it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..conversation import Conversation
from ..errors import UsageError
from ..messages import Text
from .onerun import Run
from .plan import OPTIONS

if TYPE_CHECKING:
    from ..threads import Threads

_FLAGS = {"model": "-m", "profile": "--profile", "system": "-s", "reasoning": "--reasoning"}


def adopt(run: Run, threads: Threads, thread: str = "") -> None:
    """Append the prompt of `run` and what came of it to a thread, the current one by default, and keep that.

    Raises
    ------
    UsageError
        Where the run has no whole reply, or another run is at work on the thread.
    """
    if run.reply is None or not run.ok:
        raise UsageError(f"run {run.task.number} has no whole reply: {run.error or 'it was not run to its end'}")
    turn = Conversation()
    turn.add_user(Text(run.task.prompt))
    for event in run.reply.events:
        turn.fold(event)
    hold = threads.hold(thread)
    if not hold.take(5.0):
        raise UsageError("another notebook is at work on this thread: adopt the run when it has ended")
    try:
        conversation = threads[thread]
        conversation.repair("not run: the run before this message ended first")
        conversation.messages.extend(turn.messages)
        threads.save(thread)
    finally:
        hold.release()


def cell_of(run: Run, shared: Mapping[str, Any], thread: str = "") -> str:
    """Return the cell that asks what `run` asked: its first line has what is set, the prompt is filled in."""
    words = ["%%assistant"]
    options = {
        "model": shared.get("model"),
        "system": shared.get("instructions"),
        "reasoning": shared.get("reasoning"),
        **{name: value for name, value in run.task.variant.items() if name in OPTIONS},
    }
    words += [f"{_FLAGS[name]} {shlex.quote(str(value))}" for name, value in options.items() if value]
    parameters = {**(shared.get("parameters") or {}), **run.task.parameters}
    words += [f"-p {shlex.quote(f'{name}={_written(value)}')}" for name, value in parameters.items()]
    words += [f"-t {shlex.quote(thread)}"] if thread else []
    return f"{' '.join(words)}\n{run.task.prompt}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
