"""The one writer of a SQLite file: what waits is committed together, each in a savepoint of its own.

SQLite takes one transaction that writes at a time, and its beginning and end cost more than most of what is written in
it. So while one is under way the others gather, and the next takes all of them.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine

OWNER = "nbassist_owner"
"""The option of a connection that says whose rows its transaction sees."""
WRITES = "nbassist_writes"
"""The option of a connection that says whether its transaction writes."""
_MOST = 64
"""Pieces of work of one transaction: readers see nothing of it before its end, and a long one keeps those who wait."""


@dataclass(slots=True, eq=False)
class _Write:
    """A piece of work, and the future of who waits for it, in its loop."""

    work: Callable[[Connection], Any]
    owner: str | None
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any] = field(init=False)
    result: Any = None
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.done = self.loop.create_future()

    def run(self, connection: Connection) -> None:
        """Do the work in the transaction of `connection`."""
        connection.execution_options(**{OWNER: self.owner})
        self.result = self.work(connection)

    def settle(self) -> None:
        """Tell who waits; on the loop."""
        if self.done.cancelled():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


class _TransactionGoneError(Exception):
    """SQLite took back all of a transaction by itself, as it does where the disk is full."""


class SoleWriter:
    """A thread with a queue; it begins with the first piece of work.

    Parameters
    ----------
    engine : Engine
        Of a SQLite file.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: Thread | None = None
        self._connection: Connection | None = None

    def submit(self, work: Callable[[Connection], Any], owner: str | None) -> asyncio.Future[Any]:
        """Return the future of `work(connection)`, done once it is committed; call it on an event loop."""
        if self._thread is None:
            # A process that ends without `close` loses what waits, as one that is killed does.
            self._thread = Thread(target=self._run, name="nbassist-store", daemon=True)
            self._thread.start()
        write = _Write(work, owner, asyncio.get_running_loop())
        self._queue.put(write)
        return write.done

    def close(self) -> None:
        """Wait until all is written that was submitted."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            with suppress(queue.Empty):
                while len(batch) < _MOST:
                    batch.append(self._queue.get_nowait())
            writes = [write for write in batch if write is not None]
            if writes:
                self._commit(writes)
                _settle(writes)
            if None in batch:
                self._let_go()
                return

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, writes: Sequence[_Write]) -> None:
        try:
            # Kept: to take it from the pool and to give it back costs as much as a statement.
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(**{WRITES: True})
            with (connection := self._connection).begin():
                if len(writes) == 1:
                    writes[0].run(connection)
                else:
                    _run_apart(connection, writes)
        except _TransactionGoneError:
            # What fits is not to go with what does not.
            for write in writes:
                write.result = write.error = None
                self._commit([write])
        except Exception as error:  # noqa: BLE001 - it goes to who waits
            self._let_go()
            # What was written before it in this transaction is gone, too.
            for write in writes:
                write.error = error


def _run_apart(connection: Connection, writes: Iterable[_Write]) -> None:
    """Do each piece of work so that an error in it takes back what it wrote, and nothing else."""
    # Past SQLAlchemy, whose own savepoints cost as much as what is done in them.
    plain: Any = connection.connection.dbapi_connection
    for write in writes:
        plain.execute("SAVEPOINT one")
        try:
            write.run(connection)
        except Exception as error:
            write.error = error
            if not plain.in_transaction:
                raise _TransactionGoneError from error
            plain.execute("ROLLBACK TO one")
        plain.execute("RELEASE one")


def _settle(writes: Sequence[_Write]) -> None:
    """Wake each loop once for all that waits in it."""
    for loop in {write.loop for write in writes}:
        told = [write for write in writes if write.loop is loop]
        with suppress(RuntimeError):  # closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle_in_loop, told)


def _settle_in_loop(writes: Iterable[_Write]) -> None:
    for write in writes:
        write.settle()
