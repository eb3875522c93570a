"""Writes to the journal on a thread of its own, many rows in one transaction."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .file import JournalFile

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MOST = 500  # writes in one transaction
_GATHER = 0.05  # seconds in which more may come that is written along


@dataclass(frozen=True, slots=True)
class Row:
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

    make: Callable[[Connection], Any]


Write: TypeAlias = Row | Change


class Writer:
    """Takes what is to be written, from any thread, and writes it soon."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._waiting: queue.SimpleQueue[Write | threading.Event] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, write: Write) -> None:
        """Write it, soon; where that fails, the file's problem is told."""
        with self._lock:
            if self._thread is None:
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
            if not self._transact(work) and len(work) > 1:
                for alone in work:  # so that one that can't be written takes no others with it
                    self._transact([alone])
            for one in batch:
                if isinstance(one, threading.Event):
                    one.set()
                elif isinstance(one, Row):
                    one.written()

    def _transact(self, work: list[Write]) -> bool:
        if not work:
            return True
        try:
            with self._file.engine().begin() as connection:
                _write(connection, work)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reply goes before the journal
            self._file.failed(error)
            return False
        return True


def _write(connection: Connection, work: list[Write]) -> None:
    """Write the rows of each table at once, and then the changes: what they change came before them."""
    from .schema import replies, runs

    for name, insert in (("replies", replies.insert().prefix_with("OR REPLACE")), ("runs", runs.insert())):
        rows = [dict(one.values()) for one in work if isinstance(one, Row) and one.table == name]
        if rows:
            connection.execute(insert, rows)
    for one in work:
        if isinstance(one, Change):
            one.make(connection)
