"""A run on a thread that is kept: taken for the run alone, written after each step, given back where nothing came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Protocol

from ..core.conversation import Conversation
from ..core.events import Event, RunEnded, RunStarted, ToolFinished, TurnEnded, TurnStarted, Warned
from ..core.notices import tell_once
from .threads import Hold

_LOOK = 0.2  # seconds between looks whether the thread is free
_WAITING = "another notebook is at work on this thread: waiting for it"
_OFTEN = 10.0  # seconds after which what is being written is kept, too: a kernel may die
_STEPS = (RunStarted, TurnEnded, ToolFinished, RunEnded)


class DrivenRun(Protocol):
    """What drives a run; see `nbassist.run.driver.Driver`."""

    def drive(self) -> Iterator[Event]: ...
    def adrive(self) -> AsyncIterator[Event]: ...


Make = Callable[[Conversation, str, Callable[[Event], None]], DrivenRun]
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
        self._kept = 0.0

    def drive(self) -> Iterator[Event]:
        """Run to the end on this thread; waits for the conversation where another process has it."""
        try:
            if self._hold.take(0):
                yield from self._begin().drive()
                return
            # Told before the run is made, which needs the thread as the other notebook leaves it.
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
                while not await self._look():
                    pass
            async with aclosing(self._begin().adrive()) as events:  # type: ignore[type-var]  # it is a generator
                async for event in events:
                    for one in self._begun(event) if waited else (event,):
                        yield one
        finally:
            self._end()

    async def _look(self) -> bool:
        """Look on a thread whether the conversation is free, for a moment: such a wait can't be cancelled."""
        looking = asyncio.ensure_future(asyncio.to_thread(self._hold.take, _LOOK))
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            await looking  # it may still get the conversation, which is then given back at the end
            raise

    def _begin(self) -> DrivenRun:
        conversation, placing = self._hold.begin()
        return self._make(conversation, placing.note, self._after)

    @staticmethod
    def _begun(event: Event) -> Iterator[Event]:
        """Pass events on after a `RunStarted` that was told already."""
        # The order of events has one `RunStarted`; what its note says is still told.
        if not isinstance(event, RunStarted):
            yield event
        elif event.note:
            yield Warned(event.note)

    def _after(self, event: Event) -> None:
        # With a cursor something runs at the endpoint: on disk, it can be cancelled, or read on, after the kernel died.
        step = isinstance(event, _STEPS) or (isinstance(event, TurnStarted) and bool(event.cursor))
        if not (step or time.monotonic() - self._kept > _OFTEN):
            return
        self._kept = time.monotonic()
        if problem := self._hold.keep():
            tell_once("disk", problem)

    def _end(self) -> None:
        try:
            # Always, and before others may have the thread: a run that broke off leaves it as it should be.
            self._hold.settle()
        finally:
            self._hold.release()
