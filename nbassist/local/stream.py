"""The events of a run: told once, read by whoever listens, each at its own pace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

DONE = b"event: done\ndata: [DONE]\n\n"


def encode(name: str, data: Mapping[str, Any]) -> bytes:
    """Return one server-sent event, in the bytes of the recordings: compact JSON, one line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode()


class Channel:
    """What one stream tells, kept until its last listener left; the run's task tells and never waits for a listener."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._closed = False
        self._news = asyncio.Event()

    def tell(self, name: str, data: Mapping[str, Any]) -> None:
        """Add an event."""
        self._add(encode(name, data))

    def close(self) -> None:
        """Add `done`, the last event."""
        if not self._closed:
            self._closed = True
            self._add(DONE)

    def _add(self, event: bytes) -> None:
        self._events.append(event)
        self._news.set()

    async def listen(self) -> AsyncIterator[bytes]:
        """Yield the events from the first to the last, those that came meanwhile together."""
        at = 0
        while True:
            if at < len(self._events):
                piece = b"".join(self._events[at:])
                at = len(self._events)
                yield piece
            elif self._closed:
                return
            else:
                self._news.clear()
                await self._news.wait()


class EventStream:
    """The answer that streams a channel. A client that leaves, or reads too slowly, ends the answer, never the run."""

    def __init__(self, channel: Channel, write_seconds: float) -> None:
        self._channel = channel
        self._write_seconds = write_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        talk = asyncio.create_task(self._talk(send))
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
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for piece in self._channel.listen():
            async with asyncio.timeout(self._write_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def client_left(receive: Receive) -> None:
    """Wait until the client of a request, whose body is read, has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
