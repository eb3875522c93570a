"""The drivers of a run, sync and async: they do what `run_flow` says, and differ in `await` alone.

What an event, a failure or an interrupt means for the conversation stands once, in the methods that both call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from .backends import Backend
from .busy import running, unchanged
from .conversation import Conversation
from .ending import Ending
from .errors import NbassistError, RequestRefusedError
from .events import (
    ApprovalAnswered,
    ApprovalAsked,
    Event,
    RunEnded,
    RunStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
    Warned,
)
from .leaving import Leaving
from .messages import OutputSchema, Part, Request, Text
from .order import Order, State
from .redact import Redactor
from .reply import Recorder, Reply
from .run import CallTools, Limits, Outcome, Submit, Tell, run_flow
from .tools import Approvals, Ask, Toolbox

T = TypeVar("T")


class Driver:
    """One run: its conversation, its events in order, and what an end of any kind means."""

    def __init__(
        self,
        prompt: str,
        *,
        conversation: Conversation,
        backend: Callable[[], Backend],
        ready: Callable[[], bool] = lambda: False,
        toolbox: Toolbox,
        limits: Limits,
        model: str,
        instructions: str,
        parameters: Mapping[str, Any],
        reasoning: str = "",
        output: OutputSchema | None = None,
        context: Sequence[Part] = (),
        attachments: Sequence[Part] = (),
        read: Callable[[str], Any] | None = None,
        window: int = 0,
        note: str = "",
        price: Callable[[str, Usage], float | None] = lambda model, usage: None,
        ask: Ask | None = None,
        approval: str = "ask",
        strict: bool = False,
        cell: str = "",
        leave: bool = False,
        resume: bool = False,
        redact: Redactor | None = None,
        after: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._redact = Redactor() if redact is None else redact
        self._approvals = Approvals(None if ask is None else self._redacted(ask), approval)
        self._prompt = tuple(map(self._redacted_part, (*context, Text(prompt), *attachments)))
        self._read = read
        self._note = note
        self._cell = cell
        self._leaving = Leaving(conversation, leave=leave or resume, resume=resume)
        self._ending = Ending(conversation, self._leaving)
        self._after = after
        self._price = price
        self._conversation = conversation
        self._connect = backend
        self._ready = ready
        self._toolbox = toolbox
        self._model = model
        self._flow = run_flow(
            conversation,
            tools=toolbox.strict_specs if strict else toolbox.specs,
            limits=limits,
            model=model,
            instructions=instructions,
            parameters=parameters,
            reasoning=reasoning,
            output=output,
            mistakes=self._mistakes,
            window=window,
        )
        self._order = Order()
        self._recorder = Recorder()
        self._usage = Usage()
        self._paid = Usage()
        self._turns = 0
        self._replaying = self._asked = False
        self._clock = 0.0

    def preview(self) -> Request:
        """Return the first request of the run without asking; the conversation is used up by it, so give a fork."""
        self._conversation.add_user(*self._prompt, cell=self._cell)
        step = next(self._flow)
        while isinstance(step, Tell):
            step = self._flow.send(None)
        assert isinstance(step, Submit)
        return step.request

    def reply(self) -> Reply:
        """Return the reply as it stands; whole once the run has ended."""
        reply = self._recorder.reply()
        if self._read is None or reply.finish != "completed":
            return reply
        return replace(reply, value=self._read(reply.text))

    def _mistakes(self, text: str) -> str:
        try:
            if self._read is not None:
                self._read(text)
        except ValueError as error:
            return str(error)
        return ""

    def _redacted_part(self, part: Part) -> Part:
        return replace(part, text=self._redact.text(part.text)) if isinstance(part, Text) else part

    def drive(self) -> Iterator[Event]:
        """Run to the end on this thread; an interrupt ends it with what came, and is not raised again.

        Raises
        ------
        ConversationError
            Where the conversation is in the middle of another run, such as the one whose tool asks here.
        """
        with running(self._conversation):
            yield from self._drive()

    def _drive(self) -> Iterator[Event]:
        started = self._start()
        try:
            yield started  # inside: an interrupt may come while the view takes the first event
            self._ending.backend = backend = self._connect()
            yield from map(self._take, self._leaving.connected(backend))
            step = next(self._flow)
            while True:
                if isinstance(step, Submit):
                    ended = refused = None
                    try:
                        for event in self._leaving.turn(backend) or backend.stream(step.request):
                            yield self._take(event)
                            ended = event
                    except RequestRefusedError as error:
                        refused = error
                    step = self._flow.throw(refused) if refused else self._flow.send(_turn_end(ended))
                elif isinstance(step, Tell):
                    yield self._take(Warned(step.text))
                    step = self._flow.send(None)
                else:
                    with unchanged(self._conversation):
                        for event in self._toolbox.run(step.calls, self._approvals):
                            yield self._take(_with_note(self._redact.event(event), step))
                    step = self._flow.send(None)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        except KeyboardInterrupt:
            outcome = self._ending.interrupted(self._usage)
        except NbassistError as error:
            outcome = self._failed(error)
        except BaseException:
            self._ending.interrupted(self._usage)
            raise
        yield self._end(outcome)

    async def adrive(self) -> AsyncIterator[Event]:
        """Run to the end on this event loop; a cancellation is raised again once the conversation is valid."""
        with running(self._conversation):
            async with aclosing(self._adrive()) as events:
                async for event in events:
                    yield event

    async def _adrive(self) -> AsyncGenerator[Event, None]:
        started = self._start()
        try:
            yield started  # inside: an interrupt may come while the view takes the first event
            self._ending.backend = backend = await self._at_once(self._connect, self._ready())
            for warned in await self._at_once(lambda: self._leaving.connected(backend), not self._leaving.asks):
                yield self._take(warned)
            step = next(self._flow)
            while True:
                if isinstance(step, Submit):
                    ended = refused = None
                    try:
                        async for event in self._leaving.aturn(backend) or backend.astream(step.request):
                            yield self._take(event)
                            ended = event
                    except RequestRefusedError as error:
                        refused = error
                    step = self._flow.throw(refused) if refused else self._flow.send(_turn_end(ended))
                elif isinstance(step, Tell):
                    yield self._take(Warned(step.text))
                    step = self._flow.send(None)
                else:
                    with unchanged(self._conversation):
                        async for event in self._toolbox.arun(step.calls, self._approvals):
                            yield self._take(_with_note(self._redact.event(event), step))
                    step = self._flow.send(None)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        except NbassistError as error:
            outcome = self._failed(error)
        except BaseException:
            self._ending.interrupted(self._usage)
            raise
        yield self._end(outcome)

    @staticmethod
    async def _at_once(work: Callable[[], T], quick: bool) -> T:
        """Do what may ask an endpoint: on a thread, so that the loop goes on meanwhile, unless it is `quick`."""
        return work() if quick else await asyncio.to_thread(work)

    def _redacted(self, ask: Ask) -> Ask:
        """Let a person see no secret that the views do not show either."""

        def redacted(asked: ApprovalAsked) -> ApprovalAnswered:
            shown = self._redact.event(asked)
            assert isinstance(shown, ApprovalAsked)
            answered = ask(shown)
            if shown == asked or not getattr(answered, "arguments", ""):
                return answered
            return replace(answered, arguments=self._redact.restored(answered.arguments, asked.arguments))

        return redacted

    def _start(self) -> Event:
        self._clock = time.monotonic()
        note = self._leaving.begin()
        if not note:
            self._conversation.add_user(*self._prompt, cell=self._cell)
        return self._take(RunStarted(self._model, note=note or self._note))

    def _take(self, event: Event) -> Event:
        self._order.check(event)
        self._conversation.fold(event)
        self._leaving.take(event)
        self._recorder.add(event)
        if isinstance(event, TurnEnded):
            self._usage += event.usage
            self._paid += Usage() if self._replaying else event.usage
            self._turns += 1
        elif isinstance(event, TurnStarted):
            self._model = event.model or self._model
            self._replaying = event.replayed
            self._asked = self._asked or not event.replayed
        self._after(event)
        return event

    def _end(self, outcome: Outcome) -> Event:
        outcome = self._ending.of(outcome)
        replayed = self._turns > 0 and not self._asked
        cost = 0.0 if replayed else self._price(self._model, self._paid)
        return self._take(
            RunEnded(outcome.finish, outcome.usage, outcome.detail, self._seconds, cost, self._turns, replayed)
        )

    def _failed(self, error: NbassistError) -> Outcome:
        """Keep what came before a failure; where nothing came, it is an error of the cell."""
        came = self._order.state is not State.WAITING
        outcome = self._ending.failed(error, self._usage, came=came, model=self._model)
        if outcome is None:
            self._after(RunEnded("failed", self._usage, str(error), self._seconds))
            raise error
        return outcome

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._clock


def _turn_end(event: Event | None) -> TurnEnded:
    return event if isinstance(event, TurnEnded) else TurnEnded("cut", detail="the stream was cut")


def _with_note(event: Event, step: CallTools) -> Event:
    if isinstance(event, ToolFinished) and (note := step.notes.get(event.call_id)):
        return replace(event, output=f"{event.output}\n\n{note}")
    return event
