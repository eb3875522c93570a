"""How much and how long is read of what may have no end: an error's body, and a stream after its finish reason."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator

from ...core import runtime_environment
from .http_package import httpx

# Far more than any error's words, and little to hold; who only trickles can't keep a prompt waiting for longer.
_MOST = 256 * 1024  # bytes
_PATIENCE = 10.0  # seconds


def bound(response: httpx.Response) -> None:
    """Let what is read of an error end; a hook of the client, called before the body is read."""
    if not response.is_success:
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Bounded(response.stream)


async def abound(response: httpx.Response) -> None:
    """As `bound`, on an event loop."""
    if not response.is_success:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _AsyncBounded(response.stream)


class _Bounded(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream, self._left, self._until = stream, _MOST, time.monotonic() + _PATIENCE

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            yield piece[: self._left]
            self._left -= len(piece)
            if self._left <= 0 or time.monotonic() > self._until:
                return

    def close(self) -> None:
        self._stream.close()


class _AsyncBounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream, self._left, self._until = stream, _MOST, time.monotonic() + _PATIENCE

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece[: self._left]
            self._left -= len(piece)
            if self._left <= 0 or time.monotonic() > self._until:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()


class Grace:
    """Ends the reading of one answer on this thread, where it would wait; use it as a context manager.

    A read that waits can't be told to end sooner, so its socket is shut down from a timer's thread.

    Attributes
    ----------
    over : bool
        Whether it was ended: what then breaks is no failure.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._timer: threading.Timer | None = None
        self._until = 0.0
        self.over = False

    def __enter__(self) -> Grace:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()

    def until(self, moment: float | None) -> None:
        """End the reading at `moment`, by the monotonic clock; None leaves it as it is."""
        # Called after each piece, and the moment only changes when a piece said something.
        if moment is None or moment == self._until or not runtime_environment.THREADS:
            return
        self._stop()
        self._until = moment
        self._timer = threading.Timer(max(0.0, moment - time.monotonic()), self._end)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        stream = self._response.extensions.get("network_stream")
        # Closing the socket from here would not wake a read that waits in another thread, and could hit a reused
        # descriptor; shutting it down ends the read as if the server had.
        found = stream.get_extra_info("socket") if stream is not None else None
        if found is not None:
            # Set before the shutdown, which wakes the reader at once.
            self.over = True
            with contextlib.suppress(OSError):  # it ended by itself meanwhile
                found.shutdown(socket.SHUT_RDWR)
