"""The recording of one run: takes its events as they come, and writes it to the journal when it ends."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.events import Event, RunEnded, RunStarted, TextDelta, TurnStarted
from .entry import Entry
from .event_codec import Timed

if TYPE_CHECKING:
    from ..core.conversation import Conversation
    from ..run.spec import RunSpec
    from .journal import Journal


def entry_of(spec: RunSpec, conversation: Conversation, *, notebook: str = "", seconds: float = 0.0) -> Entry:
    """Return what is known of a run before it begins.

    Parameters
    ----------
    spec : RunSpec
        The run.
    conversation : Conversation
        What it goes on.
    notebook : str
        Where it is asked; empty where that is not known.
    seconds : float
        How long it took, where it was asked another way before; 0 to take the time of the run itself.
    """
    prompt = spec.prompt
    if spec.resume:  # the one whose reply was left
        prompt = next((message.said for message in reversed(conversation.messages) if message.role == "user"), "")
    backend, _, endpoint = spec.home.partition(" ")
    return Entry(
        spec.redact.text(prompt),
        notebook=notebook,
        cell=spec.journal_cell,
        thread=conversation.name,
        backend=backend,
        endpoint=endpoint,
        model=spec.model,
        instructions=spec.redact.text(spec.instructions),
        parameters={**spec.parameters, **({"reasoning": spec.reasoning} if spec.reasoning else {})},
        tools=tuple(
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in spec.toolbox.specs
        ),
        shown=tuple(spec.names),
        variant=spec.variant,
        seconds=seconds,
    )


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
        # Two clocks: the wall's says when it was, the monotonic one how long, whatever is done to the wall's meanwhile.
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
        # The text of the last turn that wrote any; what a model says before a call is not its answer.
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
            # A run of a batch or a cluster took its time elsewhere, before it was played here.
            seconds=self._entry.seconds or event.seconds or time.monotonic() - self._clock,
            first_text=self._first_text,
            usage=event.usage,
            cost=event.cost,
            turns=event.turns,
            replayed=event.replayed,
            events=tuple(self._events),
        )
