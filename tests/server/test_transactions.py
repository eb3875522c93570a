"""Transactions from an event loop: together on SQLite, an error its own alone, never left half waited for."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, text
from sqlalchemy.exc import OperationalError

from nbassist.server.store import begun_runs, leased_writes
from nbassist.server.store.database import Database
from nbassist.server.store.leased_writes import LeaseLostError
from nbassist.server.store.run_ending import RunEnding, as_it_stands, end_in_one
from nbassist.server.store.schema import assistants, messages, runs, steps, threads


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Have a test that is a coroutine run by a loop of its own."""

    @wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


@pytest.fixture
def database(empty_store_url: str) -> Iterator[Database]:
    found = Database(empty_store_url)
    yield found
    found.close()


def _add(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(text("INSERT INTO threads (id, created_at, metadata) VALUES (:id, 1, '{}')"), {"id": name})
        return name

    return work


def _ids(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT id FROM threads ORDER BY id")).scalars())


class _Gate:
    """Work that keeps the writer until it is let go."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.reached.set()
        assert self.open.wait(60)

    async def until_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 60)


@on_a_loop
async def test_of_what_is_written_together_an_error_takes_back_its_own_alone(database: Database) -> None:
    def fails(connection: Connection) -> None:
        _add("taken back")(connection)
        raise LookupError("not there")

    gate = _Gate()
    kept = asyncio.create_task(database.write(gate))
    await gate.until_reached()
    waiting = [asyncio.create_task(database.write(work)) for work in (_add("a"), fails, _add("b"), _add("a"))]
    # None is done before the gate opens, on either store: on SQLite they wait behind it, on PostgreSQL `a` may be.
    await asyncio.sleep(0)
    gate.open.set()
    first, error, second, twice = await asyncio.gather(*waiting, return_exceptions=True)
    await kept
    assert {first, second, twice} >= {"b"}
    assert isinstance(error, LookupError)
    assert sum(isinstance(one, Exception) for one in (first, twice)) == 1  # the id is there once
    assert await database.read(_ids) == ["a", "b"]


@on_a_loop
async def test_work_that_ends_an_iteration_is_an_error_and_keeps_nobody_waiting(database: Database) -> None:
    def fails(_connection: Connection) -> None:
        next(iter(()))

    failed, kept = await asyncio.gather(database.write(fails), database.write(_add("a")), return_exceptions=True)
    assert isinstance(failed, RuntimeError)
    assert kept == "a"


@on_a_loop
async def test_what_waits_for_sqlite_is_one_transaction(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    begun: list[object] = []
    event.listen(database.engine, "begin", begun.append)
    gate = _Gate()
    kept = asyncio.create_task(database.write(gate))
    await gate.until_reached()
    waiting = [asyncio.create_task(database.write_as("somebody", _add(name))) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    gate.open.set()
    assert await asyncio.gather(*waiting) == ["a", "b", "c"]
    await kept
    assert len(begun) == 2
    database.close()


@on_a_loop
async def test_on_a_full_disk_what_fits_is_written_beside_what_does_not(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")

    @event.listens_for(database.engine, "connect")
    def make_small(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA max_page_count=120")

    database.engine.dispose()

    def too_much(connection: Connection) -> None:
        # SQLite takes back the whole transaction by itself, with the savepoint that this is done in.
        _add("x" * 1_000_000)(connection)

    gate = _Gate()
    kept = asyncio.create_task(database.write(gate))
    await gate.until_reached()
    waiting = [asyncio.create_task(database.write(work)) for work in (_add("a"), too_much, _add("b"))]
    await asyncio.sleep(0)
    gate.open.set()
    first, error, second = await asyncio.gather(*waiting, return_exceptions=True)
    await kept
    assert (first, second) == ("a", "b")
    assert isinstance(error, OperationalError)
    assert "full" in str(error.orig)
    assert await database.read(_ids) == ["a", "b"]
    database.close()


@on_a_loop
async def test_a_store_that_fails_at_the_end_of_a_transaction_tells_all_whose_work_is_lost(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    gate, commits = _Gate(), iter(range(3))

    @event.listens_for(database.engine, "commit")
    def fail(_connection: Connection) -> None:
        if next(commits) == 1:  # the first is the gate's
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    kept = asyncio.create_task(database.write(gate))
    await gate.until_reached()
    waiting = [asyncio.create_task(database.write(_add(name))) for name in ("a", "b")]
    await asyncio.sleep(0)
    gate.open.set()
    await kept
    lost = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, OperationalError) for one in lost)
    assert await database.read(_ids) == []
    database.close()


@on_a_loop
async def test_a_cancelled_caller_waits_for_the_end_of_its_transaction_however_often(database: Database) -> None:
    gate = _Gate()

    def work(connection: Connection) -> None:
        gate(connection)
        _add("written")(connection)

    waiting = asyncio.create_task(database.write(work))
    await gate.until_reached()
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await database.read(_ids) == ["written"]


@pytest.mark.parametrize("writes", [True, False])
@on_a_loop
async def test_an_error_that_nobody_waits_for_any_more_is_not_logged_as_forgotten(
    database: Database, writes: bool
) -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    gate = _Gate()

    def fails(connection: Connection) -> None:
        gate(connection)
        raise LookupError("not there")

    waiting = asyncio.create_task(database.write(fails) if writes else database.read(fails))
    await gate.until_reached()
    waiting.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    with suppress(asyncio.CancelledError):
        await waiting
    # The last transaction has ended once one behind it has, and the error is in a future that nobody holds.
    await database.write(_add("later"))
    await asyncio.to_thread(database.close)
    await asyncio.sleep(0)
    gc.collect()
    assert told == []


@pytest.mark.postgres
@on_a_loop
async def test_connections_that_a_restart_of_postgresql_left_dead_cost_no_request(
    postgres: Callable[[], str],
) -> None:
    url = postgres()
    database = Database(url)
    await asyncio.gather(*(database.write(_add(name)) for name in "abc"))
    other = create_engine(url)
    with other.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
        connection.execute(text(ended + "current_database()"))
    other.dispose()
    assert await asyncio.gather(*(database.write(_add(name)) for name in "defg")) == list("defg")
    assert await database.read(_ids) == list("abcdefg")
    database.close()


@pytest.fixture(scope="module", autouse=True)  # before the server, whose connections it is to hear
def heard() -> Iterator[list[tuple[object, str]]]:
    """All statements of the stores that are opened after this, each with the transaction that it stands in.

    The drivers tell, since most of what a run writes goes past SQLAlchemy.
    """
    said: list[tuple[object, str]] = []
    postgresql = pytest.MonkeyPatch()

    def hear(cursor: Any, statement: Any, *given: Any, **named: Any) -> Any:
        # One that commits by itself is a transaction of its own.
        said.append((object() if cursor.connection.autocommit else cursor.connection, " ".join(str(statement).split())))
        return execute(cursor, statement, *given, **named)

    with suppress(ImportError):  # not there with the oldest versions, where no test asks for it
        import psycopg

        execute = psycopg.Cursor.execute
        postgresql.setattr(psycopg.Cursor, "execute", hear)

    def trace(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        number = itertools.count()
        transaction: list[object] = [None]

        def take(statement: str) -> None:
            if statement.startswith("BEGIN"):
                transaction[0] = connection, next(number)
            said.append((transaction[0], " ".join(statement.split())))

        connection.set_trace_callback(take)

    event.listen(Engine, "connect", trace)
    yield said
    postgresql.undo()
    event.remove(Engine, "connect", trace)


def test_what_a_run_writes_does_not_hang_on_how_long_its_reply_is(
    heard: list[tuple[object, str]], server: Any, http: Any, upstream: Any
) -> None:
    """What a run costs the store is what the server's rate hangs on."""
    assistant = http.post("/assistants", json={"model": "m"}).json()["id"]
    body = {"assistant_id": assistant, "stream": True, "thread": {"messages": [{"role": "user", "content": "Hi"}]}}
    for words in (1, 300):
        upstream.says(*["word "] * words)
        heard.clear()
        assert "thread.run.completed" in http.post("/threads/runs", json=body).text
        written = [statement for _, statement in heard]
        # A statement that changes several tables counts for each.
        assert sum(one.count("INSERT INTO ") for one in written) == 5  # thread, message, run; step and message
        # It has begun as it was made. The server renews its leases besides, and writes what a long reply has grown by,
        # both now and then.
        assert sum(one.count("UPDATE runs SET status") for one in written) == 1
        assert sum(one.count("UPDATE steps SET status") for one in written) == 1
        assert sum(one.count("UPDATE messages SET status") for one in written) == 1


def test_a_streamed_run_takes_three_transactions(
    heard: list[tuple[object, str]], server: Any, http: Any, upstream: Any
) -> None:
    """One that makes and begins it, one for its message, one for its end; each is one statement on PostgreSQL."""
    assistant = http.post("/assistants", json={"model": "m"}).json()["id"]
    body = {"assistant_id": assistant, "stream": True, "thread": {"messages": [{"role": "user", "content": "Hi"}]}}
    marks = "INSERT INTO runs", "INSERT INTO messages", "UPDATE runs SET status"
    heard.clear()
    assert "thread.run.completed" in http.post("/threads/runs", json=body).text
    written = [(transaction, statement) for transaction, statement in heard if any(mark in statement for mark in marks)]
    # The transactions are held in the list, so that no other has the number of one that is gone.
    assert len({id(transaction) for transaction, _ in written}) == 3
    if server.config.store_url.startswith("postgresql"):
        assert [statement[:5] for _, statement in written] == ["WITH "] * 3


@pytest.mark.postgres
def test_a_statement_that_was_done_before_its_connection_was_lost_may_be_sent_again(
    postgres: Callable[[], str],
) -> None:
    database = Database(postgres())
    made = {"id": "asst", "created_at": 1, "model": "m", "tools": [], "metadata": {}, "response_format": "auto"}
    database.transact(True, lambda found: found.execute(insert(assistants), {**made, "deleted": False, "owner": ""}))
    said = [{"id": "msg_1", "role": "user", "content": [], "attachments": None, "metadata": {}}]
    settings = {"id": "run", "assistant_id": "asst", "instructions": "Be brief."}
    new = {"id": "thread"}, said, settings, 1, 9, {"lease_owner": "me", "lease_until": 9.0}, ()
    for _ in range(2):
        thread, queued, material = database.transact(True, lambda found: begun_runs.create(found, *new))
        assert (thread["id"], queued["status"], material.run["status"]) == ("thread", "queued", "in_progress")
    run = material.run
    for _ in range(2):
        step, _ = database.transact(
            True, lambda found: leased_writes.open_message(found, run, "me", "step", "msg_2", 2)
        )
        assert step["status"] == "in_progress"
    with pytest.raises(LeaseLostError):
        database.transact(True, lambda found: leased_writes.open_message(found, run, "another", "s", "m", 2))
    counts = [select(func.count()).select_from(table) for table in (threads, messages, runs, steps)]
    assert [database.transact(False, lambda found, one=one: found.execute(one).scalar()) for one in counts] == [
        1,
        2,
        1,
        1,
    ]
    how: dict[str, Any] = {"owner": "me", "step_id": "step", "before": (), "said": {"content": []}}
    # Not as it is said to be: there is no such step, there are more of them, it is another's.
    for wrong in ({"step_id": "other"}, {"before": [{"usage": None}]}, {"owner": "another"}):
        assert _ended(database, {**how, **wrong}) is None
    ending = _ended(database, how)
    assert ending is not None
    assert [row["id"] for row in (*ending.messages, *ending.steps)] == ["msg_2", "step"]
    stored = database.transact(False, lambda found: as_it_stands(found, "run"))
    assert stored is not None
    assert dict(stored.run) == ending.run  # types and all
    assert [dict(row) for row in stored.messages] == [dict(row) for row in ending.messages]
    assert [dict(row) for row in stored.steps] == [dict(row) for row in ending.steps]
    assert _ended(database, how) is None
    database.close()


def _ended(database: Database, how: dict[str, Any]) -> RunEnding | None:
    return database.transact(True, lambda found: end_in_one(found, "run", "completed", 3, **how))
