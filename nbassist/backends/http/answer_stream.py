"""One answer of an endpoint: whether it is a stream at all, and from its server-sent events to those of a turn."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from ...core.events import Event
from ...errors import NotAnEndpointError, StreamBrokenError
from .. import loose_json
from ..error_bodies import error_message
from .requests import Decoder
from .sse import DONE, SHOWN, EventReader, ServerSentEvent

_JSON = json.JSONDecoder()


def _parsed(text: str) -> Any:
    # What is an object from its first character to its last, as nearly all are, needs no look for blanks and marks.
    if text.startswith("{"):
        value, end = _JSON.raw_decode(text)
        if end == len(text):
            return value
    return json.loads(text)


class NoJsonError(ValueError):
    """The data of an event is no JSON."""


def chunk_of(event: ServerSentEvent) -> Any:
    """Return what a decoder is fed: the JSON of the data, and the event's name where only it tells what that is.

    `thread.*` events, whose data has no type, become `{"event": name, "data": data}`; an event named `error` becomes
    `{"error": ...}`; data of a `response.*` event without a type gets one.

    Raises
    ------
    NoJsonError
        Where the data is no JSON; it tells what came in its stead, such as a proxy's `Internal Server Error`.
    """
    try:
        data = _parsed(event.data)
    except (ValueError, RecursionError) as error:
        if event.name == "error":
            # A bare text is what some say as their error.
            return {"error": event.data}
        said = " ".join(error_message(event.data[:_HEAD]).split())
        if len(said) > SHOWN:
            said = said[: SHOWN + 1].rpartition(" ")[0]  # not within a word: half a key would not be known for one
        raise NoJsonError(f"an event that is no JSON: {said}" if said else "an event that is no JSON") from error
    if not event.name:
        return data
    # The data of these is the object itself, which says nothing about what happened to it.
    if event.name.startswith("thread.") or event.name == "done":
        return {"event": event.name, "data": data}
    if event.name == "error":
        inner = data.get("error") if isinstance(data, dict) else None
        return {"error": inner or data}
    if event.name.startswith("response.") and isinstance(data, dict):
        return {"type": event.name, **data}
    return data


class ChunkHalves:
    """Joins the halves of a character that a server cut in two: ``\\ud83d`` in one chunk, ``\\ude00`` in the next.

    Servers that cut a text by UTF-16 units do so. The first half waits for the second in the same place of a later
    chunk.
    """

    def __init__(self) -> None:
        self._waiting: dict[_Place, str] = {}

    def mend(self, chunk: Any, source: str) -> Any:
        """Return `chunk`, which was parsed from `source`, with first halves at the ends of its texts left for later."""
        if not self._waiting and ("\\u" not in source or not _HALF.search(source)):
            return chunk
        return self._mended(chunk, ())

    def _mended(self, value: Any, place: _Place) -> Any:
        if isinstance(value, dict):
            return {name: self._mended(inner, (*place, name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._mended(inner, (*place, number)) for number, inner in enumerate(value)]
        if not isinstance(value, str) or not value:
            return value
        if first := self._waiting.pop(place, ""):
            value = (first + value).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if "\ud800" <= value[-1] <= "\udbff":
            self._waiting[place] = value[-1]
            value = value[:-1]
        return value


_Place: TypeAlias = tuple[str | int, ...]
_HALF = re.compile(r"\\u[dD][89abAB]")  # as JSON writes the first half


class EventStream:
    """From the bytes of one answer to events: reads them, decodes them, and watches that something comes at all.

    What the answer says it is does not count: streams come as `text/plain`, with no type and as HTML, and single JSON
    objects as streams. So the bytes tell.

    Parameters
    ----------
    decoder : Decoder
        Of this one stream.
    stall : float
        Seconds without an event that says something, after which it is taken for cut: neither keep-alive comments nor
        deltas without text, call or reasoning do.
    kind : str
        The content type, to name it where this is no stream at all; may be empty.
    """

    def __init__(self, decoder: Decoder, stall: float, kind: str = "") -> None:
        self._decoder = decoder
        self._reader = EventReader()
        self._stall = stall
        self._halves = ChunkHalves()
        self._kind = kind.partition(";")[0].strip() or "no content type"
        self._heard = time.monotonic()
        self._named: set[str] = set()  # names of events since the last that said something
        self._closed = False
        self._head = True
        self._size = 0  # bytes that came

    @property
    def done(self) -> bool:
        """Whether the rest can be left unread."""
        return self._closed or self._decoder.done

    @property
    def until(self) -> float | None:
        """When to read no further, by the monotonic clock: a while after the finish reason; None before it came."""
        grace = self._decoder.grace
        return None if grace is None else self._heard + grace

    def feed(self, piece: bytes | memoryview) -> Iterator[Event]:
        """Take the next bytes, cut anywhere.

        Raises
        ------
        BackendError
            For an error that the endpoint tells, for a page of HTML, and for a stall.
        ValueError
            For what is no UTF-8, or no JSON.
        """
        piece = bytes(piece)
        self._size += len(piece)
        self._look_at_head(piece)
        for event in self._reader.feed(piece):
            yield from self._take(event)
            if self.done:
                return
        if self._size > _STRAY:
            self._check_stray()
        if time.monotonic() - self._heard > self._stall:
            raise StreamBrokenError(
                f"the stream was cut: for {self._stall:g} seconds nothing came but what says nothing"
            )

    def finish(self) -> Iterator[Event]:
        """Take the end of the answer."""
        if not self.done:
            for event in self._reader.finish():
                yield from self._take(event)
        self._check_stray()
        yield from self._decoder.finish(marked=self._closed)

    def _take(self, event: ServerSentEvent) -> Iterable[Event]:
        # The same events over and over, with nothing in them, are no sign of life; the first of another name is. Names
        # may be made up without end, too.
        if self._decoder.grace is None and event.name not in self._named and len(self._named) < _NAMES:
            self._heard = time.monotonic()
            self._named.add(event.name)
        if event.data.startswith(DONE):
            self._closed = True
            return ()
        chunk = self._halves.mend(chunk_of(event), event.data)
        return self._take_each(chunk) if isinstance(chunk, list) else self._take_one(chunk)

    def _take_one(self, chunk: Any) -> Iterable[Event]:
        told = self._decoder.feed(chunk)
        if told:
            self._heard = time.monotonic()
            self._named.clear()
        return told

    def _take_each(self, chunks: list[Any]) -> Iterator[Event]:
        # One by one: what came before an error stands.
        for chunk in chunks:
            yield from self._take_one(chunk)
            if self._decoder.done:
                return

    def _look_at_head(self, piece: bytes) -> None:
        if not self._head:
            return
        head = piece[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
        if head.startswith(b"<"):
            title = loose_json.text(error_message(head.decode(errors="replace")))
            raise NotAnEndpointError(_NO_STREAM.format(kind=self._kind) + (f": {title}" if title else ""))
        self._head = not head

    def _check_stray(self) -> None:
        """Tell what came where it is no stream; such a body may have no end."""
        if self._reader.stray and not self._decoder.started:
            raise NotAnEndpointError(f"{_NO_STREAM.format(kind=self._kind)}: {self._reader.stray}")


_HEAD = 4_096
_NAMES = 32  # more kinds of events than any protocol sends between two that say something
_STRAY = 1024 * 1024  # bytes that are read of what is no stream
_NO_STREAM = "the endpoint answered with {kind} in place of a stream of events"
