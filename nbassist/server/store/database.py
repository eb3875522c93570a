"""The way to the store from an event loop: transactions in threads, on SQLite one writer at a time.

SQLite keeps a write-ahead log: what a transaction committed survives the death of the process at any point. (It is
synced to the disk at checkpoints, so a power cut may lose the last transactions, but leaves the file whole.) Not on a
file system of another machine, where that log is none that two machines could share.

The tables are brought up to date by Alembic, which is imported only where there is something to do.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from ...config.paths import is_remote, set_log, takes_no_locks
from ...errors import LocalError
from .writer import OWNER, WRITES, SoleWriter

P = ParamSpec("P")
T = TypeVar("T")

# For another process's transaction; ours take milliseconds, a migration of a large store takes longer.
_BUSY_SECONDS = 30
# Of the log, 4 KB each, before they are copied into the file, which syncs the disk: a run writes some eighty.
_PAGES = 8000


class Database:
    """A store by its URL.

    Parameters
    ----------
    url : str
        `sqlite:///FILE` or `postgresql+psycopg://…`; its tables are made or brought up to date at once.

    Raises
    ------
    LocalError
        Where the store is of a later version, or on a disk without locks.
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
        # PostgreSQL makes a transaction of a statement that comes alone, without two further round trips for its begin
        # and its end.
        self._single = self.engine if alone else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.is_remote = not alone
        """Whether each statement is sent to a server, and waited for."""
        # SQLite has one writer at a time. A queue of ours is fair, where its own waiting is a poll that the unlucky one
        # loses.
        self._writer = SoleWriter(self.engine) if alone else None
        self._threads = ThreadPoolExecutor(2 if alone else 8, "nbassist-read" if alone else "nbassist-store")

    async def read(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return `work(connection, ...)`; on SQLite it sees one state of the store, else each statement does."""
        return await self._submit(False, lambda connection: work(connection, *arguments, **named))

    async def read_as(self, owner: str, work: Callable[[Connection], T]) -> T:
        """Return `work(connection)`, which sees what is `owner`'s."""
        return await self._submit(False, work, owner)

    async def write(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return `work(connection, ...)` once its transaction is committed; an error in it rolls all of it back.

        It is never left half waited for: where the caller is cancelled, the transaction still ends, one way or the
        other, before the cancellation goes on.
        """
        return await self._submit(True, lambda connection: work(connection, *arguments, **named))

    async def write_once(
        self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """As `write`, of work that on PostgreSQL does one statement that writes, which may be done twice.

        That statement is a transaction by itself. Where a connection is lost nobody knows whether it was done, and the
        work is done once more.
        """
        return await self._submit(True, lambda connection: work(connection, *arguments, **named), single=True)

    async def write_once_as(self, owner: str, work: Callable[[Connection], T]) -> T:
        """As `write_once`; it sees what is `owner`'s."""
        return await self._submit(True, work, owner, single=True)

    async def write_as(self, owner: str, work: Callable[[Connection], T]) -> T:
        """Return `work(connection)`, which sees what is `owner`'s, once its transaction is committed."""
        return await self._submit(True, work, owner)

    async def _submit(
        self, writes: bool, work: Callable[[Connection], T], owner: str | None = None, *, single: bool = False
    ) -> T:
        def ended(connection: Connection) -> T:
            try:
                return work(connection)
            except StopIteration as error:
                # No future takes this one: who waits would wait for ever.
                raise RuntimeError("work for the store ended with StopIteration") from error

        future: asyncio.Future[T]
        if writes and self._writer is not None:
            future = self._writer.submit(ended, owner)
        else:
            engine = self._single if single or not writes else self.engine
            future = asyncio.get_running_loop().run_in_executor(
                self._threads, self.transact, writes, ended, owner, engine
            )
        try:
            # A thread can't be stopped in the middle. Unshielded, the caller would go on while the transaction still
            # might commit.
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if writes:
                await _end_of(future)
            # Nobody hears of an error any more; unread, the loop would log it as one that was forgotten.
            future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise

    def transact(
        self, writes: bool, work: Callable[[Connection], T], owner: str | None = None, engine: Engine | None = None
    ) -> T:
        """Return `work(connection)`; this waits, and is for threads and programs without an event loop."""
        options, engine = {WRITES: writes, OWNER: owner}, engine or self.engine
        try:
            return _once(engine, options, work)
        except DBAPIError as error:
            # A PostgreSQL that restarted leaves dead connections behind, and SQLAlchemy lets go of all with the first:
            # to try each before it is used would cost every transaction. Where a commit was lost (it is no statement)
            # nobody knows whether it was done, so that one is not done again.
            if not error.connection_invalidated or error.statement is None:
                raise
        return _once(engine, options, work)

    def close(self) -> None:
        """Wait for what is under way, and let the store go."""
        if self._writer is not None:
            self._writer.close()
        self._threads.shutdown()
        self.engine.dispose()


def _once(engine: Engine, options: Mapping[str, Any], work: Callable[[Connection], T]) -> T:
    with engine.connect().execution_options(**options) as connection, connection.begin():
        return work(connection)


async def _end_of(future: asyncio.Future[Any]) -> None:
    """Wait for a transaction to end, however often the one who waits is cancelled."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])


def _server(url: str) -> Engine:
    # As many connections as threads.
    return create_engine(url, pool_size=8, max_overflow=0)


def _sqlite(url: str) -> Engine:
    if (file := make_url(url).database) and file != ":memory:":
        if takes_no_locks(Path(file).absolute().parent):
            raise LocalError(f"the store at {file} can't be used, since its disk takes no locks: give another --store")
        # Conversations are nobody else's business; what SQLite puts beside the file gets its mode.
        with suppress(OSError):  # SQLite says the same in its own words
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    far = bool(file) and file != ":memory:" and is_remote(Path(str(file)).absolute())
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        set_log(connection, far=far)
        # Without a log a transaction is whole only once it is on the disk.
        for pragma in (f"synchronous={'FULL' if far else 'NORMAL'}", "foreign_keys=ON", f"wal_autocheckpoint={_PAGES}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and then writes fails at once, without waiting, where another process wrote
        # meanwhile; taking the lock at its beginning waits.
        writes = connection.get_execution_options().get(WRITES, True)
        statement = "BEGIN IMMEDIATE" if writes else "BEGIN"
        plain: Any = connection.connection.dbapi_connection
        try:
            plain.execute(statement)  # past SQLAlchemy, for which it is a statement as any other: a fifth of a run
        except sqlite3.Error:
            connection.exec_driver_sql(statement)  # fails once more, in SQLAlchemy's words

    return engine


HEAD = "0005"
"""The newest of the migrations beside this module; a test holds it against the folder."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6E626173
"""Key of the lock on PostgreSQL under which one server migrates while others wait."""


def upgrade(engine: Engine) -> None:
    """Migrate the store behind `engine` to `HEAD`; nothing happens where it is there already.

    Raises
    ------
    LocalError
        Where the store was written by a later version.
    """
    with engine.begin() as connection:
        # SQLite needs no lock of its own: a transaction that says nothing begins with `BEGIN IMMEDIATE`.
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = _version(connection)
        if found == HEAD:
            return
        # Versions have four digits, so they compare as text.
        if found is not None and found > HEAD:
            raise LocalError(
                f"the store is of a later version ({found}) than this nbassist knows ({HEAD}): update nbassist, or "
                "give another --store"
            )
        _migrate(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
