"""File search as the server has it: the files that wait, what gives vectors, and one search."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from ...store.database import Database
from . import passages
from .embedding import Embedder
from .indexer import Indexer
from .passages import Passage, SearchQuery
from .vector_cache import VectorCache

log = logging.getLogger("nbassist.server")

BY_WORDS = "words"
BY_BOTH = "words and vectors"


class FileSearch:
    """What the routes and the runs of one server need of vector stores.

    Parameters
    ----------
    database : Database
        The store.
    embedder : Embedder, optional
        What gives vectors; without one, files are found by their words alone.
    look_seconds : float
        How often it is looked for files that other servers took in.
    """

    def __init__(self, database: Database, embedder: Embedder | None, look_seconds: float = 1.0) -> None:
        self._database = database
        self._embedder = embedder
        self._cache = VectorCache()
        self.indexer = Indexer(database, embedder, look_seconds)

    @property
    def answers_by(self) -> str:
        """By what a search answers now: `words`, or `words and vectors (MODEL, of WHOM)`."""
        embedder = self._embedder
        if embedder is None:
            return BY_WORDS
        if embedder.trouble:
            return f"{BY_WORDS} ({embedder.trouble})"
        return f"{BY_BOTH} ({embedder.model}, {embedder.where})"

    def wake(self) -> None:
        """Read files now that were added."""
        self.indexer.wake()

    async def find(self, store_ids: Collection[str], wanted: SearchQuery) -> list[Passage]:
        """Return the passages of those stores, best first; which way answered is logged."""
        if self._embedder is not None:
            meanings = await self._embedder.embed_queries(wanted.queries)
            wanted = replace(wanted, meanings=meanings, model=self._embedder.model, cache=self._cache)
        found = await self._database.read(passages.find, tuple(store_ids), wanted)
        log.info("file search: %d passages, by %s", len(found), BY_BOTH if wanted.meanings else BY_WORDS)
        return found

    async def close(self) -> None:
        """Close the embedder's connections."""
        if self._embedder is not None:
            await self._embedder.close()
