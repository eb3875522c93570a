"""Reads the files that were added to vector stores, in the background, and then gives their chunks vectors.

What is waiting stands in the store, so a server that was killed goes on where it was: with the file that it read, from
its beginning, and with the chunks that have no vector yet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from ....documents.chunking import Chunk, cut
from ....documents.reader import Page, ReadingLimits, UnreadableFileError, read_file
from ...store import files
from ...store.database import Database
from ..stores import members, stores
from . import indexing_leases, vectors
from .embedding import Embedder, EmbeddingError

log = logging.getLogger("nbassist.server")

_AT_ONCE = 200
"""Chunks of one transaction: a file of thousands must not keep a run's writes waiting."""
_LEASE_SECONDS = 30.0
_VECTORS_AT_ONCE = 8
_PAUSE = 30.0
"""Seconds after which an embedder that failed is asked again."""


class Indexer:
    """The reading of files of one server; `wake` after a file was added here, for others are looked for now and then.

    Parameters
    ----------
    embedder : Embedder, optional
        What gives chunks their vectors.
    look_seconds : float
        How often it looks for files that other servers took in, or left behind.
    """

    def __init__(
        self,
        database: Database,
        embedder: Embedder | None = None,
        look_seconds: float = 1.0,
        limits: ReadingLimits | None = None,
    ) -> None:
        self._owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(6)}"
        self._database = database
        self._embedder = embedder
        self._look_seconds = look_seconds
        self._limits = limits
        self._news = asyncio.Event()
        self._done = asyncio.Condition()
        self._embedded: tuple[int, ...] = ()
        """What stood in the store when every chunk had its vectors."""

    def wake(self) -> None:
        """Look for files now."""
        self._news.set()

    async def settled(self, store_ids: list[str], seconds: float) -> int:
        """Wait until the files of those stores are read, but no longer than that; return how many are not."""
        deadline = time.monotonic() + seconds
        while left := await self._database.read(indexing_leases.being_read, store_ids):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return left
            try:
                # Another server may read them, of which nothing is heard here: looked at anew each second.
                async with asyncio.timeout(min(remaining, 1.0)), self._done:
                    await self._done.wait()
            except TimeoutError:
                continue
        return 0

    async def keep(self) -> None:
        """Read what waits, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forever(self._read_all, self._look_seconds))
            if self._embedder is not None:
                group.create_task(self._forever(self._embed_all, self._look_seconds))

    async def _forever(self, work: Callable[[], Awaitable[bool]], pause: float) -> None:
        while True:
            try:
                more = await work()
            except SQLAlchemyError as error:
                log.error("the store failed while files were read; it is asked again: %s", type(error).__name__)
                more = False
            except EmbeddingError as error:
                log.warning("no vectors for now, so files are found by their words: %s", error)
                await asyncio.sleep(_PAUSE)
                continue
            if more:
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                continue
            self._news.clear()

    async def _read_all(self) -> bool:
        """Read one file, or let expired stores go; return whether there was anything to do."""
        now = time.time()
        if await self._database.read(stores.any_expired, int(now)):
            await self._database.write(stores.expire, int(now))
        if await self._database.read(files.expired, int(now)):
            await self._database.write(members.expire_files, int(now))
        # A glance first: an idle server writes nothing.
        if not await self._database.read(indexing_leases.any_waiting, now):
            return False
        waiting = await self._database.write(indexing_leases.claim, self._owner, now + _LEASE_SECONDS, now)
        if waiting is None:
            return False
        await self._read(waiting)
        async with self._done:
            self._done.notify_all()
        return True

    async def _read(self, waiting: indexing_leases.Waiting) -> None:
        seq = waiting.row["seq"]
        keeping = asyncio.create_task(self._hold(seq))
        try:
            size = await self._index(waiting)
            await self._database.write(indexing_leases.finish, self._owner, seq, size)
        except UnreadableFileError as error:
            await self._fail(seq, error.code, str(error))
        # Whatever a file does to us, the next one is read.
        except (OSError, ValueError, MemoryError) as error:
            log.error("a file of a vector store could not be read", exc_info=error)
            await self._fail(seq, "server_error", "This server failed while it read the file; its log says why.")
        finally:
            keeping.cancel()

    async def _hold(self, seq: int) -> None:
        while True:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            await self._database.write(indexing_leases.renew, self._owner, seq, time.time() + _LEASE_SECONDS)

    async def _fail(self, seq: int, code: str, message: str) -> None:
        error = {"code": code, "message": message[:500]}
        await self._database.write(indexing_leases.finish, self._owner, seq, 0, error)

    async def _index(self, waiting: indexing_leases.Waiting) -> int:
        """Cut a file and add its chunks; return the bytes that they take."""
        if waiting.content is None:
            raise UnreadableFileError("invalid_file", "the file was deleted")
        pages = await read_file(waiting.name, waiting.content, self._limits)
        numbers = waiting.row["chunking_strategy"]["static"]
        # In a thread: cutting twenty million characters takes seconds.
        found = await asyncio.to_thread(_all, pages, numbers)
        for first in range(0, len(found), _AT_ONCE):
            part = found[first : first + _AT_ONCE]
            if not await self._database.write(indexing_leases.add_chunks, self._owner, waiting, first, part):
                return 0
        return sum(len(chunk.text.encode()) for chunk in found) or 1

    async def _embed_all(self) -> bool:
        """Give some chunks their vectors; return whether there were any without."""
        embedder = self._embedder
        if embedder is None or not await embedder.ready():
            return False
        # A glance first: whether any chunk is without is known by looking at all of them.
        stands = await self._database.read(vectors.stand)
        if stands == self._embedded:
            return False
        found = await self._database.read(vectors.missing, embedder.model, _VECTORS_AT_ONCE)
        if not found:
            self._embedded = stands
            return False
        made = await embedder.embed([text for _, text in found])
        kept: Mapping[int, bytes] = {chunk: vector for (chunk, _), vector in zip(found, made, strict=True)}
        await self._database.write(vectors.keep, embedder.model, kept)
        return True


def _all(pages: list[Page], numbers: Mapping[str, int]) -> list[Chunk]:
    return list(cut(pages, numbers["max_chunk_size_tokens"], numbers["chunk_overlap_tokens"]))
