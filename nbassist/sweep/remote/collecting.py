"""What of a sweep is asked elsewhere, on a cluster or in a batch, and what came of it, given as a backend gives it.

So it is cached, journaled and priced as if it had been asked here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...core.events import Event, TurnEnded, TurnStarted
from ...core.messages import Message, Request
from ...errors import BackendError, ConversationError
from ..rate_limiter import Pace
from ..run_list import RunList, SweepRun
from ..runner import SweepSpec, options_of


class Swept(Protocol):
    """A sweep as a cluster sees it; see `nbassist.sweep.Sweep`."""

    order: SweepSpec
    pace: Callable[[], Pace]

    @property
    def runs(self) -> RunList: ...
    @property
    def store(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that has to be asked: its first request, and the key of its reply."""

    run: SweepRun
    request: Request
    key: str


def split(sweep: Swept) -> tuple[list[Wanted], list[SweepRun]]:
    """Return the runs that have to be asked, and those that can be taken from the cache."""
    order = sweep.order
    wanted = []
    for run in (run for run in sweep.runs if not run.ok):
        asker: Any = order.asker(run.task.option("profile"))
        wanted.append(Wanted(run, *asker.preview(run.task.prompt, **options_of(run.task, order))))
    store = sweep.store
    # All keys in one look: a journal of a hundred thousand replies is asked once.
    keys = [one.key for one in wanted if one.key]
    kept = store.known_replies(keys) if store is not None and keys and order.cache in ("auto", "replay") else set()
    return [one for one in wanted if one.key not in kept], [one.run for one in wanted if one.key in kept]


class Collected:
    """A backend that has the answers already.

    Parameters
    ----------
    answer : callable
        Takes a request; gives the events of its turn, or in one line why there is none.
    """

    name = "collected"

    def __init__(self, answer: Callable[[Request], Sequence[Event] | str]) -> None:
        self._answer = answer

    def stream(self, request: Request) -> Iterator[Event]:
        """Yield the events of the turn.

        Raises
        ------
        BackendError
            Where there is none.
        """
        found = self._answer(request)
        if isinstance(found, str):
            raise BackendError(found)
        yield from found

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        """As `stream`, on an event loop."""
        for event in self.stream(request):
            yield event

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]:
        """Do nothing: nothing runs."""
        return {}

    def models(self) -> list[str]:
        """Return nothing: no endpoint is asked."""
        return []

    def window(self, model: str) -> int:
        """Return 0: what was sent did fit."""
        return 0

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Raise ConversationError: no thread is here."""
        raise ConversationError(f"there is no thread {held} among what was collected")


def turns_of(events: Sequence[Event]) -> list[list[Event]]:
    """Return the turns of a run, each from its start to its end."""
    turns: list[list[Event]] = []
    within = False
    for event in events:
        if isinstance(event, TurnStarted):
            turns.append([])
            within = True
        if within:
            turns[-1].append(event)
        within = within and not isinstance(event, TurnEnded)
    return turns
