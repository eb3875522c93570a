"""The server as an ASGI application: routes, their guard, and what a client is told when something goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount

from .config import ServerConfig
from .refusals import ApiError
from .routes import assistants, chat, files, runs, service, threads
from .security import Guard
from .server import Server
from .store.database import Database

log = logging.getLogger("nbassist.local")


def create_app(config: ServerConfig, *, on_idle: Callable[[], None] | None = None) -> Starlette:
    """Return the server; its store is opened when it starts (lifespan).

    Parameters
    ----------
    config : ServerConfig
        See there.
    on_idle : callable, optional
        Called once, after `config.exit_when_idle` seconds in which nobody needed the server; it is to end the process.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        database = await asyncio.to_thread(Database, config.store_url)
        app.state.server = server = Server(config, database, on_idle)
        server.start()
        try:
            yield
        finally:
            await server.stop()
            await asyncio.to_thread(database.close)

    # `/threads/runs` comes before `/threads/{thread_id}`.
    api: list[BaseRoute] = [*assistants.routes, *runs.routes, *threads.routes, *files.routes, *chat.routes]
    guard = Middleware(
        Guard, token=config.token, allowed_hosts=config.allowed_hosts, allowed_origins=config.allowed_origins
    )
    return Starlette(
        routes=[*service.routes, Mount("/v1", routes=api)],
        middleware=[guard],
        exception_handlers={
            ApiError: _refuse,
            HTTPException: _no_such_route,
            ClientDisconnect: _nobody_listens,
            SQLAlchemyError: _store_failed,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


async def _refuse(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, ApiError) else ApiError(str(error))
    return JSONResponse(refusal.to_dict(), refusal.status)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    words = "Not allowed to" if status == 405 else "Invalid URL"
    hint = "" if request.url.path.startswith("/v1/") else ": the base URL of this server ends in /v1"
    refusal = ApiError(f"{words} ({request.method} {request.url.path}){hint}", status=status)
    headers = getattr(error, "headers", None)
    return JSONResponse(refusal.to_dict(), status, headers)


async def _nobody_listens(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _store_failed(request: Request, error: Exception) -> Response:
    # The statement in the error's text may hold what a client wrote, so only its cause is logged.
    log.error("the store failed: %s", getattr(error, "orig", None) or type(error).__name__)
    refusal = ApiError("The server's store can't be used just now; its log says why.", status=503)
    return JSONResponse(refusal.to_dict(), 503)


async def _failed(request: Request, error: Exception) -> Response:
    refusal = ApiError("The server had an error while processing your request. Sorry about that!", status=500)
    return JSONResponse(refusal.to_dict(), 500)
