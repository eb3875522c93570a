"""The bytes of a stream, read as server-sent events.

Own, since the `openai` package passes over what real servers say: an `error:` field, the name of an event whose data
has no type; and since keep-alive comments must not hold off a deadline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import StreamBrokenError

_LINE_END = re.compile(rb"\r\n|\n|\r")
_LONGEST = 64 * 1024 * 1024
"""Bytes of one event; a picture comes in one, a reply of text in many."""
DONE = "[DONE]"
SHOWN = 200
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
        elif name not in ("", "id", "retry") and len(self.stray) < SHOWN:
            self.stray = f"{self.stray} {line.decode()}".strip()[:SHOWN]

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
