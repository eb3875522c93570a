"""Reading in the background: resumed after a kill, taken by one server alone, thrown away with its store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from sqlalchemy import func, select, text

from nbassist.documents.chunking import Chunk
from nbassist.server.hosted.search import fulltext_index, indexer, indexing_leases
from nbassist.server.hosted.search.indexer import Indexer
from nbassist.server.hosted.search.passages import SearchQuery, find
from nbassist.server.hosted.stores import members, stores
from nbassist.server.hosted.tables import chunks, store_files
from nbassist.server.store import files
from nbassist.server.store.database import Database


@pytest.fixture
def database(empty_store_url: str) -> Iterator[Database]:
    found = Database(empty_store_url)
    yield found
    found.close()


def added(database: Database, *contents: bytes) -> str:
    """Return the id of a store with such files, none of them read."""

    def work(connection: Any) -> str:
        store_id = stores.create(connection, {}, 1)["id"]
        ids = [files.create(connection, f"{n}.txt", "assistants", c, 1)["id"] for n, c in enumerate(contents)]
        members.add(connection, store_id, [members.Addition(file_id) for file_id in ids], 1)
        return str(store_id)

    return database.transact(True, work)


def read_all(database: Database, store_id: str) -> None:
    async def work() -> None:
        reader = Indexer(database, look_seconds=0.01)
        keeping = asyncio.create_task(reader.keep())
        assert await reader.settled([store_id], 30) == 0
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(work())


def number_of(database: Database, table: Any) -> int:
    return database.transact(
        False, lambda connection: connection.execute(select(func.count()).select_from(table)).scalar()
    )


def words_kept(database: Database) -> int:
    return database.transact(
        False, lambda connection: connection.execute(text("SELECT count(*) FROM chunk_words")).scalar()
    )


def test_a_file_of_which_a_killed_server_read_a_part_is_read_anew_and_found_once(database: Database) -> None:
    store_id = added(database, b"Bees make honey.")
    now = time.time()
    waiting = database.transact(True, lambda connection: indexing_leases.claim(connection, "killed", now - 1, now - 60))
    assert waiting is not None
    half = [Chunk("Bees make", 0, None)]
    assert database.transact(True, lambda c: indexing_leases.add_chunks(c, "killed", waiting, 0, half))
    wanted = SearchQuery(["bees"])
    assert database.transact(False, lambda connection: find(connection, [store_id], wanted)) == []
    read_all(database, store_id)
    [found] = database.transact(False, lambda connection: find(connection, [store_id], wanted))
    assert found.text == "Bees make honey."
    # The killed one, should it come back, writes nothing more.
    assert not database.transact(True, lambda c: indexing_leases.add_chunks(c, "killed", waiting, 1, half))
    database.transact(
        True, lambda connection: indexing_leases.finish(connection, "killed", waiting.row["seq"], 0, {"code": "x"})
    )
    assert database.transact(False, lambda c: stores.tallies(c, [store_id]))[store_id][0] == {"completed": 1}


def test_of_two_servers_each_takes_other_files(database: Database) -> None:
    added(database, b"one", b"two")
    now = time.time()
    taken = [
        database.transact(True, lambda connection, name=name: indexing_leases.claim(connection, name, now + 30, now))
        for name in ("one", "two", "three")
    ]
    assert [waiting and waiting.content for waiting in taken] == [b"one", b"two", None]


def test_nothing_is_left_of_what_was_read_for_a_store_that_is_deleted(database: Database) -> None:
    store_id = added(database, b"Bees make honey.", b"Cows give milk.")
    read_all(database, store_id)
    assert (number_of(database, chunks), words_kept(database)) == (2, 2)
    database.transact(True, lambda connection: stores.delete(connection, store_id))
    assert number_of(database, store_files) == number_of(database, chunks) == words_kept(database) == 0
    assert database.transact(False, lambda connection: fulltext_index.search(connection, ["s1"], ["bees"], 10)) == []


def test_a_cancelled_batch_leaves_the_files_that_were_not_read_cancelled(database: Database) -> None:
    def work(connection: Any) -> tuple[str, str]:
        store_id = stores.create(connection, {}, 1)["id"]
        file_id = files.create(connection, "a.txt", "assistants", b"words", 1)["id"]
        return store_id, members.create_batch(connection, store_id, [members.Addition(file_id)], 1)["id"]

    store_id, batch_id = database.transact(True, work)
    row = database.transact(True, lambda connection: members.cancel_batch(connection, store_id, batch_id))
    assert row["cancelled"]
    assert database.transact(False, lambda c: members.batch_states(c, batch_id)) == {"cancelled": 1}
    assert not database.transact(False, lambda connection: indexing_leases.any_waiting(connection, time.time()))


def test_a_run_is_answered_while_a_file_is_being_read(
    config: Any, run_server: Any, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    reading = indexer.read_file

    async def slowly(*given: Any) -> Any:
        await asyncio.to_thread(may_go_on.wait, 60)
        return await reading(*given)

    monkeypatch.setattr(indexer, "read_file", slowly)
    with run_server(config) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK, of the Assistants API
        client = server.client
        store = client.vector_stores.create()
        client.vector_stores.files.upload(vector_store_id=store.id, file=("bees.txt", b"Bees make honey."))
        assistant = client.beta.assistants.create(model="m")
        upstream.says("Hello.")
        message: Any = {"role": "user", "content": "Hi"}
        run = client.beta.threads.create_and_run_poll(assistant_id=assistant.id, thread={"messages": [message]})
        assert run.status == "completed"
        assert client.vector_stores.retrieve(store.id).file_counts.in_progress == 1
        may_go_on.set()


def test_a_server_that_is_killed_while_it_reads_goes_on_after_its_start(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    # Long enough to be killed in the middle of it, on any machine.
    text_ = b"".join(b"Line %d is about bees and honey.\n" % number for number in range(150_000))
    with served(store) as (client, process):
        store_id = client.vector_stores.create().id
        client.vector_stores.files.upload(vector_store_id=store_id, file=("bees.txt", text_))
        process.kill()
    with closing(sqlite3.connect(store)) as database, database:
        [(status,)] = database.execute("SELECT status FROM vector_store_files").fetchall()
        assert status == "in_progress"
        # The lease of the dead server ends by itself after half a minute.
        database.execute("UPDATE vector_store_files SET lease_until = 0 WHERE lease_until IS NOT NULL")
    with served(store) as (client, _):
        deadline = time.monotonic() + 120
        while client.vector_stores.retrieve(store_id).file_counts.completed != 1:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        found = client.vector_stores.search(store_id, query="Line 149999", max_num_results=1).data
        assert "Line 149999" in found[0].content[0].text


@contextmanager
def served(store: str) -> Iterator[tuple[openai.OpenAI, subprocess.Popen[str]]]:
    """A server in a process of its own, which may be killed."""
    command = [sys.executable, "-m", "nbassist", "serve", "--store", store, "--embeddings", "none"]
    command += ["--upstream", "http://127.0.0.1:9/v1"]
    environ = {**os.environ, "NBASSIST_SERVE_TOKEN": "key"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        try:
            with openai.OpenAI(base_url=process.stdout.readline().strip(), api_key="key") as client:
                yield client, process
        finally:
            process.terminate()
            process.communicate(timeout=60)
