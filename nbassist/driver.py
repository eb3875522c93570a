"""The drivers of a run, sync and async: they do what `run_flow` says, and differ in `await` alone.

What an event, a failure or an interrupt means for the conversation stands once, in the methods that both call.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from .backends import Backend
from .conversation import Conversation
from .errors import BackendError, ConversationError, NbassistError, RequestRefusedError
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
from .unknownmodel import hint

_INTERRUPTED = "interrupted by the person before it finished"


class Driver:
    """One run: its conversation, its events in order, and what an end of any kind means."""

    def __init__(
        self,
        prompt: str,
        *,
        conversation: Conversation,
        backend: Callable[[], Backend],
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
        after: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._redact = Redactor()
        self._approvals = Approvals(None if ask is None else self._redacted(ask), approval)
        self._prompt = tuple(map(self._redacted_part, (*context, Text(prompt), *attachments)))
        self._read = read
        self._note = note
        self._cell = cell
        self._leaving = Leaving(conversation, leave=leave or resume, resume=resume)
        self._after = after
        self._price = price
        self._conversation = conversation
        self._connect = backend
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
        self._backend: Backend | None = None

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
        with _running(self._conversation):
            yield from self._drive()

    def _drive(self) -> Iterator[Event]:
        started = self._start()
        try:
            yield started  # inside: an interrupt may come while the view takes the first event
            self._backend = backend = self._connect()
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
                    with _unchanged(self._conversation):
                        for event in self._toolbox.run(step.calls, self._approvals):
                            yield self._take(_with_note(self._redact.event(event), step))
                    step = self._flow.send(None)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        except KeyboardInterrupt:
            outcome = self._interrupted()
        except NbassistError as error:
            outcome = self._failed(error)
        except BaseException:
            self._interrupted()
            raise
        yield self._end(outcome)

    async def adrive(self) -> AsyncIterator[Event]:
        """Run to the end on this event loop; a cancellation is raised again once the conversation is valid."""
        with _running(self._conversation):
            async with aclosing(self._adrive()) as events:
                async for event in events:
                    yield event

    async def _adrive(self) -> AsyncGenerator[Event, None]:
        started = self._start()
        try:
            yield started  # inside: an interrupt may come while the view takes the first event
            self._backend = backend = await asyncio.to_thread(self._connect)
            for warned in await asyncio.to_thread(self._leaving.connected, backend):
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
                    with _unchanged(self._conversation):
                        async for event in self._toolbox.arun(step.calls, self._approvals):
                            yield self._take(_with_note(self._redact.event(event), step))
                    step = self._flow.send(None)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        except NbassistError as error:
            outcome = self._failed(error)
        except BaseException:
            self._interrupted()
            raise
        yield self._end(outcome)

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
        if outcome.finish == "stopped":
            self._stop_at_endpoint(self._conversation.cursor)
            self._conversation.repair("not run: " + outcome.detail)
        outcome = self._leaving.told(outcome)
        seconds = time.monotonic() - self._clock
        replayed = self._turns > 0 and not self._asked
        cost = 0.0 if replayed else self._price(self._model, self._paid)
        return self._take(RunEnded(outcome.finish, outcome.usage, outcome.detail, seconds, cost, self._turns, replayed))

    def _interrupted(self) -> Outcome:
        """Leave a history that can be gone on from, and the endpoint free; more interrupts do no harm."""
        conversation = self._conversation
        running = conversation.active or conversation.cursor
        wrote = conversation.repair(_INTERRUPTED)
        if self._leaving.is_left():
            return Outcome("interrupted", self._usage)
        dropped = not wrote and conversation.drop_prompt()
        try:
            self._stop_at_endpoint(running, forget=dropped)
        except KeyboardInterrupt:
            conversation.keep_cursor({})
        detail = "before anything came: the prompt is taken back" if dropped else ""
        return Outcome("interrupted", self._usage, detail)

    def _stop_at_endpoint(self, cursor: Mapping[str, str], *, forget: bool = False) -> None:
        if self._backend is None or not (cursor.get("run_id") or forget):
            return
        try:
            left = self._backend.cancel(cursor, forget=forget)
            if left is not None:
                self._conversation.keep_cursor(left)
        except NbassistError:
            # The endpoint can't be asked: its copy of the thread is no longer to be trusted.
            self._conversation.keep_cursor({})

    def _failed(self, error: NbassistError) -> Outcome:
        """Keep what came before a failure; where nothing came, it is an error of the cell."""
        running = self._conversation.active or self._conversation.cursor
        wrote = self._conversation.repair(f"not run: {error}")
        left = self._leaving.is_left(error)
        if self._order.state is State.WAITING or not (wrote or len(self._recorder.events()) > 1):
            if not left:
                self._conversation.drop_prompt()
            if isinstance(error, RequestRefusedError):
                error.args = (str(error) + hint(error, self._backend, self._model),)
            self._after(RunEnded("failed", self._usage, str(error), time.monotonic() - self._clock))
            raise error
        if isinstance(error, BackendError | ConversationError) and not left:
            self._stop_at_endpoint(running)
        return Outcome("failed", self._usage, str(error))


_busy: WeakSet[Conversation] = WeakSet()
_busy_lock = threading.Lock()


@contextmanager
def _running(conversation: Conversation) -> Iterator[None]:
    """Hold a conversation for one run: a prompt in the middle of another's turn would tear its history."""
    with _busy_lock:
        if conversation in _busy:
            named = f"the thread {conversation.name!r}" if conversation.name else "this conversation"
            raise ConversationError(f"{named} is in the middle of a run: ask in another one, or when it has ended")
        _busy.add(conversation)
    try:
        yield
    finally:
        _busy.discard(conversation)


@contextmanager
def _unchanged(conversation: Conversation) -> Iterator[None]:
    """Refuse what a tool does to the history that its own run goes on from."""
    before = list(conversation.messages)
    yield
    after = conversation.messages
    if len(after) < len(before) or any(was is not now for was, now in zip(before, after, strict=False)):
        raise ConversationError("a tool changed this conversation while it ran: it can't go on from there")


def _turn_end(event: Event | None) -> TurnEnded:
    return event if isinstance(event, TurnEnded) else TurnEnded("cut", detail="the stream was cut")


def _with_note(event: Event, step: CallTools) -> Event:
    if isinstance(event, ToolFinished) and (note := step.notes.get(event.call_id)):
        return replace(event, output=f"{event.output}\n\n{note}")
    return event
