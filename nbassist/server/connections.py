"""Connections that cost others nothing: each has a while to say what it wants, and there are only so many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    Protocol = H11Protocol
else:
    # The parser in C, where it can be had: h11 took more time than all else that is done for a small request.
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol
    except ImportError:
        Protocol = H11Protocol

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"


_LONGEST_HEAD = 64 * 1024
"""Bytes of a request's head; h11 has such a limit itself, httptools has none."""

_AHEAD = 100
"""Requests that a client may send before the first of them is answered; uvicorn would keep any number of them."""


class Connection(Protocol):
    """A connection of uvicorn's, which is closed where the head of its next request does not come.

    Where there are too many, the one that has been silent for longest goes; where none is silent, the new one is
    refused.
    """

    # Set by `connection_class`: uvicorn makes the objects itself, and gives them nothing of ours.
    most = 256
    seconds = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._due: asyncio.TimerHandle | None = None
        self._head = 0
        self._answered: Any = None  # the request that is being answered
        self._wait()
        if len(self.connections) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._heard()
        self._left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that has begun is to be whole in time."""
        # A further request on a connection that was kept: uvicorn's own timer for those ends at the first byte.
        if not self._busy and self._due is None:
            self._wait()
        self._head += len(data)
        super().data_received(data)
        if self._busy:
            self._heard()
        too_long = not self._busy and self._head > _LONGEST_HEAD
        # Only the parser in C goes on before what it has read is answered.
        if (too_long or len(getattr(self, "pipeline", ())) > _AHEAD) and not self.transport.is_closing():
            self._left()
            self.transport.close()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)  # type: ignore[misc]  # of the parser in C alone

    def _left(self) -> None:
        """Tell the answer under way that nobody listens: uvicorn tells the last request, be there others before it."""
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._head = 0
        self._due = self.loop.call_later(self.seconds, self._close)

    def _heard(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _close(self) -> None:
        self._due = None
        if not self._busy and not self.transport.is_closing():
            self.transport.close()

    def _make_room(self) -> None:
        silent = [other for other in cast("set[Any]", self.connections) if other is not self and not other._busy]
        waiting = [other for other in silent if other._due is not None and not other.transport.is_closing()]
        if waiting:
            min(waiting, key=lambda other: other._due.when())._close()
        elif silent:
            silent[0].transport.close()  # kept open after its last request
        else:
            # By hand: nothing has been read yet, so there is no request for uvicorn to answer.
            self.transport.write(_FULL)
            self.transport.close()


def connection_class(most: int, seconds: float) -> type[Connection]:
    """Return the class for a server that takes `most` connections, and waits so many seconds for a request's head."""
    return type("BoundedConnection", (Connection,), {"most": most, "seconds": seconds})
