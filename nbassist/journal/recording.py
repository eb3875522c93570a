"""The recording of one run: takes its events as they come, and writes it to the journal when it ends."""

from __future__ import annotations

import time
from dataclasses import replace

from ..events import Event, RunEnded, RunStarted, TextDelta, TurnStarted
from .codec import Timed
from .entry import Entry
from .journal import Journal


class Recording:
    """One run on its way into the journal.

    Parameters
    ----------
    journal : Journal
        Where it goes.
    entry : Entry
        What is known of it before it begins.
    """

    def __init__(self, journal: Journal, entry: Entry) -> None:
        self._journal = journal
        self._entry = entry
        self._began = time.time()
        self._clock = time.monotonic()
        self._model = entry.model
        self._events: list[Timed] = []
        self._text: list[str] = []
        self._answer = ""
        self._first_text = 0.0

    def take(self, event: Event) -> None:
        """Take the next event; `RunEnded` is the last, and writes the run."""
        seconds = time.monotonic() - self._clock
        self._events.append((seconds, event))
        if isinstance(event, TextDelta):
            self._text.append(event.text)
            self._first_text = self._first_text or seconds
        elif isinstance(event, TurnStarted | RunStarted):
            if isinstance(event, TurnStarted):  # the request has gone out, nothing waits for this kernel now
                self._journal.warm()
            self._close_turn()
            self._model = event.model or self._model
        elif isinstance(event, RunEnded):
            self._close_turn()
            self._journal.add(self._ended(event))

    def _close_turn(self) -> None:
        text = "".join(self._text)
        self._answer = text if text.strip() else self._answer
        self._text = []

    def _ended(self, event: RunEnded) -> Entry:
        return replace(
            self._entry,
            began=self._began,
            model=self._model,
            text=self._answer,
            finish=event.finish,
            detail=event.detail,
            seconds=self._entry.seconds or event.seconds or time.monotonic() - self._clock,
            first_text=self._first_text,
            usage=event.usage,
            cost=event.cost,
            turns=event.turns,
            replayed=event.replayed,
            events=tuple(self._events),
        )
