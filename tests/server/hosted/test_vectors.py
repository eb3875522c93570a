"""Vectors in the store and in memory: what was kept is found, what changed is seen, and a matrix is read once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from nbassist.documents.chunking import Chunk
from nbassist.server.hosted.search import indexing_leases, vectors
from nbassist.server.hosted.search.passages import SearchQuery, find
from nbassist.server.hosted.search.vector_cache import VectorCache
from nbassist.server.hosted.stores import members, stores
from nbassist.server.store import files
from nbassist.server.store.database import Database

EAST, NORTH, WEST = (vectors.packed(v) for v in ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]))


@pytest.fixture
def database(empty_store_url: str) -> Iterator[Database]:
    made = Database(empty_store_url)
    yield made
    made.close()


def add_file(database: Database, store_id: str, *texts: str) -> str:
    """Add a file of chunks that follow one another, each 10 characters after the one before."""

    def work(connection: Connection) -> str:
        file_id = str(files.create(connection, f"{texts[0]}.txt", "assistants", b"", 1)["id"])
        members.add(connection, store_id, [members.Addition(file_id)], 1)
        waiting = indexing_leases.claim(connection, "test", time.time() + 60, time.time())
        assert waiting is not None
        cuts = [Chunk(text, place * 10, None) for place, text in enumerate(texts)]
        indexing_leases.add_chunks(connection, "test", waiting, 0, cuts)
        indexing_leases.finish(connection, "test", waiting.row["seq"], 1)
        return file_id

    return database.transact(True, work)


def give(database: Database, by_text: dict[str, bytes]) -> None:
    def work(connection: Connection) -> None:
        waiting = vectors.missing(connection, "m", 100)
        vectors.keep(connection, "m", {chunk: by_text[text] for chunk, text in waiting if text in by_text})

    database.transact(True, work)


def nearest(database: Database, cache: VectorCache, store_id: str, meaning: bytes, most: int = 10) -> list[str]:
    query = SearchQuery(["zzz"], most, meanings=[meaning], model="m", cache=cache)
    return [passage.text for passage in database.transact(False, lambda c: find(c, [store_id], query))]


def new_store(database: Database) -> str:
    return str(database.transact(True, lambda connection: stores.create(connection, {}, 1)["id"]))


def test_a_chunk_is_as_near_as_the_nearest_of_its_windows(database: Database) -> None:
    store_id, cache = new_store(database), VectorCache()
    add_file(database, store_id, "two windows")
    add_file(database, store_id, "one window")
    give(database, {"two windows": WEST + EAST, "one window": NORTH})
    assert nearest(database, cache, store_id, EAST) == ["two windows", "one window"]
    assert nearest(database, cache, store_id, NORTH) == ["one window", "two windows"]


def test_what_is_added_deleted_or_comes_again_is_seen_by_a_cache_that_was_filled_before(database: Database) -> None:
    store_id, cache = new_store(database), VectorCache()
    first = add_file(database, store_id, "first")
    give(database, {"first": EAST})
    assert nearest(database, cache, store_id, EAST) == ["first"]
    add_file(database, store_id, "second")
    give(database, {"second": NORTH})
    assert nearest(database, cache, store_id, NORTH) == ["second", "first"]
    database.transact(True, lambda connection: members.delete_file(connection, first))
    assert nearest(database, cache, store_id, EAST) == ["second"]
    # On SQLite the numbers of chunks that were last come again.
    database.transact(True, lambda connection: stores.delete(connection, store_id))
    again = new_store(database)
    add_file(database, again, "third")
    give(database, {"third": WEST})
    assert nearest(database, cache, again, EAST) == ["third"]


def test_a_matrix_is_read_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    store_id, cache = new_store(database), VectorCache()
    add_file(database, store_id, "first")
    give(database, {"first": EAST})
    read: list[int] = []
    since = vectors.since
    monkeypatch.setattr(vectors, "since", lambda *given: read.append(given[3]) or since(*given))
    for _ in range(3):
        assert nearest(database, cache, store_id, EAST) == ["first"]
    assert read == [0]


def test_only_allowed_files_and_vectors_of_this_length_count(database: Database) -> None:
    store_id, cache = new_store(database), VectorCache()
    for name, attributes in (("red", {"colour": "red"}), ("blue", {"colour": "blue"})):
        file_id = add_file(database, store_id, name)
        database.transact(True, lambda c, f=file_id, a=attributes: members.modify(c, store_id, f, a))
    add_file(database, store_id, "of another model")
    give(database, {"red": EAST, "blue": EAST, "of another model": vectors.packed([1.0, 0.0, 0.0])})
    only = {"type": "eq", "key": "colour", "value": "blue"}
    query = SearchQuery(["zzz"], meanings=[EAST], model="m", cache=cache, filter=only)
    assert [p.text for p in database.transact(False, lambda c: find(c, [store_id], query))] == ["blue"]
    assert sorted(nearest(database, cache, store_id, EAST)) == ["blue", "red"]


def test_the_store_that_was_not_asked_for_longest_leaves_the_memory(database: Database) -> None:
    ids, cache = [new_store(database), new_store(database)], VectorCache(most_bytes=8)
    for place, store_id in enumerate(ids):
        add_file(database, store_id, f"of {place}")
        give(database, {f"of {place}": EAST})
    for place in (0, 1, 0):
        assert nearest(database, cache, ids[place], EAST) == [f"of {place}"]
        assert len(cache) == 1


def test_what_chunks_share_is_embedded_once(database: Database) -> None:
    store_id = new_store(database)
    add_file(database, store_id, "one\ntwo three\nfour", "three\nfour\nfive six")
    waiting: Callable[[Connection], Any] = lambda c: [text for _, text in vectors.missing(c, "m", 10)]  # noqa: E731
    assert database.transact(False, waiting) == ["one\ntwo three\nfour", "four\nfive six"]
