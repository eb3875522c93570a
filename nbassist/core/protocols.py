"""The two sides of a run, as it sees them: the backend that it asks, and the view that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from .events import Event, MimeBundle
from .messages import Message, Request


class Backend(Protocol):
    """A protocol at an endpoint, whatever the wire.

    Attributes
    ----------
    name : str
        The protocol: "assistants", "responses", "chat", or that of a package which adds one.
    """

    name: str

    def stream(self, request: Request) -> Iterator[Event]:
        """Yield the events of one turn, `TurnStarted` first and `TurnEnded` last, also where the stream is cut."""
        ...

    def astream(self, request: Request) -> AsyncIterator[Event]:
        """As `stream`, on an event loop."""
        ...

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str] | None:
        """Stop what `cursor` says is running; return the cursor that is left, None where that does not change."""
        ...

    def models(self) -> list[str]:
        """Return the names of the endpoint's models; empty where it does not say."""
        ...

    def window(self, model: str) -> int:
        """Return the tokens of a model's context; 0 where the endpoint does not say."""
        ...

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Return the messages of a thread that the endpoint holds, oldest first, and the cursor to go on from."""
        ...


@runtime_checkable
class BackgroundBackend(Protocol):
    """A backend whose turns go on without their stream; `cursor` is that of `TurnStarted`."""

    def read_on(self, cursor: Mapping[str, str]) -> Iterator[Event]:
        """Yield the events of the turn from its first."""
        ...

    def aread_on(self, cursor: Mapping[str, str]) -> AsyncIterator[Event]:
        """As `read_on`, on an event loop."""
        ...


@runtime_checkable
class KnowingBackend(Protocol):
    """A backend that gives kept replies again."""

    def knows(self, request: Request) -> bool:
        """Whether the reply to `request` is kept, so that it costs nothing."""
        ...


class View(Protocol):
    """Shows a run: takes each of its events once, in order, `RunEnded` last."""

    def apply(self, event: Event) -> None:
        """Show one event."""
        ...


Look: TypeAlias = Callable[[], tuple[MimeBundle, ...]]
"""Gives what a running tool has printed and displayed so far, in order; may be called from any thread."""


@runtime_checkable
class ProgressView(Protocol):
    """A view that shows what a tool shows while it runs.

    It is no event: nothing of it is kept, and the `ToolFinished` of the call says all of it once more.
    """

    def tool_running(self, call_id: str, look: Look) -> None:
        """Take that a call runs now; `look` is asked as often as the view likes, until the call's `ToolFinished`."""
        ...


class Metered(Protocol):
    """What a run takes while it goes on; see `nbassist.run.meter.Meter`."""

    @property
    def rate(self) -> float:
        """Tokens a second, about; 0 where that can't be said yet."""
        ...

    @property
    def cost(self) -> float | None:
        """US dollars so far, about; None where a price is not known."""
        ...

    @property
    def thoughts(self) -> list[float]:
        """Seconds of each stretch of reasoning that has ended."""
        ...


@runtime_checkable
class MeterView(Protocol):
    """A view that shows what a run takes while it goes on."""

    def metered(self, meter: Metered) -> None:
        """Take the meter of the run, which may be read at any time, on any thread."""
        ...
