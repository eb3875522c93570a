"""The events of a run: told once, read by whoever listens, each at its own pace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from json.encoder import encode_basestring
from typing import Any

from starlette.types import Receive, Scope, Send

DONE = b"event: done\ndata: [DONE]\n\n"
_BEHIND = 200
"""Events that a listener has not taken, from which on the pieces of a text are joined for it."""
COMMENT = b": still at work\n\n"
"""What a stream in which nothing happens gets now and then; clients take no notice of it."""


def encode(name: str, data: Mapping[str, Any], *more: str) -> bytes:
    """Return one server-sent event, in the bytes of the recordings: compact JSON, one line; and `more` of the same."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return "".join(f"event: {each}\ndata: {text}\n\n" for each in (name, *more)).encode()


class _TextDelta:
    """A piece of a message's text, written out when it is sent: until then more may come to it."""

    def __init__(self, message_id: str, index: int, text: str) -> None:
        self.place = message_id, index
        self.texts = [text]

    def encode(self) -> bytes:
        """Return its event. Nearly all of a stream are such, so but for the text the JSON is written by hand."""
        text = encode_basestring("".join(self.texts))
        delta = f'{{"content":[{{"index":{self.place[1]},"type":"text","text":{{"value":{text}}}}}]}}'
        data = f'{{"id":"{self.place[0]}","object":"thread.message.delta","delta":{delta}}}'
        return f"event: thread.message.delta\ndata: {data}\n\n".encode()


class Channel:
    """What one stream tells its listener; the run's task tells and never waits for it.

    Parameters
    ----------
    listened : bool
        Whether anybody will listen; else what is told is let go.
    found : bool
        Whether the listener asked for the texts that a file search found.
    """

    def __init__(self, *, listened: bool = True, found: bool = False) -> None:
        self.found = found
        self._events: list[bytes | _TextDelta] = []
        self._sent = 0
        self.listened = listened
        self._closed = False
        self._news = asyncio.Event()

    def tell(self, name: str, data: Mapping[str, Any], *more: str) -> None:
        """Add an event, and behind it those that `more` names, with the same object."""
        if self.listened:
            self._add(encode(name, data, *more))

    def tell_text(self, message_id: str, index: int, text: str) -> None:
        """Add a delta of a text; to a listener that is behind it goes with the one before it."""
        if not self.listened:
            return
        last = self._events[-1] if len(self._events) - self._sent > _BEHIND else None
        if isinstance(last, _TextDelta) and last.place == (message_id, index):
            last.texts.append(text)
        else:
            self._add(_TextDelta(message_id, index, text))

    def close(self) -> None:
        """Add `done`, the last event."""
        if not self._closed:
            self._closed = True
            self._add(DONE)

    def _add(self, event: bytes | _TextDelta) -> None:
        self._events.append(event)
        self._news.set()

    async def listen(self, silent_seconds: float | None = None) -> AsyncIterator[bytes]:
        """Yield the events from the first to the last, those that came meanwhile together; for one listener.

        After each `silent_seconds` without one a comment is yielded.
        """
        while True:
            if self._sent < len(self._events):
                # One write for all that came: a slow listener catches up, and a fast one is not woken for each.
                events = self._events[self._sent :]
                self._sent = len(self._events)
                yield b"".join(event if isinstance(event, bytes) else event.encode() for event in events)
            elif self._closed:
                return
            else:
                # No await stands between the look and this: an event that is told meanwhile can't be missed.
                self._news.clear()
                try:
                    async with asyncio.timeout(silent_seconds):
                        await self._news.wait()
                except TimeoutError:
                    yield COMMENT


class RunEventStream:
    """The answer that streams a channel. A client that leaves, or reads too slowly, ends the answer, never the run."""

    def __init__(self, channel: Channel, write_seconds: float, silent_seconds: float | None = None) -> None:
        self._channel = channel
        self._write_seconds, self._silent_seconds = write_seconds, silent_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        talk = asyncio.create_task(self._talk(send))
        # A server may drop what is sent to a client that has gone, without a word: only receiving tells.
        leave = asyncio.create_task(client_left(receive))
        try:
            await asyncio.wait((talk, leave), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (talk, leave):
                task.cancel()
            await asyncio.gather(talk, leave, return_exceptions=True)

    async def _talk(self, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            # nginx, in front of the server, would collect the stream and hand it on in lumps.
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for piece in self._channel.listen(self._silent_seconds):
            # A client that keeps the connection and reads nothing would hold it, and the channel, for ever.
            async with asyncio.timeout(self._write_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def with_comments(pieces: AsyncIterator[bytes], silent_seconds: float) -> AsyncIterator[bytes]:
    """Pass on the pieces of somebody else's stream, with a comment where none came for so long, between its events."""
    coming: asyncio.Future[bytes] | None = None
    between = True
    try:
        while True:
            # The same one through all silences: to cancel an `anext` would end the generator that waits in it.
            coming = coming or asyncio.ensure_future(anext(pieces))
            done, _ = await asyncio.wait((coming,), timeout=silent_seconds)
            if done:
                piece = coming.result()
                coming = None
                # In the middle of a line a comment would become a part of it.
                between = piece.endswith((b"\n\n", b"\r\n\r\n"))
                yield piece
            elif between:
                yield COMMENT
    except StopAsyncIteration:
        return
    finally:
        if coming is not None:
            coming.cancel()


async def client_left(receive: Receive) -> None:
    """Wait until the client of a request, whose body is read, has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
