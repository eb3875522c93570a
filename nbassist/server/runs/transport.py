"""The way to an upstream whose answers are parsed in C, where aiohttp is installed: for `http://`, without a proxy.

A local engine streams faster than pure Python reads its chunks. Everything else goes over httpx2's own transport.
"""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import httpx2

from .coalescing import joined

try:
    import aiohttp
    from yarl import URL
except ImportError:
    aiohttp = None  # type: ignore[assignment,unused-ignore]


_JOINS = "nbassist_joins"
"""Among the extensions of an answer whose pieces are joined as they come."""
_LONGEST_LINE = 64 * 1024
"""Bytes of a line in the head of an answer, as httpx2 takes them."""


def mounts(idle_seconds: float) -> dict[str, httpx2.AsyncBaseTransport]:
    """Return the transports for `httpx2.AsyncClient(mounts=…)`; none where there is no aiohttp, or a proxy is set."""
    if aiohttp is None or {"http", "all"} & urllib.request.getproxies().keys():
        return {}
    return {"http://": FastTransport(idle_seconds)}


def pieces_of(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """Yield the body of an answer, what came together as one piece, whichever transport it came by."""
    pieces: AsyncGenerator[bytes, None] = response.aiter_bytes()
    return pieces if _JOINS in response.extensions else joined(pieces)


class FastTransport(httpx2.AsyncBaseTransport):
    """aiohttp's client as a transport of httpx2's; a connection is kept for `idle_seconds`."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._session: Any = None
        self._bodies: WeakSet[_Body] = WeakSet()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return its answer as soon as its head is there."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=self._idle_seconds)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),  # what one client's request brought is nothing for the next one's
                auto_decompress=False,
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_LINE,
            )
        given = request.extensions.get("timeout", {})
        limits = aiohttp.ClientTimeout(total=None, sock_connect=given.get("connect"), sock_read=given.get("read"))
        with _errors(request):
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=limits,
            )
        body = _Body(answer, request)
        self._bodies.add(body)
        return httpx2.Response(answer.status, headers=list(answer.raw_headers), stream=body, extensions={_JOINS: True})

    async def aclose(self) -> None:
        """Close all connections; who reads on one is told."""
        for body in self._bodies:
            body.end()
        if self._session is not None:
            await self._session.close()


class _Body(httpx2.AsyncByteStream):
    """The body of an answer; what came together is one piece."""

    def __init__(self, answer: Any, request: httpx2.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._answer.content
        with _errors(self._request):
            try:
                async for piece in content.iter_any():
                    yield piece
            except aiohttp.ClientError:
                # Where a connection breaks, aiohttp lets go what it has read and not handed on; what came counts.
                if rest := content._read_nowait(-1):
                    yield rest
                raise

    def end(self) -> None:
        """Have it end in an error: aiohttp would leave its reader waiting when it closes the connection."""
        if not self._answer.content.is_eof():
            self._answer.content.set_exception(aiohttp.ClientConnectionError("it was closed here"))

    async def aclose(self) -> None:
        """Give the connection back where all was read, else close it."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


@contextmanager
def _errors(request: httpx2.Request) -> Iterator[None]:
    """Raise httpx2's errors in place of aiohttp's."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error), request=request) from error
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error), request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error), request=request) from error
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as error:
        raise httpx2.RemoteProtocolError(str(error), request=request) from error
    except aiohttp.ClientError as error:
        raise httpx2.ReadError(str(error), request=request) from error
