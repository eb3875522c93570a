"""What a backend's flow may ask for: requests, streams, waits; all without IO.

A flow is a generator, written once for each protocol: it yields one of these steps, is sent what came of it, or yields
an event of its own. `nbassist.backends.http.transport` does the steps, sync or async.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ...core.events import Event
from ...errors import BackendError, ConversationError, RequestRefusedError
from .. import loose_json


class Decoder(Protocol):
    """From the chunks of one stream to events; see `nbassist.backends.chat.decoder.ChatDecoder`."""

    started: bool

    @property
    def done(self) -> bool: ...
    @property
    def grace(self) -> float | None: ...
    def feed(self, chunk: Any) -> list[Event]: ...
    def finish(self, *, marked: bool = False) -> list[Event]: ...
    def broken(self, error: BackendError | str) -> list[Event]: ...


@dataclass(frozen=True, slots=True)
class JsonRequest:
    """One request; `body` is sent as JSON, and the JSON that comes back is sent into the flow."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """One request whose answer is a stream of server-sent events for `decoder`; a GET sends `body` as its query.

    `once` is sent as `Idempotency-Key`, each time that the step is tried: a server that knows it does not do twice
    what it did when only its answer was lost.
    """

    path: str
    body: Mapping[str, Any]
    decoder: Decoder
    method: str = "POST"
    once: str = ""


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
    """The bytes at `path`, sent into the flow; None where there are more than `limit`, of which no more is read."""

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

# By name alone, since `/models` says nothing about what a model is for.
_NO_CHAT = re.compile(
    r"embed|(^|[/_-])(bge|gte|e5|minilm|rerank\w*|colbert)([-_]|$)|whisper|(^|[/_-])tts([-_]|$)|transcribe|moderation"
    r"|dall-e|image-\d|imagen|stable-diffusion|flux|sdxl|guard([-_]|$)|ocr([-_]|$)|babbage|davinci",
    re.IGNORECASE,
)

Step: TypeAlias = JsonRequest | Open | Upload | Fetch | Pause | Event
Flow: TypeAlias = Generator[Step, Any, None]


def find_window(model: str) -> Generator[Step, Any, int]:
    """Ask for the tokens of a model's context; a part of a flow. 0 where the endpoint does not say.

    Seen in the list of models: `max_model_len` (vLLM), `context_length` (OpenRouter), `max_context_length` (LM
    Studio), `meta.n_ctx` (llama.cpp); `context_window` is what the embedded server says.
    """
    for name, entry in _models((yield JsonRequest("GET", "/models"))):
        if model in ("", name):
            meta = loose_json.mapping(entry.get("meta"))
            named = ("context_window", "max_model_len", "context_length", "max_context_length")
            counts = [loose_json.count(entry.get(name)) for name in named]
            return next(filter(None, [*counts, loose_json.count(meta.get("n_ctx"))]), 0)
    return 0


def list_models() -> Generator[Step, Any, list[str]]:
    """Ask for the names of the endpoint's models, in its order; a part of a flow.

    Raises
    ------
    BackendError
        Where it names none.
    """
    names = [name for name, _ in _models((yield JsonRequest("GET", "/models")))]
    if not names:
        raise BackendError("the endpoint names no model: say which one with -m or NBASSIST_MODEL")
    return names


def choose_model(names: Sequence[str]) -> str:
    """Return the first model that answers a prompt: one that embeds, hears or draws is never chosen by itself.

    Raises
    ------
    BackendError
        Where there is none but such.
    """
    for name in names:
        if not _NO_CHAT.search(name):
            return name
    listed = ", ".join(names[:10])
    raise BackendError(f"none of the endpoint's models looks like one that answers ({listed}): say which one with -m")


def _models(answer: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the names in a list of models, with what stands beside each.

    Most have it under `data`; Together's is an array, Cohere's and Ollama's own stand under `models`; the entries are
    objects with an `id` or a `name`, or the names themselves.
    """
    data = loose_json.mapping(answer)
    listed = answer if isinstance(answer, list) else data.get("data") or data.get("models")
    found = []
    for item in loose_json.listing(listed):
        entry = loose_json.mapping(item)
        names = (item, entry.get("id"), entry.get("name"), entry.get("model"))
        if name := next(filter(None, map(loose_json.text, names)), ""):
            found.append((name, entry))
    return found


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
            page = loose_json.mapping((yield JsonRequest("GET", path, query=query)))
        except RequestRefusedError as error:
            if error.status != 404:
                raise
            raise ConversationError(f"there is no {what} at the endpoint") from error
        items = [loose_json.mapping(item) for item in loose_json.listing(page.get("data"))]
        new = {loose_json.text(item.get("id")): item for item in items if loose_json.text(item.get("id")) not in found}
        found |= new
        # Nothing new: the server ignores `after`, and would give the first page for ever.
        if not page.get("has_more") or not new:
            break
        after = loose_json.text(page.get("last_id")) or [*new][-1]
    return list(found.values())
