"""What a backend's flow may ask for: requests, streams, waits; all without IO.

A flow is a generator, written once for each protocol: it yields one of these steps, is sent what came of it, or yields
an event of its own. `nbassist.backends.transport` does the steps, sync or async.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ..errors import BackendError, ConversationError, RequestRefusedError
from ..events import Event
from . import reading


class Decoder(Protocol):
    """From the chunks of one stream to events; see `nbassist.backends.chat_decoder.ChatDecoder`."""

    started: bool

    @property
    def done(self) -> bool: ...
    def feed(self, chunk: Any) -> list[Event]: ...
    def finish(self) -> list[Event]: ...
    def broken(self, error: BackendError | str) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `body` is sent as JSON, and the JSON that comes back is sent into the flow."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """One request whose answer is a stream of server-sent events for `decoder`; a GET sends `body` as its query."""

    path: str
    body: Mapping[str, Any]
    decoder: Decoder
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file, sent as a form; the JSON that comes back is sent into the flow."""

    path: str
    name: str
    media_type: str
    data: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fetch:
    """The bytes at `path`, at most `limit` of them; sent into the flow, empty where there are more."""

    path: str
    limit: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next step, so many seconds."""

    seconds: float


_PAGE = 100
_PAGES = 100
"""Some servers ignore `after` and would page for ever."""
STALL = 300.0
"""Seconds; a model on a slow machine may read for minutes before it writes, and send nothing meanwhile."""

Step: TypeAlias = Call | Open | Upload | Fetch | Pause | Event
Flow: TypeAlias = Generator[Step, Any, None]


def find_window(model: str) -> Generator[Step, Any, int]:
    """Ask for the tokens of a model's context; a part of a flow. 0 where the endpoint does not say.

    Seen in the list of models: `max_model_len` (vLLM), `context_length` (OpenRouter), `max_context_length` (LM
    Studio), `meta.n_ctx` (llama.cpp); `context_window` is what the embedded server says.
    """
    answer = reading.mapping((yield Call("GET", "/models")))
    entries = [reading.mapping(item) for item in reading.listing(answer.get("data"))]
    for entry in entries:
        if model in ("", reading.text(entry.get("id"))):
            meta = reading.mapping(entry.get("meta"))
            named = ("context_window", "max_model_len", "context_length", "max_context_length")
            counts = [reading.count(entry.get(name)) for name in named]
            return next(filter(None, [*counts, reading.count(meta.get("n_ctx"))]), 0)
    return 0


def list_models() -> Generator[Step, Any, list[str]]:
    """Ask for the names of the endpoint's models, in its order; a part of a flow.

    Raises
    ------
    BackendError
        Where it names none.
    """
    answer = reading.mapping((yield Call("GET", "/models")))
    names = [reading.text(reading.mapping(item).get("id")) for item in reading.listing(answer.get("data"))]
    if not any(names):
        raise BackendError("the endpoint names no model: say which one with -m or NBASSIST_MODEL")
    return [name for name in names if name]


def list_held(path: str, what: str) -> Generator[Step, Any, list[Mapping[str, Any]]]:
    """Ask for all items of a list that the endpoint holds, oldest first, page by page; a part of a flow.

    Parameters
    ----------
    path : str
        Of the list.
    what : str
        What holds it, to name it where it is gone.

    Raises
    ------
    ConversationError
        Where the endpoint has no such list.
    """
    found: dict[str, Mapping[str, Any]] = {}
    after = ""
    for _ in range(_PAGES):
        query = {"order": "asc", "limit": _PAGE, **({"after": after} if after else {})}
        try:
            page = reading.mapping((yield Call("GET", path, query=query)))
        except RequestRefusedError as error:
            if error.status != 404:
                raise
            raise ConversationError(f"there is no {what} at the endpoint") from error
        items = [reading.mapping(item) for item in reading.listing(page.get("data"))]
        new = {reading.text(item.get("id")): item for item in items if reading.text(item.get("id")) not in found}
        found |= new
        if not page.get("has_more") or not new:
            break
        after = reading.text(page.get("last_id")) or [*new][-1]
    return list(found.values())
