"""A run as it is about to begin: what the assistant says of all prompts, and what is said of this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from .asking import Prepared, Tools
from .backends import Backend
from .backends.abilities import is_hosted
from .conversation import Conversation
from .driver import Driver
from .errors import ConversationError, SettingsError
from .events import Event, Usage
from .journal import Entry, Journal, Recording
from .journal.cache import CachedBackend, CacheMode, Store, check_mode
from .messages import Request
from .prices import dollars
from .redact import Redactor
from .run import Limits
from .settings import Settings
from .threads import Threads
from .tools import Ask, Toolbox, asker, current
from .window import tokens_of

_LONG = 1_000
"""Tokens of a thread that fits into every context window."""


class View(Protocol):
    """Shows a run: takes each of its events once, in order, `RunEnded` last."""

    def apply(self, event: Event) -> None: ...


class Standing(Protocol):
    """What holds for all prompts; see `nbassist.Assistant`, whose attributes these are."""

    settings: Settings
    instructions: str
    tools: Tools | None
    limits: Limits
    ask_person: Ask | None
    approval: str
    parameters: dict[str, Any]
    window: int
    threads: Threads
    journal: Journal | None
    replies: Store | None
    cache: str
    timed: bool
    batch: bool
    took: float

    @property
    def backend(self) -> Backend: ...
    @property
    def connected(self) -> bool: ...
    def known_window(self, model: str) -> int: ...


def nothing(event: Event) -> None:
    """Do nothing with an event."""


@dataclass(frozen=True)
class Launch:
    """One prompt at one assistant; `driver` makes the run on a conversation."""

    standing: Standing
    prepared: Prepared
    view: View | None
    resume: bool = False
    """Whether it reads on a reply that was left, in place of a prompt."""

    def driver(self, conversation: Conversation, note: str = "", after: Callable[[Event], None] = nothing) -> Driver:
        """Return the run on `conversation`; `after` is told of each of its events."""
        standing, prepared, asking = self.standing, self.prepared, self.prepared.asking
        if self.resume and conversation.left and conversation.home != self._where:
            raise ConversationError(f"the reply was left at {conversation.home}: choose that endpoint to read it on")
        conversation.settle(self._where)
        return Driver(
            prepared.prompt,
            conversation=conversation,
            backend=self._backend,
            ready=lambda: standing.connected or self._cache_mode != "off",
            redact=self._redact,
            toolbox=self._toolbox,
            limits=standing.limits,
            model=self._model,
            instructions=prepared.instructions(self._instructions),
            parameters=self._parameters,
            reasoning=asking.reasoning,
            output=prepared.output(with_tools=bool(self._toolbox.tools), hosted=self._hosted),
            context=prepared.context(conversation),
            attachments=prepared.attachments,
            read=prepared.shape.read if prepared.shape else None,
            window=self._window(conversation),
            note=note,
            cell=asking.cell,
            leave=asking.leave,
            resume=self.resume,
            after=self._journaled(after, conversation),
            price=self._price,
            ask=asking.ask or standing.ask_person or asker(self.view),
            approval=asking.approval or standing.approval,
            strict=self._hosted,
        )

    @cached_property
    def _toolbox(self) -> Toolbox:
        tools = self.standing.tools if self.prepared.asking.tools is None else self.prepared.asking.tools
        if tools is None:
            tools = current().values()
        return tools if isinstance(tools, Toolbox) else Toolbox(tools)

    @cached_property
    def _redact(self) -> Redactor:
        return Redactor()

    @property
    def _model(self) -> str:
        return self.prepared.asking.model or self.standing.settings.model

    @property
    def _instructions(self) -> str:
        own = self.prepared.asking.instructions
        return self.standing.instructions if own is None else own

    @property
    def _parameters(self) -> Mapping[str, Any]:
        background = {"background": True} if self._may_be_left else {}
        return {**self.standing.parameters, **(self.prepared.asking.parameters or {}), **background}

    @property
    def _may_be_left(self) -> bool:
        return self.resume or self.prepared.asking.leave

    @property
    def _hosted(self) -> bool:
        return is_hosted(self.standing.settings.base_url)

    @staticmethod
    def where(settings: Settings) -> str:
        """Return what tells one endpoint from another."""
        return f"{settings.backend} {settings.base_url or 'local'}"

    @property
    def _where(self) -> str:
        return self.where(self.standing.settings)

    def _window(self, conversation: Conversation) -> int:
        """The tokens of the model's context: as set, else as the endpoint says, which only a long thread asks for."""
        if self.standing.window or self._hosted or tokens_of(conversation.messages) < _LONG:
            return self.standing.window
        if check_mode(self.prepared.asking.cache or self.standing.cache) == "replay":
            return 0
        return self.standing.known_window(self._model)

    def _backend(self) -> Backend:
        """The endpoint, behind the replies that are kept where they are to be used; asked for when the run begins."""
        mode = self._cache_mode
        return self.standing.backend if mode == "off" or self.store is None else self._cached(self.store, mode)

    @property
    def _cache_mode(self) -> CacheMode:
        mode = check_mode(self.prepared.asking.cache or self.standing.cache)
        return "off" if self.store is None or (self._may_be_left and mode != "replay") else mode

    @property
    def store(self) -> Store | None:
        """Where replies are kept; None for nowhere."""
        return self.standing.journal if self.standing.replies is None else self.standing.replies

    def preview(self, conversation: Conversation) -> tuple[Request, str]:
        """Return the first request on `conversation`, which it uses up, and the key of its reply; empty for none."""
        request = self.driver(conversation).preview()
        return request, self._cached(self.store, "auto").key(request) if self.store else ""

    def _cached(self, store: Store, mode: CacheMode) -> CachedBackend:
        standing, asking = self.standing, self.prepared.asking
        return CachedBackend(
            lambda: standing.backend,
            store,
            mode,
            ready=lambda: standing.connected,
            endpoint=self._where,
            repeat=asking.repeat,
            timed=standing.timed,
        )

    def _journaled(self, after: Callable[[Event], None], conversation: Conversation) -> Callable[[Event], None]:
        """Return what is told of each event: `after`, and the journal where there is one."""
        if self.standing.journal is None or self.prepared.asking.off:
            return after
        recording = Recording(self.standing.journal, self._entry(conversation))

        def both(event: Event) -> None:
            after(event)
            recording.take(event)

        return both

    def _entry(self, conversation: Conversation) -> Entry:
        standing, asking, redact = self.standing, self.prepared.asking, self._redact.text
        reasoning = {"reasoning": asking.reasoning} if asking.reasoning else {}
        return Entry(
            redact(self._said(conversation)),
            notebook=standing.threads.shelf.notebook if standing.threads.shelf else "",
            cell=asking.cell,
            thread=conversation.name,
            backend=standing.settings.backend,
            endpoint=standing.settings.base_url or "local",
            model=self._model,
            instructions=redact(self._instructions),
            parameters={**self._parameters, **reasoning},
            tools=tuple(
                {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
                for spec in self._toolbox.specs
            ),
            shown=tuple(asking.see),
            variant=asking.variant,
            seconds=standing.took,
        )

    def _said(self, conversation: Conversation) -> str:
        """Return the prompt: its own, or the one whose reply was left."""
        if not self.resume:
            return self.prepared.prompt
        return next((message.said for message in reversed(conversation.messages) if message.role == "user"), "")

    def _price(self, model: str, usage: Usage) -> float | None:
        """US dollars, None where unknown; an engine on one's own machine costs nothing."""
        if self.standing.settings.free:
            return 0.0
        try:
            return dollars(model, usage, batch=self.standing.batch)
        except SettingsError:  # broken since the run began, which checked it; the reply goes before its price
            return None
