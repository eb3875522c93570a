"""`CachedBackend`: gives a reply again that came before, or asks and keeps it.

The unit is one request: in a run with tools the tools run again, and what they give is part of the next key. The key
of a request holds all that changes its answer, and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeAlias, get_args

from ..core.events import Event, Retrying, TurnEnded, TurnStarted, Warned
from ..core.messages import Message, Opaque, Request, Text, ToolCall, ToolOutput
from ..core.protocols import Backend
from ..errors import JournalError, LocalUnavailableError, SettingsError, UsageError
from .event_codec import Timed

CacheMode: TypeAlias = Literal["off", "auto", "refresh", "replay"]
"""`auto` gives again what is known and asks for the rest; `refresh` asks for all and keeps it; `replay` never asks: a
request without a recording is an error."""
MODES: tuple[CacheMode, ...] = get_args(CacheMode)
# A reply that was cut, limited or refused may be another the next time: it is asked for again.
_KEPT = ("stop", "tool_calls")


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
        # Connected only now: where all is recorded, no endpoint need be there, and no server is started.
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
        """Return the tokens of a model's context; 0 in a replay, and where the endpoint does not say or is none."""
        if self._mode == "replay":
            return 0
        try:
            return self._connect().window(model)
        except (LocalUnavailableError, SettingsError):
            return 0  # no endpoint is set: what is recorded needs none, and whatever asks says so

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Return a thread that the endpoint holds; see the backends."""
        return self._connect().open(held)

    def key(self, request: Request) -> str:
        """Return the key under which the reply to `request` is kept."""
        # The file beside a notebook goes to others, whose endpoint is another one or none.
        return key_of(request, endpoint="" if self._store.anywhere else self._endpoint, repeat=self._repeat)

    def knows(self, request: Request) -> bool:
        """Whether the reply to `request` is kept and will be given again, so that it costs nothing."""
        return self._mode == "replay" or (self._mode != "refresh" and self._store.reply(self.key(request)) is not None)

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
                # The ids in the recording are of another day: with an empty cursor the next turn that is asked is sent
                # all of it.
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
        # What was waited and warned for belongs to that day, and not to the reply.
        if not isinstance(event, Retrying | Warned):
            self._events.append((time.monotonic() - self._clock, event))
        # Kept with its last event alone: half a turn is never in the store.
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


def key_of(request: Request, *, endpoint: str = "", repeat: int = 0) -> str:
    """Return the key of a request as 64 hexadecimal digits.

    Parameters
    ----------
    request : Request
        Its model, instructions, whole history, tools, parameters, reasoning and shape of the reply count; where the
        endpoint holds the history, and the ids of calls, which differ from run to run, do not.
    endpoint : str
        The protocol and the URL; empty to leave out where it goes.
    repeat : int
        Tells requests apart that are alike, such as the repeats of a sweep.
    """
    # Calls are numbered as they come: the ids that a model or a server gives are another each time.
    named: dict[str, str] = {}
    content = {
        "endpoint": endpoint,
        "model": request.model,
        "instructions": request.instructions,
        "messages": [_message(message, named) for message in request.messages],
        "tools": [[t.name, t.description, _plain(t.parameters), t.strict, t.kind] for t in request.tools],
        "tool_choice": request.tool_choice,
        "parameters": _plain(request.parameters),
        "reasoning": request.reasoning,
        "output": [request.output.name, _plain(request.output.schema)] if request.output else None,
        "repeat": repeat,
    }
    # `default` is for parameters of types that JSON has not: any text will do that is the same for the same value.
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def _message(message: Message, named: dict[str, str]) -> list[Any]:
    parts: list[list[Any]] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            parts.append(["call", named.setdefault(part.id, f"call {len(named)}"), part.name, part.arguments])
        elif isinstance(part, ToolOutput):
            call = named.setdefault(part.call_id, f"call {len(named)}")
            parts.append(["output", call, part.output, [_digest(image.data) for image in part.images]])
        elif isinstance(part, Text):
            parts.append(["text", part.text])
        elif isinstance(part, Opaque):  # where it came from is no part of what is asked
            parts.append(["Opaque", {"wire": part.wire, "data": _plain(part.data)}])
        else:
            parts.append([type(part).__name__, _fields(part)])
    return [message.role, parts]


def _fields(part: Any) -> dict[str, Any]:
    return {name: _plain(getattr(part, name)) for name in part.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _digest(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
