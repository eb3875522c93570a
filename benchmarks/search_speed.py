"""How long a question of file search takes, without the model that embeds it: by words, and by words and vectors.

    python benchmarks/search_speed.py --quick
    python benchmarks/search_speed.py --chunks 10000 --store postgresql+psycopg://…

The chunks are of words drawn as often as those of a language are, 500 of each, and have four vectors of 384 numbers;
the store is SQLite in a temporary folder, or an empty one that `--store` names. `first` is the first question after a
start, which reads the vectors; the others are the median and the worst of fifty.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from typing import Any

import numpy as np

from nbassist.documents.chunking import Chunk
from nbassist.server.hosted.search import indexing_leases, vectors
from nbassist.server.hosted.search.passages import SearchQuery, find
from nbassist.server.hosted.search.vector_cache import VectorCache
from nbassist.server.hosted.stores import members, stores
from nbassist.server.store import files
from nbassist.server.store.database import Database

WORDS, LONG, WIDTH, WINDOWS, PER_FILE = 40_000, 500, 384, 4, 50
QUESTIONS, ASKED = 50, 7
MODEL = "bench"


class Language:
    """Words by Zipf's law, the commonest first."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(11)
        shares = 1 / np.arange(1, WORDS + 1)
        self._shares = np.cumsum(shares / shares.sum())
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        self._words = ["".join(self.random.choice(letters, self.random.integers(3, 10))) for _ in range(WORDS)]

    def text(self, words: int, rarer_than: int = 0) -> str:
        places = np.searchsorted(self._shares, self.random.random(words))
        return " ".join(self._words[min(int(place) + rarer_than, WORDS - 1)] for place in places)

    def vectors(self, number: int) -> bytes:
        made = self.random.standard_normal((number, WIDTH)).astype("<f4")
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype("<f4").tobytes()


def fill(database: Database, language: Language, wanted: int) -> str:
    store_id: str = database.transact(True, lambda connection: stores.create(connection, {}, 1)["id"])
    for number in range(0, wanted, PER_FILE):
        cuts = [Chunk(language.text(LONG), place * 2500, None) for place in range(PER_FILE)]

        def work(connection: Any, number: int = number, cuts: list[Chunk] = cuts) -> None:
            file_id = files.create(connection, f"{number}.txt", "assistants", b"", 1)["id"]
            members.add(connection, store_id, [members.Addition(file_id)], 1)
            waiting = indexing_leases.claim(connection, "bench", time.time() + 600, time.time())
            assert waiting is not None
            indexing_leases.add_chunks(connection, "bench", waiting, 0, cuts)
            indexing_leases.finish(connection, "bench", waiting.row["seq"], 1)
            added = vectors.missing(connection, MODEL, PER_FILE)
            vectors.keep(connection, MODEL, {chunk: language.vectors(WINDOWS) for chunk, _ in added})

        database.transact(True, work)
    return store_id


def measure(database: Database, store_id: str, language: Language, with_vectors: bool) -> dict[str, float]:
    cache, seconds = VectorCache(), []
    for _ in range(QUESTIONS + 1):
        # As rare as those of real questions: four chunks of ten have one of them.
        meanings = [language.vectors(1)] if with_vectors else []
        query = SearchQuery([language.text(ASKED, rarer_than=600)], 20, meanings=meanings, model=MODEL, cache=cache)
        began = time.perf_counter()
        found = database.transact(False, lambda connection, query=query: find(connection, [store_id], query))
        seconds.append((time.perf_counter() - began) * 1000)
        assert found
    first, *later = seconds
    return {"first ms": first, "median ms": statistics.median(later), "worst ms": max(later)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 chunks")
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--store", default="", metavar="URL")
    options = parser.parse_args()
    wanted = 1_000 if options.quick else options.chunks
    language = Language()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.store or f"sqlite:///{folder}/store.db")
        store_id = fill(database, language, wanted)
        rows = {
            "words": measure(database, store_id, language, False),
            "words and vectors": measure(database, store_id, language, True),
        }
        kind = database.engine.dialect.name
        database.close()
    print(f"{wanted:,} chunks, {kind}\n\n| way | " + " | ".join(rows["words"]) + " |\n|---|---|---|---|")
    for way, figures in rows.items():
        print(f"| {way} | " + " | ".join(f"{value:.1f}" for value in figures.values()) + " |")


if __name__ == "__main__":
    main()
