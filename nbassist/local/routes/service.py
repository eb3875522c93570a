"""What is no object of the API: whether the server lives, and who holds it open."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ... import __version__
from ..server import Server, server_of
from ..stream import client_left


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


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


routes = [Route("/health", health, methods=["GET"]), Route("/lease", lease, methods=["GET"])]
