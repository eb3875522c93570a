"""A run on a thread that is kept: taken for the run alone, written after each step, given back where nothing came."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Protocol

from ..conversation import Conversation
from ..events import Event, RunEnded, RunStarted, ToolFinished, TurnEnded, TurnStarted, Warned
from ..reply import Reply
from .threads import Hold

_LOOK = 0.2  # seconds between looks whether the thread is free
_WAITING = "another notebook is at work on this thread: waiting for it"
_OFTEN = 10.0  # seconds after which what is being written is kept, too: a kernel may die
_STEPS = (RunStarted, TurnEnded, ToolFinished, RunEnded)


class Run(Protocol):
    """What drives a run; see `nbassist.driver.Driver`."""

    def drive(self) -> Iterator[Event]: ...
    def adrive(self) -> AsyncIterator[Event]: ...
    def reply(self) -> Reply: ...


Make = Callable[[Conversation, str, Callable[[Event], None]], Run]
"""Makes the run on a conversation, with a note for the view and what is to be told of each event."""


class KeptRun:
    """One run on a thread of a notebook.

    Parameters
    ----------
    hold : Hold
        The thread.
    make : callable
        Makes the run once the thread is there.
    """

    def __init__(self, hold: Hold, make: Make) -> None:
        self._hold = hold
        self._make = make
        self._run: Run | None = None
        self._kept = 0.0

    def reply(self) -> Reply:
        """Return the reply as it stands."""
        return Reply("", finish="interrupted") if self._run is None else self._run.reply()

    def drive(self) -> Iterator[Event]:
        """Run to the end on this thread; waits for the conversation where another process has it."""
        try:
            if self._hold.take(0):
                yield from self._begin().drive()
                return
            yield from (RunStarted(), Warned(_WAITING))
            while not self._hold.take(_LOOK):
                pass
            for event in self._begin().drive():
                yield from self._begun(event)
        finally:
            self._end()

    async def adrive(self) -> AsyncIterator[Event]:
        """As `drive`, on the running event loop."""
        try:
            waited = not self._hold.take(0)
            if waited:
                yield RunStarted()
                yield Warned(_WAITING)
                while not await asyncio.to_thread(self._hold.take, _LOOK):
                    pass
            async with aclosing(self._begin().adrive()) as events:  # type: ignore[type-var]  # it is a generator
                async for event in events:
                    for one in self._begun(event) if waited else (event,):
                        yield one
        finally:
            self._end()

    def _begin(self) -> Run:
        conversation, placing = self._hold.begin()
        self._run = self._make(conversation, placing.note, self._after)
        return self._run

    @staticmethod
    def _begun(event: Event) -> Iterator[Event]:
        """Pass events on after a `RunStarted` that was told already."""
        if not isinstance(event, RunStarted):
            yield event
        elif event.note:
            yield Warned(event.note)

    def _after(self, event: Event) -> None:
        step = isinstance(event, _STEPS) or (isinstance(event, TurnStarted) and bool(event.cursor))
        if not (step or time.monotonic() - self._kept > _OFTEN):
            return
        self._kept = time.monotonic()
        if problem := self._hold.keep():
            warnings.warn(problem, RuntimeWarning, stacklevel=2)

    def _end(self) -> None:
        try:
            self._hold.settle()
        finally:
            self._hold.release()
