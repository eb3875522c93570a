"""What of a sweep has to be asked elsewhere, on a cluster or in a batch, and what is known already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..messages import Request
from .onerun import Run
from .pace import Pace
from .runlist import RunList
from .runner import Order, options_of


class Swept(Protocol):
    """A sweep as a cluster sees it; see `nbassist.sweep.Sweep`."""

    order: Order
    pace: Callable[[], Pace]

    @property
    def runs(self) -> RunList: ...
    @property
    def store(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that has to be asked: its first request, and the key of its reply."""

    run: Run
    request: Request
    key: str


def split(sweep: Swept) -> tuple[list[Wanted], list[Run]]:
    """Return the runs that have to be asked, and those that can be taken from the cache."""
    order = sweep.order
    wanted = []
    for run in (run for run in sweep.runs if not run.ok):
        asker: Any = order.asker(run.task.option("profile"))
        wanted.append(Wanted(run, *asker.preview(run.task.prompt, **options_of(run.task, order))))
    store = sweep.store
    keys = [one.key for one in wanted if one.key]
    kept = store.known_replies(keys) if store is not None and keys and order.cache in ("auto", "replay") else set()
    return [one for one in wanted if one.key not in kept], [one.run for one in wanted if one.key in kept]
