"""What is no object of the API: whether the server lives, and who holds it open."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ... import __version__
from ..state import Server, server_of
from .errors import ApiError
from .event_stream import client_left

_UPSTREAM_SECONDS = 10.0
"""How long what was heard of the upstream is told again: whoever asks here needs no token."""
_STORE_SECONDS = 2.0


async def health(request: Request) -> Response:
    """Tell whether the store and the upstream answer; the status is 503 where the store does not.

    An upstream that does not answer is told, and no more: a new start of this server would not mend it.
    """
    server = server_of(request)
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            await server.database.read(lambda connection: connection.execute(text("SELECT 1")).scalar())
        store = "ok"
    except (SQLAlchemyError, TimeoutError):
        store = "failed"
    upstream = await server.upstream_state(_UPSTREAM_SECONDS)
    status = "failed" if store == "failed" else "degraded" if upstream == "unreachable" else "ok"
    found = {"status": status, "version": __version__, "store": store, "upstream": upstream}
    return JSONResponse(found, 503 if store == "failed" else 200)


async def metrics(request: Request) -> Response:
    found = server_of(request).metrics
    if found is None:
        raise ApiError("This server keeps no metrics: --metrics has it keep them.", status=404)
    found.active(server_of(request).runner.active)
    content, kind = await asyncio.to_thread(found.render)
    return Response(content, media_type=kind)


async def lease(request: Request) -> ASGIApp:
    return _Lease(server_of(request))


class _Lease:
    """An answer that ends when the client leaves or the server stops; until then the server is needed."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._server.leases += 1
        left, stopping = asyncio.create_task(client_left(receive)), asyncio.create_task(self._server.stopping.wait())
        try:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"held\n", "more_body": True})
            await asyncio.wait((left, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not left.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._server.leases -= 1
            for task in (left, stopping):
                task.cancel()


routes = [
    Route("/health", health, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
    Route("/lease", lease, methods=["GET"]),
]
