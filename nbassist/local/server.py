"""What lives as long as the server, and what every route needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request

from .config import ServerConfig
from .refusals import not_found
from .runner import Runner
from .store.database import Database
from .text import IDENTIFIER
from .upstream import UpstreamClient


class Server:
    """The parts of one running server; `on_idle` is called once when nobody has needed it for long enough."""

    def __init__(self, config: ServerConfig, database: Database, on_idle: Callable[[], None] | None) -> None:
        self.config = config
        self.limits = config.limits
        self.database = database
        self.client = UpstreamClient(config.upstream)
        self.runner = Runner(database, self.client, config.limits)
        self.stopping = asyncio.Event()
        self.leases = 0
        """How many kernels hold the server open."""
        self.needed_at = time.monotonic()
        self._on_idle = on_idle
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look after the store."""
        self._tasks.append(asyncio.create_task(self.runner.keep()))
        if self.config.exit_when_idle is not None and self._on_idle is not None:
            self._tasks.append(asyncio.create_task(self._watch(self.config.exit_when_idle, self._on_idle)))

    async def stop(self) -> None:
        """End what is under way and let everything go; a second call does nothing."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.runner.close()
        await self.client.close()

    async def _watch(self, seconds: float, on_idle: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(min(1.0, seconds / 4))
            if self.leases or self.runner.active:
                self.needed_at = time.monotonic()
            elif time.monotonic() - self.needed_at >= seconds:
                on_idle()
                return


def server_of(request: Request) -> Server:
    """Return the server that answers `request`, which thereby is needed."""
    server: Server = request.app.state.server
    server.needed_at = time.monotonic()
    return server


def path_id(request: Request, name: str, noun: str) -> str:
    """Return an id from the path of a request.

    Raises
    ------
    ApiError
        Of status 404 where it can't be one, so that the store is not asked for it.
    """
    identifier = str(request.path_params[name])
    if not IDENTIFIER.fullmatch(identifier):
        raise not_found(noun, identifier)
    return identifier


def now() -> int:
    """Return the time as the wire has it: whole seconds since 1970."""
    return int(time.time())
