"""What is asked elsewhere, on a cluster or in a batch, comes back as if asked here: cached and journaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..events import Event, TurnEnded, TurnStarted
from ..messages import Request
from .runner import options_of
from .runs import Run

if TYPE_CHECKING:
    from .sweep import Sweep


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that has to be asked: its first request, and the key of its reply."""

    run: Run
    request: Request
    key: str


def split(sweep: Sweep) -> tuple[list[Wanted], list[Run]]:
    """Return the runs that have to be asked, and those that can be taken from the cache."""
    order = sweep.order
    todo = [run for run in sweep.runs if not run.ok]
    wanted = []
    for run in todo:
        asker: Any = order.asker(run.task.option("profile"))
        wanted.append(Wanted(run, *asker.preview(run.task.prompt, **options_of(run.task, order))))
    store = sweep.store
    keys = [one.key for one in wanted if one.key]
    kept = store.known_replies(keys) if store is not None and keys and order.cache in ("auto", "replay") else set()
    return [one for one in wanted if one.key not in kept], [one.run for one in wanted if one.key in kept]


def keep(sweep: Sweep, key: str, events: Sequence[Event]) -> bool:
    """Put the events of a reply of one turn into the cache; return whether it is one."""
    turn: list[Event] = []
    for event in events:
        if isinstance(event, TurnStarted):
            turn = []
        turn.append(event)
        if isinstance(event, TurnEnded):
            break
    whole = bool(turn) and isinstance(turn[0], TurnStarted) and isinstance(turn[-1], TurnEnded)
    if not whole or turn[-1].reason != "stop" or sweep.store is None or not key:  # type: ignore[union-attr]
        return False
    sweep.store.keep_reply(key, tuple((0.0, event) for event in turn))
    return True
