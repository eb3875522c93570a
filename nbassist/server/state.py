"""What lives as long as the server, and what every route needs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request

from .access.guard import OWNER
from .api.errors import not_found
from .config import LOCAL, ServerConfig
from .hosted.interpreter.kernels import Kernels
from .hosted.search.embedding import Embedder
from .hosted.search.service import FileSearch
from .hosted.stores.resources import Taking
from .observe.metrics import Metrics
from .runs.model_names import ModelNames
from .runs.own_tools import OwnTools
from .runs.upstream_client import UpstreamClient
from .runs.worker import Worker
from .store.database import Database
from .store.queries import OwnedStore
from .text import IDENTIFIER

if TYPE_CHECKING:
    from .engine.llama_cpp import EmbeddingEngine

log = logging.getLogger("nbassist.server")
_MOST_TOLD = 1000


class Server:
    """The parts of one running server; `on_idle` is called once when nobody has needed it for long enough."""

    def __init__(
        self,
        config: ServerConfig,
        database: Database,
        on_idle: Callable[[], None] | None,
        metrics: Metrics | None = None,
    ) -> None:
        self.config = config
        self.limits = config.limits
        self.database = database
        self.client = UpstreamClient(config.upstream)
        self.names = ModelNames(config.upstream.default_model, config.model_map, self.client.model_names)
        self.metrics = metrics
        self.embedding_engine: EmbeddingEngine | None = None
        self.search = FileSearch(database, self._embedder(), config.limits.sweep_seconds)
        self.kernels = None if config.interpreter is None else Kernels(config.interpreter)
        own = OwnTools(database, self.search, config.own_tools, config.upstream.context, self.kernels)
        self.runner = Worker(database, self.client, config.limits, self.names, own, metrics, self.told_once)
        self.stopping = asyncio.Event()
        self.leases = 0
        """How many kernels hold the server open."""
        self.needed_at = time.monotonic()
        self._on_idle = on_idle
        self._told: set[str] = set()
        self._upstream_heard = float("-inf"), ""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look after the store."""
        self._tasks.append(asyncio.create_task(self.runner.keep()))
        self._tasks.append(asyncio.create_task(self.search.indexer.keep()))
        if self.kernels is not None:
            self._tasks.append(asyncio.create_task(self.kernels.keep()))
        if self.config.exit_when_idle is not None and self._on_idle is not None:
            self._tasks.append(asyncio.create_task(self._watch(self.config.exit_when_idle, self._on_idle)))

    async def stop(self) -> None:
        """End what is under way and let everything go; a second call does nothing."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        # The keeper first: it would claim runs again that `close` gives back.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.runner.close()
        if self.kernels is not None:
            await self.kernels.close()
        await self.search.close()
        if self.embedding_engine is not None:
            await asyncio.to_thread(self.embedding_engine.close)
        await self.client.close()

    def _embedder(self) -> Embedder | None:
        model = self.config.embeddings
        if not model:
            return None
        if model == LOCAL:
            from .engine.llama_cpp import EmbeddingEngine

            self.embedding_engine = engine = EmbeddingEngine()
            bearer = {"Authorization": f"Bearer {engine.api_key}"}
            return Embedder(engine.base_url, engine.default_model, bearer, "the local engine")
        return Embedder(self.config.upstream.base_url, model, self.client.headers(), "the upstream")

    def told_once(self, note: str) -> None:
        """Log a note, at the first time as a warning: an old program names the same model in each request."""
        log.log(logging.INFO if note in self._told else logging.WARNING, "%s", note)
        if len(self._told) < _MOST_TOLD:
            self._told.add(note)

    async def upstream_state(self, seconds: float) -> str:
        """Return whether the upstream answers, as heard at most so many seconds ago; for an engine, how far it is."""
        if state := getattr(self.config.upstream, "state", ""):
            return str(state)
        if time.monotonic() - self._upstream_heard[0] > seconds:
            self._upstream_heard = time.monotonic(), "ok" if await self.client.answers() else "unreachable"
        return self._upstream_heard[1]

    async def _watch(self, seconds: float, on_idle: Callable[[], None]) -> None:
        while True:
            # Looked at now and then: a timer would have to be set anew at each request.
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


def store_of(request: Request) -> OwnedStore:
    """Return the store as the owner of the request's token sees it."""
    return OwnedStore(server_of(request).database, request.scope[OWNER])


def taking_of(request: Request) -> Taking:
    """Return how this server takes what a client gives the tools."""
    config = server_of(request).config
    return Taking(config.own_tools, config.hosted_tools != "ignore")


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
