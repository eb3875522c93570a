"""`CachedBackend`: gives a reply again that came before, or asks and keeps it.

The unit is one request: in a run with tools the tools run again, and what they give is part of the next key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, Protocol, TypeAlias, get_args

from ..errors import JournalError, UsageError
from ..events import Event, Retrying, TurnEnded, TurnStarted, Warned
from ..messages import Message, Request
from .codec import Timed
from .key import key_of

CacheMode: TypeAlias = Literal["off", "auto", "refresh", "replay"]
"""`auto` gives again what is known and asks for the rest; `refresh` asks for all and keeps it; `replay` never asks: a
request without a recording is an error."""
MODES: tuple[CacheMode, ...] = get_args(CacheMode)
_KEPT = ("stop", "tool_calls")


class Backend(Protocol):
    """What is asked where nothing is known; see `nbassist.backends.Backend`."""

    name: str

    def stream(self, request: Request) -> Iterator[Event]: ...
    def astream(self, request: Request) -> AsyncIterator[Event]: ...
    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str] | None: ...
    def models(self) -> list[str]: ...
    def window(self, model: str) -> int: ...
    def open(self, held: str) -> tuple[list[Message], dict[str, str]]: ...


class Store(Protocol):
    """Where replies are kept: the journal, or a file beside the notebook.

    `anywhere` is whether a reply counts for whatever endpoint it came from: a file beside a notebook is used where
    there is none.
    """

    anywhere: bool

    def reply(self, key: str) -> tuple[Timed, ...] | None: ...
    def keep_reply(self, key: str, timed: tuple[Timed, ...]) -> None: ...


class CachedBackend:
    """A backend before which a store of replies stands.

    Parameters
    ----------
    connect : callable
        Gives the backend; called when something has to be asked, never in `replay`.
    store : Store
        Where replies are kept.
    mode : CacheMode
        What is given again.
    ready : callable
        Whether `connect` takes no time; where it does, it is called on a thread.
    endpoint : str
        The protocol and the URL, for the key.
    repeat : int
        Tells requests apart that are alike.
    timed : bool
        Whether a replay takes the time that the reply took; else it comes at once.
    """

    name = "cached"

    def __init__(
        self,
        connect: Callable[[], Backend],
        store: Store,
        mode: CacheMode,
        *,
        ready: Callable[[], bool] = lambda: False,
        endpoint: str = "",
        repeat: int = 0,
        timed: bool = False,
    ) -> None:
        self._connect = connect
        self._ready = ready
        self._asked = False
        self._store = store
        self._mode = check_mode(mode)
        self._endpoint = endpoint
        self._repeat = repeat
        self._timed = timed

    def stream(self, request: Request) -> Iterator[Event]:
        """Yield the events of the turn, known or new.

        Raises
        ------
        JournalError
            In `replay`, where nothing is recorded for the request.
        """
        key = self.key(request)
        known = self._known(key, request)
        if known is not None:
            for pause, event in self._again(known):
                if pause:
                    time.sleep(pause)
                yield event
            return
        keeping = _Keeping(self._store, key)
        backend = self._connect()
        self._asked = True
        for event in backend.stream(request):
            keeping.take(event)
            yield event

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        """As `stream`, on an event loop."""
        key = self.key(request)
        if getattr(self._store, "ready", True):
            known = self._known(key, request)
        else:  # what reads the journal is imported first, and its file opened
            known = await asyncio.to_thread(self._known, key, request)
        if known is not None:
            for pause, event in self._again(known):
                if pause:
                    await asyncio.sleep(pause)
                yield event
            return
        keeping = _Keeping(self._store, key)
        backend = self._connect() if self._ready() else await asyncio.to_thread(self._connect)
        self._asked = True
        async for event in backend.astream(request):
            keeping.take(event)
            yield event

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str] | None:
        """Stop what runs at the endpoint; nothing does in a replay, or before it was asked."""
        if self._mode == "replay":
            return {}
        if not self._asked and not cursor.get("run_id"):
            return None  # it has nothing of this run: not asked for the first time to be told to forget it
        return self._connect().cancel(cursor, forget=forget)

    def models(self) -> list[str]:
        """Return the names of the endpoint's models; empty in a replay, which has none."""
        return [] if self._mode == "replay" else self._connect().models()

    def window(self, model: str) -> int:
        """Return the tokens of a model's context; 0 in a replay, and where the endpoint does not say."""
        return 0 if self._mode == "replay" else self._connect().window(model)

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Return a thread that the endpoint holds; see the backends."""
        return self._connect().open(held)

    def key(self, request: Request) -> str:
        """Return the key under which the reply to `request` is kept."""
        return key_of(request, endpoint="" if self._store.anywhere else self._endpoint, repeat=self._repeat)

    def _known(self, key: str, request: Request) -> tuple[Timed, ...] | None:
        if self._mode == "refresh":
            return None
        if known := self._store.reply(key):
            return known
        if self._mode == "replay":
            prompt = next((m.said for m in reversed(request.messages) if m.role == "user"), "")
            short = " ".join(prompt.split())[:60]
            raise JournalError(f"no reply is recorded for {short!r}: record it with --cache refresh, and an endpoint")
        return None

    def _again(self, known: tuple[Timed, ...]) -> Iterator[tuple[float, Event]]:
        """Yield each event with the seconds to wait before it; the endpoint knows nothing of this turn."""
        before = known[0][0] if known else 0.0
        for seconds, event in known:
            if isinstance(event, TurnStarted):
                event = replace(event, cursor={}, replayed=True)
            elif isinstance(event, TurnEnded):
                event = replace(event, cursor={})
            yield (max(seconds - before, 0.0) if self._timed else 0.0), event
            before = seconds


class _Keeping:
    """The events of one turn on their way into the store; what is not whole is not kept."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._clock = time.monotonic()
        self._events: list[Timed] = []

    def take(self, event: Event) -> None:
        if not isinstance(event, Retrying | Warned):
            self._events.append((time.monotonic() - self._clock, event))
        if isinstance(event, TurnEnded) and event.reason in _KEPT:
            self._store.keep_reply(self._key, tuple(self._events))


def check_mode(mode: str) -> CacheMode:
    """Return `mode` where it is one.

    Raises
    ------
    UsageError
        Where it is none.
    """
    for known in MODES:
        if mode == known:
            return known
    raise UsageError(f"there is no way {mode!r} to use recorded replies; known are {', '.join(MODES)}")
