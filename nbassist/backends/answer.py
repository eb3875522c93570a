"""One answer of an endpoint: whether it is a stream at all, and from its bytes to events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2

from ..errors import StreamBrokenError
from ..events import Event
from . import reading
from .sse import DONE, EventReader, chunk_of
from .steps import Decoder


class EventStream:
    """From the bytes of one answer to events: reads them, decodes them, and watches that something comes at all.

    Parameters
    ----------
    decoder : Decoder
        Of this one stream.
    stall : float
        Seconds without an event, keep-alive comments aside, after which it is taken for cut.
    """

    def __init__(self, decoder: Decoder, stall: float) -> None:
        self._decoder = decoder
        self._reader = EventReader()
        self._stall = stall
        self._heard = time.monotonic()
        self._closed = False

    @property
    def done(self) -> bool:
        """Whether the rest can be left unread."""
        return self._closed or self._decoder.done

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Take the next bytes, cut anywhere.

        Raises
        ------
        BackendError
            For an error that the endpoint tells, and for a stall.
        ValueError
            For what is no UTF-8, or no JSON.
        """
        for event in self._reader.feed(piece):
            self._heard = time.monotonic()
            if event.data.startswith(DONE):
                self._closed = True
                return
            yield from self._decoder.feed(chunk_of(event))
            if self._decoder.done:
                return
        if time.monotonic() - self._heard > self._stall:
            raise StreamBrokenError(f"the stream was cut: for {self._stall:g} seconds nothing but keep-alives came")

    def finish(self) -> Iterator[Event]:
        """Take the end of the answer."""
        if not self.done:
            for event in self._reader.finish():
                if not event.data.startswith(DONE):
                    yield from self._decoder.feed(chunk_of(event))
        yield from self._decoder.finish()


def what_came(response: httpx2.Response, data: Any) -> str:
    """Say in words what `response` is, whose body is no stream; `data` is its JSON, where it is some."""
    if message := reading.error_message(data):
        return f"the endpoint answered with an error in place of a stream: {message}"
    kind = response.headers.get("content-type", "no content type").partition(";")[0]
    return f"the endpoint answered with {kind} in place of a stream of events"


def is_stream(response: httpx2.Response) -> bool:
    """Return whether the answer says that it is a stream of server-sent events."""
    return response.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream"
