"""Run the server on a socket, until a signal, or until nobody needs it."""

from __future__ import annotations

import asyncio
import copy
import math
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

from ..errors import LocalUnavailableError
from .app import create_app
from .config import ServerConfig
from .connections import connection_class
from .observe.middleware import is_told

_GRACE_SECONDS = 2  # for what is under way, and for answers that are being sent; a signal ends all within 5


class _Uvicorn(uvicorn.Server):
    """uvicorn, which tells when it listens, and ends the answers that never end before it waits for all of them."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's way to say that the lifespan failed
            raise LocalUnavailableError("the server did not start; its log says why") from error
        if self.started and sockets:
            self._ready(base_url(sockets[0]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        server = getattr(getattr(self.config.app, "state", None), "server", None)
        # uvicorn would wait for all answers, and a lease is an answer that ends only when the server says so.
        if server is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    await server.stop()
        await super().shutdown(sockets)


async def serve(
    config: ServerConfig,
    host: str,
    port: int,
    ready: Callable[[str], None],
    *,
    log_level: str = "warning",
    log_format: str = "text",
) -> None:
    """Serve until a signal comes, or, with `config.exit_when_idle`, until nobody needs the server.

    A cancellation ends it in order, too.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    ready : callable
        Called once with the base URL, `http://HOST:PORT/v1`, when the server listens.
    log_level : str
        critical, error, warning, info (each request), debug; the log goes to standard error.
    log_format : {"text", "json"}
        Lines for people, or one JSON object a line.

    Raises
    ------
    OSError
        Where it can't listen there.
    LocalUnavailableError
        Where it does not start, as with a store that can't be opened.
    """
    with listen(host, port) as listener:
        await serve_on(config, listener, ready, log_level=log_level, log_format=log_format)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; port 0 takes a free one.

    Raises
    ------
    OSError
        Where it can't listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it, each small event waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A server that is started again need not wait a minute for the old one's connections to be forgotten. On
        # Windows that option lets any program take the port away from us; this one keeps it, and needs no wait.
        kept = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listener.setsockopt(socket.SOL_SOCKET, kept, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the URL of a server on that socket, up to and with `/v1`."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


async def serve_on(
    config: ServerConfig,
    listener: socket.socket,
    ready: Callable[[str], None],
    *,
    log_level: str = "warning",
    log_format: str = "text",
) -> None:
    """Serve on a socket that is bound; see `serve`."""
    app = create_app(config, on_idle=lambda: setattr(server, "should_exit", True))
    settings = uvicorn.Config(
        app,
        lifespan="on",
        log_level=log_level,
        log_config=_logging(log_level, log_format),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        http=connection_class(config.limits.connections, config.limits.header_seconds),
        timeout_keep_alive=math.ceil(config.limits.idle_seconds),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Uvicorn(settings, ready)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        # A cancellation would tear uvicorn out of its shutdown; `should_exit` has it end in order.
        await asyncio.shield(task)
    except asyncio.CancelledError:
        server.should_exit = True
        await task
        raise


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop: uvloop where it is installed, else None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _logging(level: str, form: str) -> dict[str, Any]:
    """All to standard error, since standard output is for the URL, and may not be read."""
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    if form == "json":
        config["formatters"]["default"] = {"()": "nbassist.server.observe.middleware.JsonLines"}
    config["filters"] = {"told": {"()": lambda: is_told}}
    config["handlers"]["default"]["filters"] = ["told"]
    config["loggers"]["nbassist"] = {"handlers": ["default"], "level": level.upper()}
    return config
