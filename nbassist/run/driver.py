"""The drivers of a run, sync and async: they do what `run_flow` says, and differ in `await` alone.

What an event, a failure or an interrupt means for the conversation stands once, in the methods that both call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from ..core import interrupts
from ..core.conversation import Conversation
from ..core.event_order import EventOrder, RunState
from ..core.events import (
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
from ..core.messages import Request
from ..core.protocols import Backend, KnowingBackend, Look
from ..errors import BudgetError, ConversationError, NbassistError, RequestRefusedError
from ..tools import Approvals, Ask
from ..tools.citation_marks import Citing
from .background import BackgroundRun
from .endings import Ending
from .flow import CallTools, Outcome, Submit, Tell, run_flow
from .meter import Meter
from .run_lock import running, unchanged
from .spec import RunSpec

T = TypeVar("T")


class Driver:
    """One run: its conversation, its events in order, and what an end of any kind means.

    Parameters
    ----------
    spec : RunSpec
        All that the run is.
    conversation : Conversation
        What it goes on.
    connect : callable
        Gives the backend, when the run begins.
    ready : callable
        Whether `connect` takes no time; where it does, an event loop calls it on a thread.
    note : str
        One line for the view, in place of the one in `spec`.
    listen : callable
        Told each event once, in order, after the conversation has folded it.

    Raises
    ------
    ConversationError
        Where a reply is to be read on that was left at another endpoint.
    """

    def __init__(
        self,
        spec: RunSpec,
        conversation: Conversation,
        connect: Callable[[], Backend],
        *,
        ready: Callable[[], bool] = lambda: False,
        note: str = "",
        listen: Callable[[Event], None] = lambda event: None,
    ) -> None:
        if spec.resume and conversation.left and conversation.home != spec.home:
            raise ConversationError(f"the reply was left at {conversation.home}: choose that endpoint to read it on")
        # Before anything of this run is in the history, which belongs to the endpoint that it goes to.
        conversation.settle(spec.home)
        self._spec = spec
        self._conversation = conversation
        self._connect = connect
        self._ready = ready
        self._note = note or spec.note
        self._listen = listen
        self._parts = spec.parts(conversation)
        # One for the run, so that an answer of "always" lasts as long as it.
        self._approvals = Approvals(None if spec.ask is None else self._redacted(spec.ask), spec.approval)
        self._background = BackgroundRun(conversation, leave=spec.leave, resume=spec.resume)
        self._ending = Ending(conversation, self._background)
        self._flow = run_flow(
            conversation, spec.request(), spec.limits, mistakes=spec.mistakes, window=spec.window(conversation)
        )
        self._order = EventOrder()
        self._citing = Citing(conversation.messages)
        self._model = spec.model
        self._usage = Usage()
        self._paid = Usage()
        self._turns = 0
        self._replaying = self._asked = False
        self._clock = 0.0
        self._meter = Meter(spec.model, spec.price, spec.budget)

    def preview(self) -> Request:
        """Return the first request of the run without asking; the conversation is used up by it, so give a fork."""
        self._conversation.add_user(*self._parts, cell=self._spec.cell)
        step = next(self._flow)
        while isinstance(step, Tell):
            # What a person is told on the way is no request.
            step = self._flow.send(None)
        assert isinstance(step, Submit)
        return step.request

    def drive(self) -> Iterator[Event]:
        """Run to the end on this thread; an interrupt ends it with what came, and is not raised again.

        Raises
        ------
        ConversationError
            Where the conversation is in the middle of another run, such as the one whose tool asks here.
        """
        # Held inside the generator: it is let go when the caller stops reading, not only when the run ends.
        with running(self._conversation):
            yield from self._drive()

    def _drive(self) -> Iterator[Event]:
        started = self._start()
        try:
            yield started  # inside: an interrupt may come while the view takes the first event
            self._ending.backend = backend = self._connect()
            yield from map(self._take, self._background.connected(backend))
            step = next(self._flow)
            while True:
                if isinstance(step, Submit):
                    ended = refused = None
                    try:
                        # The last event of a turn is its `TurnEnded`, by the order of events; without one the stream
                        # was cut.
                        self._ask(backend, step.request)
                        turn = self._background.turn(backend) or backend.stream(step.request)
                        for event in self._spec.redact.turn(turn):
                            self._meter.check()
                            yield self._take(event)
                            for cited in self._citing.after(event):
                                yield self._take(cited)
                            ended = event
                    except RequestRefusedError as error:
                        refused = error
                    # Outside the handler, so that an error which the flow raises does not carry this one as its
                    # context. A refusal goes to the flow, which may shorten the history; any other error ends the run.
                    step = self._flow.throw(refused) if refused else self._flow.send(_turn_end(ended))
                elif isinstance(step, Tell):
                    yield self._take(Warned(step.text))
                    step = self._flow.send(None)
                else:
                    with unchanged(self._conversation):
                        for event in self._spec.toolbox.run(
                            self._spec.redact.calls(step.calls), self._approvals, self._watch
                        ):
                            yield self._take(_with_note(self._spec.redact.event(event), step))
                    step = self._flow.send(None)
        # The flow's return value. It has to be caught here: from a generator it would come out as a RuntimeError (PEP
        # 479).
        except StopIteration as stop:
            outcome: Outcome = stop.value
        except KeyboardInterrupt:
            interrupts.ending()
            outcome = self._ending.interrupted(self._usage)
        except NbassistError as error:
            outcome = self._failed(error)
        # The caller closed the generator, or a tool raised what is no `Exception`: nobody is left to read an event, but
        # the history is made valid, and the endpoint is freed.
        except BaseException:
            self._meter.end(None)
            self._ending.interrupted(self._usage)
            raise
        yield self._end(outcome)

    async def adrive(self) -> AsyncIterator[Event]:
        """Run to the end on this event loop; a cancellation is raised again once the conversation is valid."""
        with running(self._conversation):
            # Left to the garbage collector, it would be closed some time later, and the lock would outlive the run.
            async with aclosing(self._adrive()) as events:
                with interrupts.waking_loop():
                    async for event in events:
                        yield event

    async def _adrive(self) -> AsyncGenerator[Event, None]:
        started = self._start()
        try:
            yield started  # inside: an interrupt may come while the view takes the first event
            self._ending.backend = backend = await self._at_once(self._connect, self._ready())
            for warned in await self._at_once(lambda: self._background.connected(backend), not self._background.asks):
                yield self._take(warned)
            step = next(self._flow)
            while True:
                if isinstance(step, Submit):
                    ended = refused = None
                    try:
                        self._ask(backend, step.request)
                        aturn = self._background.aturn(backend) or backend.astream(step.request)
                        async for event in self._spec.redact.aturn(aturn):
                            self._meter.check()
                            yield self._take(event)
                            for cited in self._citing.after(event):
                                yield self._take(cited)
                            ended = event
                    except RequestRefusedError as error:
                        refused = error
                    step = self._flow.throw(refused) if refused else self._flow.send(_turn_end(ended))
                elif isinstance(step, Tell):
                    yield self._take(Warned(step.text))
                    step = self._flow.send(None)
                else:
                    with unchanged(self._conversation):
                        async for event in self._spec.toolbox.arun(
                            self._spec.redact.calls(step.calls), self._approvals, self._watch
                        ):
                            yield self._take(_with_note(self._spec.redact.event(event), step))
                    step = self._flow.send(None)
        except StopIteration as stop:
            outcome: Outcome = stop.value
        # There is no KeyboardInterrupt here: on an event loop Ctrl-C comes as the cancellation of the task.
        except NbassistError as error:
            outcome = self._failed(error)
        except BaseException:
            self._meter.end(None)
            self._ending.interrupted(self._usage)
            raise
        yield self._end(outcome)

    @staticmethod
    async def _at_once(work: Callable[[], T], quick: bool) -> T:
        """Do what may ask an endpoint: on a thread, so that the loop goes on meanwhile, unless it is `quick`."""
        return work() if quick else await asyncio.to_thread(work)

    def _watch(self, call_id: str, look: Look) -> None:
        """Let a view look at a running tool, at no secret that its end does not show either."""
        self._spec.watch(call_id, lambda: tuple(map(self._spec.redact.bundle, look())))

    def _redacted(self, ask: Ask) -> Ask:
        """Let a person see no secret that the views do not show either."""

        def redacted(asked: ApprovalAsked) -> ApprovalAnswered:
            shown = self._spec.redact.event(asked)
            assert isinstance(shown, ApprovalAsked)
            # The person sees `[NAME]` in place of a secret; in what they edited it becomes the secret again, so that
            # the call works.
            answered = ask(shown)
            if shown == asked or not getattr(answered, "arguments", ""):
                return answered
            return replace(answered, arguments=self._spec.redact.restored(answered.arguments, asked.arguments))

        return redacted

    def _start(self) -> Event:
        self._clock = time.monotonic()
        self._spec.meter(self._meter)
        note = self._background.begin()
        # The prompt is in the history before the first event, with which the thread is written to disk.
        if not note:
            self._conversation.add_user(*self._parts, cell=self._spec.cell)
        return self._take(RunStarted(self._model, note=note or self._note))

    def _take(self, event: Event) -> Event:
        # A listener sees the conversation with the event in it: the one that keeps the thread on disk writes it just
        # then.
        self._order.check(event)
        self._conversation.fold(event)
        self._background.take(event)
        self._meter.take(event)
        if isinstance(event, TurnEnded):
            self._usage += event.usage
            # A turn out of the cache cost nothing, also in a run whose other turns were asked.
            self._paid += Usage() if self._replaying else event.usage
            self._turns += 1
        elif isinstance(event, TurnStarted):
            self._model = event.model or self._model
            self._replaying = event.replayed
            self._asked = self._asked or not event.replayed
        self._listen(event)
        return event

    def _end(self, outcome: Outcome) -> Event:
        outcome = self._ending.of(outcome)
        replayed = self._turns > 0 and not self._asked
        cost = 0.0 if replayed else self._spec.price(self._model, self._paid)
        self._meter.end(cost)
        ended = RunEnded(outcome.finish, outcome.usage, outcome.detail, self._seconds, cost, self._turns, replayed)
        return self._take(replace(ended, writing=self._meter.writing, thoughts=tuple(self._meter.thoughts)))

    def _ask(self, backend: Backend, request: Request) -> None:
        """Take the next request, unless it would pass the budget; what is kept of an earlier run costs nothing."""
        if isinstance(backend, KnowingBackend) and self._spec.budget.limit and backend.knows(request):
            return
        self._meter.ask(request)

    def _failed(self, error: NbassistError) -> Outcome:
        """Keep what came before a failure; where nothing came, it is an error of the cell."""
        # A failure before the endpoint took the request leaves no trace; after that there is a reply, with an end.
        came = self._order.state is not RunState.WAITING
        error.args = (self._spec.redact.text(error.words),)
        if isinstance(error, BudgetError) and came:
            return Outcome("stopped", self._usage, str(error))
        outcome = self._ending.failed(error, self._usage, came=came, model=self._model)
        if outcome is None:
            # For the journal, which has failures, too. The view gets none: the error is what the cell shows.
            self._meter.end(None)
            self._listen(RunEnded("failed", self._usage, str(error), self._seconds))
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
