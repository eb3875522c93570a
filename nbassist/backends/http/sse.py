"""One answer of an endpoint: whether it is a stream at all, and from its bytes to server-sent events and their chunks.

Own, since the `openai` package passes over what real servers say: an `error:` field, the name of an event whose data
has no type; and since keep-alive comments must not hold off a deadline.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from ...core.events import Event
from ...errors import NotAnEndpointError, StreamBrokenError
from .. import loose_json
from ..error_bodies import error_message
from .requests import Decoder

_LINE_END = re.compile(rb"\r\n|\n|\r")
_LONGEST = 64 * 1024 * 1024
"""Bytes of one event; a picture comes in one, a reply of text in many."""
DONE = "[DONE]"
_SHOWN = 200
"""Characters of what is no stream that are shown."""


class ServerSentEvent(NamedTuple):
    """One event: its name, empty where it has none, and its data."""

    name: str
    data: str


class EventReader:
    """Take the bytes of a stream, cut anywhere, and give its events; one reader for each stream.

    Comments, empty data and unknown fields are no events. An event that the stream's end cuts off is none either, as
    the standard has it, unless its data is whole JSON: some servers leave out the last empty line.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []  # pieces of a line that has no end yet, joined once, when it has
        self._waiting = 0  # bytes of them
        self._size = 0
        self._name = ""
        self._data: list[str] = []
        self._json: list[str] = []
        self._depth = 0  # brackets of it that are open; below zero where it can be no JSON any more
        self._first = True
        self.stray = ""
        """The beginning of what came and is neither an event nor JSON, to be shown; empty as a rule."""

    def feed(self, piece: bytes | memoryview) -> Iterator[ServerSentEvent]:
        """Take the next bytes; yield the events that end in them.

        Raises
        ------
        ValueError
            Where a line is no UTF-8.
        StreamBrokenError
            Where an event is longer than any reply.
        """
        piece = bytes(piece)  # in a browser it is a view of the page's memory, in which nothing can be found
        self._held.append(piece)
        self._waiting += len(piece)
        if self._waiting + self._size > _LONGEST:
            raise StreamBrokenError(f"the stream broke: one event in it is longer than {_LONGEST >> 20} MB")
        # Three bytes are a byte order mark, which may stand in front of the first line.
        if self._first and self._waiting < 3:
            return
        # No line ends here: joining at each piece would make a long line of many pieces quadratic.
        if not (b"\n" in piece or b"\r" in piece or self._first):
            return
        text = b"".join(self._held)
        if self._first:
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        position, plain = 0, b"\r" not in text
        while True:
            # Nearly all events are one line of JSON and an empty one: taken at once, they cost a third.
            if plain and text.startswith(b"data: {", position) and not (self._data or self._name or self._json):
                stop = text.find(b"\n", position)
                if text.startswith(b"\n", stop + 1) and stop > 0:
                    yield ServerSentEvent("", text[position + len(b"data: ") : stop].decode("utf-8"))
                    position = stop + 2
                    continue
            end = _LINE_END.search(text, position)
            if end is None or (end.group() == b"\r" and end.end() == len(text)):
                break  # a line feed may come with the next piece
            yield from self._line(text[position : end.start()])
            position = end.end()
        rest = text[position:]
        self._held, self._waiting = [rest] if rest else [], len(rest)

    def finish(self) -> Iterator[ServerSentEvent]:
        """Take the end of the stream; yield the event that lacks no more than its empty line."""
        if self._held:
            yield from self._line(
                b"".join(self._held).removeprefix(b"\xef\xbb\xbf" if self._first else b"").rstrip(b"\r")
            )
            self._held = []
        data = "\n".join(self._data)
        if data == DONE or _is_json(data):
            yield from self._line(b"")
        if self._json:
            yield ServerSentEvent("", "\n".join(self._json))
            self._json = []

    def _line(self, line: bytes) -> Iterator[ServerSentEvent]:
        if not line and not self._json:
            data = "\n".join(self._data)
            if data.strip():
                yield ServerSentEvent(self._name, data)
            self._name, self._data, self._size = "", [], 0
            return
        # A field's name never begins with a bracket: a server that does not stream, or streams lines of JSON.
        if self._json or (line[:1] in (b"{", b"[") and not self._data):
            yield from self._json_line(line)
            return
        name, _, value = line.decode("utf-8").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name in ("data", "error"):
            # llama.cpp once wrote `error: {...}` in place of `data: {...}`.
            self._name = "error" if name == "error" else self._name
            self._data.append(value)
            self._size += len(value)
        elif name not in ("", "id", "retry") and len(self.stray) < _SHOWN:
            self.stray = f"{self.stray} {line.decode()}".strip()[:_SHOWN]

    def _json_line(self, line: bytes) -> Iterator[ServerSentEvent]:
        """Take a line of JSON that stands there bare: one of many (NDJSON), or of a whole answer over many lines."""
        text = line.decode("utf-8")
        if not self._json:
            self._depth = 0
        self._json.append(text)
        self._size += len(line) + 1
        if self._depth < 0:
            return
        # No text of JSON runs over a line's end, so brackets outside of texts can be counted line by line.
        outside = _TEXT.sub("", text) if '"' in text else text
        self._depth += outside.count("{") + outside.count("[") - outside.count("}") - outside.count("]")
        if self._depth > 0:
            return
        # Parsed once, where the last bracket has closed: at each that does, a long answer would be read over and over.
        data = "\n".join(self._json)
        if _is_json(data):
            yield ServerSentEvent("", data)
            self._json, self._size = [], 0
        else:
            self._depth = -1


# Without a way back, and to the line's end where it is not closed: else a line of quotes would be gone over from each.
_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)')


def _is_json(data: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


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
        if len(said) > _SHOWN:
            said = said[: _SHOWN + 1].rpartition(" ")[0]  # not within a word: half a key would not be known for one
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
