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
from starlette.routing import BaseRoute, Mount, Router

from .access.guard import Guard
from .access.rewriting import AzurePaths, Forwarded
from .access.tokens import Rates, Tokens
from .api import assistants, files, passthrough, runs, service, threads
from .api.errors import ApiError
from .config import ServerConfig
from .hosted.interpreter import escape_probes
from .hosted.stores import routes as vector_stores
from .observe.metrics import Metrics
from .observe.middleware import Observe
from .state import Server
from .store.database import Database

log = logging.getLogger("nbassist.server")


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
        # Opening may migrate the store.
        if config.interpreter is not None and config.interpreter.is_confined:
            await asyncio.to_thread(escape_probes.check, config.interpreter)
        database = await asyncio.to_thread(Database, config.store_url)
        app.state.server = server = Server(config, database, on_idle, metrics)
        server.start()
        try:
            yield
        finally:
            await server.stop()
            await asyncio.to_thread(database.close)

    # `/threads/runs` comes before `/threads/{thread_id}`.
    api: list[BaseRoute] = [*assistants.routes, *runs.routes, *threads.routes, *files.routes, *passthrough.routes]
    api += vector_stores.routes
    guard = Middleware(
        Guard,
        tokens=Tokens(config.token, config.per_minute),
        rates=Rates(config.workers),
        allowed_hosts=config.allowed_hosts,
        allowed_origins=config.allowed_origins,
    )
    metrics = Metrics() if config.metrics else None
    forwarded = [Middleware(Forwarded, proxies=config.proxies)] if config.proxies else []
    observe = Middleware(Observe, metrics=metrics)
    if config.pass_through:
        api += passthrough.other_routes
    else:  # else a program gets the upstream's own, as it asks for them by name
        api += passthrough.embedding_routes
    # A redirect would name the scheme that is seen here, behind a proxy another one, and clients drop their key on it.
    app = Starlette(
        routes=[*service.routes, Mount("/v1", app=Router(api, redirect_slashes=False))],
        middleware=[*forwarded, observe, Middleware(AzurePaths), guard],
        exception_handlers={
            ApiError: _refuse,
            HTTPException: _no_such_route,
            ClientDisconnect: _nobody_listens,
            SQLAlchemyError: _store_failed,
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


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
    # nginx's number for a client that closed the request; nobody reads it but the log.
    return Response(status_code=499)


async def _store_failed(request: Request, error: Exception) -> Response:
    # The statement in the error's text may hold what a client wrote, so only its cause is logged.
    log.error("the store failed: %s", getattr(error, "orig", None) or type(error).__name__)
    refusal = ApiError("The server's store can't be used just now; its log says why.", status=503)
    return JSONResponse(refusal.to_dict(), 503)


async def _failed(request: Request, error: Exception) -> Response:
    refusal = ApiError("The server had an error while processing your request. Sorry about that!", status=500)
    return JSONResponse(refusal.to_dict(), 500)
