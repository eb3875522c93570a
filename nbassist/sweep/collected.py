"""What came another way, by a cluster's worker or in a batch, given as a backend gives it: so it is cached, journaled
and priced as if it had been asked here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

from ..errors import BackendError, ConversationError
from ..events import Event, TurnEnded, TurnStarted
from ..messages import Message, Request


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
