"""Server-sent events from bytes, as servers really send them, and the chunk that a decoder takes from each.

Own, since the `openai` package passes over what real servers say: an `error:` field, the name of an event whose data
has no type; and since keep-alive comments must not hold off a deadline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LINE_END = re.compile(rb"\r\n|\n|\r")
_LONGEST = 64 * 1024 * 1024
"""Bytes of one event; a picture comes in one, a reply of text in many."""
DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name, empty where it has none, and its data."""

    name: str
    data: str


class EventReader:
    """Take the bytes of a stream, cut anywhere, and give its events; one reader for each stream.

    Comments, empty data and unknown fields are no events. An event that the stream's end cuts off is none either, as
    the standard has it, unless its data is whole JSON: some servers leave out the last empty line.
    """

    def __init__(self) -> None:
        self._held = b""
        self._size = 0
        self._name = ""
        self._data: list[str] = []
        self._first = True

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """Take the next bytes; yield the events that end in them.

        Raises
        ------
        ValueError
            Where a line is no UTF-8, or an event is longer than any reply.
        """
        self._held += piece
        if self._first and len(self._held) >= 3:
            self._held = self._held.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if not (b"\n" in piece or b"\r" in piece) and len(self._held) <= _LONGEST:
            return
        position = 0
        for end in _LINE_END.finditer(self._held):
            if end.group() == b"\r" and end.end() == len(self._held):
                break  # its line feed may be in the next piece
            yield from self._line(self._held[position : end.start()])
            position = end.end()
        self._held = self._held[position:]
        if len(self._held) + self._size > _LONGEST:
            raise ValueError("an event without an end")

    def finish(self) -> Iterator[ServerSentEvent]:
        """Take the end of the stream; yield the event that lacks no more than its empty line."""
        if self._held:
            yield from self._line(self._held.rstrip(b"\r"))
            self._held = b""
        data = "\n".join(self._data)
        if data == DONE or _is_json(data):
            yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[ServerSentEvent]:
        if not line:
            data = "\n".join(self._data)
            if data.strip():
                yield ServerSentEvent(self._name, data)
            self._name, self._data, self._size = "", [], 0
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


def _is_json(data: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def chunk_of(event: ServerSentEvent) -> Any:
    """Return what a decoder is fed: the JSON of the data, and the event's name where only it tells what that is.

    `thread.*` events, whose data has no type, become `{"event": name, "data": data}`; an event named `error` becomes
    `{"error": ...}`; data of a `response.*` event without a type gets one.

    Raises
    ------
    ValueError
        Where the data is no JSON.
    """
    try:
        data = json.loads(event.data)
    except (ValueError, RecursionError) as error:
        if event.name == "error":
            return {"error": event.data}
        raise ValueError("an event that is no JSON") from error
    if event.name.startswith("thread.") or event.name == "done":
        return {"event": event.name, "data": data}
    if event.name == "error":
        inner = data.get("error") if isinstance(data, dict) else None
        return {"error": inner or data}
    if event.name.startswith("response.") and isinstance(data, dict):
        return {"type": event.name, **data}
    return data
