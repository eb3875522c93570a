"""Run the server on a socket, until a signal, or until nobody needs it."""

from __future__ import annotations

import asyncio
import copy
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from ..errors import LocalUnavailableError
from .app import create_app
from .config import ServerConfig

_GRACE_SECONDS = 5


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
            host, port = sockets[0].getsockname()[:2]
            self._ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        server = getattr(getattr(self.config.app, "state", None), "server", None)
        if server is not None:
            await server.stop()
        await super().shutdown(sockets)


async def serve(
    config: ServerConfig, host: str, port: int, ready: Callable[[str], None], *, log_level: str = "warning"
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

    Raises
    ------
    OSError
        Where it can't listen there.
    LocalUnavailableError
        Where it does not start, as with a store that can't be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it, each small event waits 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        app = create_app(config, on_idle=lambda: setattr(server, "should_exit", True))
        settings = uvicorn.Config(
            app,
            lifespan="on",
            log_level=log_level,
            log_config=_logging(log_level),
            access_log=log_level in ("info", "debug"),
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = _Uvicorn(settings, ready)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            server.should_exit = True
            await task
            raise


def _logging(level: str) -> dict[str, Any]:
    """uvicorn's own, but for requests, which it logs to standard output: that is for the URL, and may not be read."""
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    config["handlers"]["access"]["stream"] = "ext://sys.stderr"
    config["loggers"]["nbassist"] = {"handlers": ["default"], "level": level.upper()}
    return config
