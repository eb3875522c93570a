"""The way to the store from an event loop: transactions in threads, on SQLite one writer at a time.

SQLite keeps a write-ahead log: what a transaction committed survives the death of the process at any point. (It is
synced to the disk at checkpoints, so a power cut may lose the last transactions, but leaves the file whole.)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from .upgrade import upgrade

P = ParamSpec("P")
T = TypeVar("T")

_BUSY_SECONDS = 30
_WRITES = "nbassist_writes"


class Database:
    """A store by its URL.

    Parameters
    ----------
    url : str
        `sqlite:///FILE` or `postgresql+psycopg://…`; its tables are made or brought up to date at once.

    Raises
    ------
    LocalError
        Where the store is of a later version.
    sqlalchemy.exc.OperationalError
        Where it can't be opened.
    """

    def __init__(self, url: str) -> None:
        self.engine = _sqlite(url) if make_url(url).get_backend_name() == "sqlite" else _server(url)
        try:
            upgrade(self.engine)
        except BaseException:
            self.engine.dispose()
            raise
        alone = self.engine.dialect.name == "sqlite"
        self._writers = ThreadPoolExecutor(1 if alone else 8, "nbassist-store")
        self._readers = ThreadPoolExecutor(2, "nbassist-read") if alone else self._writers

    async def read(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return `work(connection, ...)`, in a transaction that sees one state of the store."""
        return await self._submit(self._readers, False, lambda connection: work(connection, *arguments, **named))

    async def write(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return `work(connection, ...)` once its transaction is committed; an error in it rolls all of it back.

        It is never left half waited for: where the caller is cancelled, the transaction still ends, one way or the
        other, before the cancellation goes on.
        """
        return await self._submit(self._writers, True, lambda connection: work(connection, *arguments, **named))

    async def _submit(self, pool: ThreadPoolExecutor, writes: bool, work: Callable[[Connection], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(pool, self._transact, writes, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if writes:
                await asyncio.wait([future])
            raise

    def _transact(self, writes: bool, work: Callable[[Connection], T]) -> T:
        with self.engine.connect().execution_options(**{_WRITES: writes}) as connection, connection.begin():
            return work(connection)

    def close(self) -> None:
        """Wait for what is under way, and let the store go."""
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def _server(url: str) -> Engine:
    return create_engine(url, pool_size=8, max_overflow=0, pool_pre_ping=True)


def _sqlite(url: str) -> Engine:
    if (file := make_url(url).database) and file != ":memory:":
        # Conversations are nobody else's business; what SQLite puts beside the file gets its mode.
        with suppress(OSError):  # SQLite says the same in its own words
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and then writes fails at once, without waiting, where another process wrote
        # meanwhile; taking the lock at its beginning waits.
        writes = connection.get_execution_options().get(_WRITES, True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
