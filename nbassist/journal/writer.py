"""Writes to the journal on a thread of its own, many rows in one transaction."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..core import runtime_environment
from .database import JournalFile, is_busy
from .tables import add_rows

if TYPE_CHECKING:
    import sqlite3

# Writes in one transaction: a commit costs far more than a row, but other processes write to the file, too, and are
# not to wait for thousands.
_MOST = 500
_AGAIN = 5  # times that all of it is tried again where the file is in use; each waits as long as SQLite is told to
_GATHER = 0.05  # seconds in which more may come that is written along


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to write; a later one with the same key takes its place.

    Parameters
    ----------
    table : str
        One of the journal's tables.
    values : callable
        Gives the columns, on the writer's thread: packing them is no business of the run.
    written : callable
        Called when it is in the file, or can't be written.
    """

    table: Literal["runs", "replies"]
    values: Callable[[], Mapping[str, Any]]
    written: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Change:
    """Something else to do to the file, after the rows before it."""

    make: Callable[[sqlite3.Connection], Any]


Write: TypeAlias = NewRow | Change


class Writer:
    """Takes what is to be written, from any thread, and writes it soon."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        # A `SimpleQueue` may be put to from anywhere, a signal handler or a destructor in the same thread among them.
        self._waiting: queue.SimpleQueue[Write | threading.Event] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, write: Write) -> None:
        """Write it, soon, and at once where there are no threads; where that fails, the file's problem is told."""
        if not runtime_environment.THREADS:
            self._transact([write])
            if isinstance(write, NewRow):
                write.written()
            return
        with self._lock:
            if self._thread is None:
                # A daemon, so that a kernel ends while a write hangs on a dead network disk; what waits is written by
                # `atexit`.
                self._thread = threading.Thread(target=self._work, name="nbassist-journal", daemon=True)
                self._thread.start()
                atexit.register(self.flush)
        self._waiting.put(write)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was put is written; return whether it is."""
        with self._lock:
            if self._thread is None:
                return True
        done = threading.Event()
        # It stands in the queue behind what was put before it, so when its turn comes all that is written.
        self._waiting.put(done)
        self._hurry.set()
        return done.wait(seconds)

    def _work(self) -> None:
        while True:
            batch = [self._waiting.get()]
            self._hurry.wait(_GATHER)  # few large transactions hold the other threads up less than many small ones
            self._hurry.clear()
            while len(batch) < _MOST and not self._waiting.empty():
                batch.append(self._waiting.get())
            work = [one for one in batch if not isinstance(one, threading.Event)]
            failure = self._transact(work)
            for _ in range(_AGAIN):
                # A file that is in use is so for each of them, and each alone would wait for it as long.
                if failure is not None and is_busy(failure):
                    failure = self._transact(work)
            if failure is not None and not is_busy(failure) and len(work) > 1:
                for alone in work:  # so that one that can't be written takes no others with it
                    self._transact([alone])
            for one in batch:
                if isinstance(one, threading.Event):
                    one.set()
                elif isinstance(one, NewRow):
                    one.written()

    def _transact(self, work: list[Write]) -> Exception | None:
        """Write in one transaction; return why that failed, None where it did not."""
        if not work:
            return None
        try:
            with self._file.connections().writing() as connection:
                _write(connection, work)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reply goes before the journal
            self._file.failed(error)
            return error
        return None


def _write(connection: sqlite3.Connection, work: list[Write]) -> None:
    """Write the rows of each table at once, and then the changes: what they change came before them."""
    for table in ("replies", "runs"):
        rows = [one.values() for one in work if isinstance(one, NewRow) and one.table == table]
        if rows:
            add_rows(connection, table, rows)
    for one in work:
        if isinstance(one, Change):
            one.make(connection)
