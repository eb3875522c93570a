"""What a run leaves in the hands of the person: the answer, the calls, how it ended, and what it took."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from .core.events import (
    CitationAdded,
    Event,
    Finish,
    MimeBundle,
    ReasoningDelta,
    RefusalDelta,
    RunEnded,
    RunStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
)
from .core.interrupts import Interrupts
from .core.protocols import View

# As CommonMark has it: up to three spaces of indent, and the closing fence alone on its line.
_FENCE = re.compile(r"^ {0,3}```[ \t]*([\w+-]*)[^\n]*\n(.*?)^ {0,3}```[ \t]*$", re.DOTALL | re.MULTILINE)
_PYTHON = ("", "python", "python3", "py", "ipython")
_Joined: TypeAlias = TextDelta | RefusalDelta | ReasoningDelta | ToolArgumentsDelta


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One call of a tool in a run.

    Parameters
    ----------
    name : str
        The tool.
    arguments : dict or str
        As the model wrote them; the text itself where it is no JSON object.
    output : str
        What the model was told.
    error : str, optional
        One line for the person; None where the tool returned.
    seconds : float
        How long it ran.
    """

    name: str
    arguments: dict[str, Any] | str
    output: str = ""
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Reply:
    """The answer to one prompt.

    Parameters
    ----------
    text : str
        The answer, markdown: the text of the last turn that wrote any; empty where none did.
    tool_calls : tuple of ToolRun
        In the order in which the model made them; those that were not run have an error.
    finish : {"completed", "incomplete", "interrupted", "failed", "stopped"}
        How the run ended.
    usage : Usage
        Tokens of all turns; `usage.known` is False where the endpoint gave none.
    turn_usage : tuple of Usage
        Of each turn that ended, in order; one that is not `known` is of an endpoint that gives none, or all at the end
        of the run.
    detail : str
        One line about an end that is not completed; empty otherwise.
    model : str
        The model that answered, as the endpoint names it; empty where it does not say.
    seconds : float
        From the prompt to the end.
    cost : float, optional
        US dollars; None where the price or the usage is not known.
    turns : int
        Requests to the model.
    value : object
        What the answer was read into, where a shape was asked for; None otherwise, and where the reply has not got it.
    events : tuple of Event
        All that happened, neighbouring deltas joined: what the displays are made from.
    """

    text: str
    tool_calls: tuple[ToolRun, ...] = ()
    finish: Finish = "completed"
    usage: Usage = Usage()
    detail: str = ""
    model: str = ""
    seconds: float = 0.0
    cost: float | None = None
    turns: int = 0
    value: Any = None
    turn_usage: tuple[Usage, ...] = ()
    events: tuple[Event, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.text

    @property
    def code(self) -> str:
        """The Python code of the answer: its fenced blocks, joined; empty where there is none."""
        found = [code for language, code in _FENCE.findall(self.text) if language.lower() in _PYTHON]
        return "\n\n".join(block.strip("\n") for block in found)

    @property
    def files(self) -> dict[str, bytes]:
        """The files that a service's code interpreter wrote, by name; one of over 1 MiB stays at the endpoint."""
        return {e.title: e.data for e in self.events if isinstance(e, CitationAdded) and e.data}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        """Show the reply as the cell showed it when it ended."""
        from .display.static.reply import bundle

        return bundle(self.events)


class Recorder:
    """Keep the events of one run, and make the `Reply` from them."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._pieces: list[str] = []

    def add(self, event: Event) -> None:
        """Take the next event; the pieces of a text are joined when something else comes."""
        # Adding each piece to the text so far would copy the whole reply for each of its tokens.
        last = self._events[-1] if self._events else None
        if isinstance(event, _Joined) and _continues(last, event):
            self._pieces.append(event.text)
            return
        self._join()
        self._events.append(event)
        if isinstance(event, _Joined):
            self._pieces = [event.text]

    def events(self) -> tuple[Event, ...]:
        """Return what came so far, in order."""
        self._join()
        return tuple(self._events)

    def reply(self) -> Reply:
        """Return the reply as it stands; whole once `RunEnded` came."""
        events = self.events()
        # A stream that was closed from outside has no end of its own.
        ended = next((e for e in reversed(events) if isinstance(e, RunEnded)), RunEnded("interrupted"))
        # The latest: an endpoint may name it only in a later turn, and a router may change it between two.
        models = [e.model for e in events if isinstance(e, RunStarted | TurnStarted) and e.model]
        return Reply(
            text=_answer(events),
            tool_calls=tuple(_tool_runs(events)),
            finish=ended.finish,
            usage=ended.usage,
            detail=ended.detail,
            model=models[-1] if models else "",
            seconds=ended.seconds,
            cost=ended.cost,
            turns=ended.turns,
            turn_usage=tuple(event.usage for event in events if isinstance(event, TurnEnded)),
            events=events,
        )

    def _join(self) -> None:
        if len(self._pieces) > 1:
            last = self._events[-1]
            assert isinstance(last, _Joined)
            self._events[-1] = replace(last, text="".join(self._pieces))
        self._pieces = []


class Drivable(Protocol):
    """A run that can be driven to its end, sync or async."""

    def drive(self) -> Iterator[Event]: ...
    def adrive(self) -> AsyncIterator[Event]: ...


class Spec(Protocol):
    """What a run was asked; see `nbassist.run.spec.RunSpec`."""

    @property
    def shape(self) -> Any: ...


@dataclass(frozen=True)
class RecordedRun:
    """A run and what is kept of its events: shown in a view while it goes on, a `Reply` when it has ended."""

    run: Drivable
    recorder: Recorder
    spec: Spec
    view: View | None = None

    def to_reply(self) -> Reply:
        """Run to the end on this thread, and return what came."""
        with Interrupts():
            return self._to_reply()

    def _to_reply(self) -> Reply:
        events = self.run.drive()
        event = next(events, None)
        while event is not None:
            try:
                if self.view is not None:
                    self.view.apply(event)
                event = next(events, None)
            except KeyboardInterrupt:
                # It came while the view was at work; the run has to hear of it all the same.
                event = _throw_into(events)
        return self._reply()

    async def to_reply_async(self) -> Reply:
        """As `to_reply`, on the running event loop."""
        async for event in self.run.adrive():
            if self.view is not None:
                self.view.apply(event)
        return self._reply()

    def _reply(self) -> Reply:
        reply = self.recorder.reply()
        # A reply that broke off may still be read, and into the wrong thing: a list cut after its first entry is no
        # answer.
        if self.spec.shape is None or reply.finish != "completed":
            return reply
        return replace(reply, value=self.spec.shape.read(reply.text))


def _throw_into(events: Iterator[Event]) -> Event | None:
    try:
        event: Event = events.throw(KeyboardInterrupt())  # type: ignore[attr-defined]  # it is a generator
    except StopIteration:
        return None
    return event


def _continues(last: Event | None, event: _Joined) -> bool:
    if type(last) is not type(event):
        return False
    return not isinstance(event, ToolArgumentsDelta) or getattr(last, "call_id", "") == event.call_id


def _answer(events: tuple[Event, ...]) -> str:
    # Text in a turn that calls tools is what the model says on the way; the answer is the last that says anything.
    turns = [""]
    for event in events:
        if isinstance(event, TurnStarted):
            turns.append("")
        elif isinstance(event, TextDelta):
            turns[-1] += event.text
    return next((text for text in reversed(turns) if text.strip()), "")


def _tool_runs(events: tuple[Event, ...]) -> Iterator[ToolRun]:
    calls: dict[str, ToolRun] = {}
    for event in events:
        if isinstance(event, ToolCallReady):
            if event.call_id in calls:  # an id that an endpoint gives again in a later turn
                yield calls.pop(event.call_id)
            calls[event.call_id] = ToolRun(event.name, _arguments(event.arguments), error="not run")
        elif isinstance(event, ToolFinished):
            run = calls[event.call_id]
            calls[event.call_id] = replace(run, output=event.output, error=event.error, seconds=event.seconds)
    yield from calls.values()


def _arguments(source: str) -> dict[str, Any] | str:
    try:
        value = json.loads(source or "{}")
    except (ValueError, RecursionError):
        return source
    return value if isinstance(value, dict) else source
