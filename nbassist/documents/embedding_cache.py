"""Vectors of passages, kept on this machine: a kernel that is started anew does not make them again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

_MOST_BYTES = 256 * 1024 * 1024
_EVERY = 500
"""Passages after which the file is held to its size."""
_DAY = 86_400.0  # seconds
_PATIENCE = 2.0
"""Seconds that another kernel may hold the file; a vector that can't be kept is made again some day."""
# SQLite's words for SQLITE_NOTADB and SQLITE_CORRUPT.
_DAMAGED = ("file is not a database", "malformed", "disk image")
_TABLE = (
    "CREATE TABLE IF NOT EXISTS vectors(key BLOB PRIMARY KEY, size INTEGER NOT NULL, rows BLOB NOT NULL, "
    "used REAL NOT NULL) WITHOUT ROWID"
)


class KeptVectors:
    """A file of vectors by what they are of: the digest of a passage's text, and the model.

    Where the file can't be read or written, nothing is kept, and nothing fails.

    Parameters
    ----------
    path : callable
        Gives the file, when it is first used; its folder is made.
    model : str
        What made the vectors: those of another are none.
    most : int
        Bytes of vectors that are kept; those that were unused for longest go.
    """

    def __init__(self, path: Callable[[], Path], model: str, most: int = _MOST_BYTES) -> None:
        self._path, self._model, self._most = path, model, most
        self._lock = threading.Lock()
        self._added = 0
        self.trouble = ""
        """Why nothing is kept any more; empty where nothing is wrong."""

    def find(self, text: str) -> Any:
        """Return the vectors of a passage, one a row; None where they are not there."""
        import numpy as np  # who asks has it

        found = None
        with self._open() as database:
            if database is not None:
                key = self._key(text)
                found = database.execute("SELECT size, rows, used FROM vectors WHERE key = ?", (key,)).fetchone()
                if found and found[2] < time.time() - _DAY:  # to write at each look would cost more than to look
                    database.execute("UPDATE vectors SET used = ? WHERE key = ?", (time.time(), key))
        if not found or found[0] < 1 or len(found[1]) % (4 * found[0]):
            return None
        return np.frombuffer(found[1], dtype="<f4").reshape(-1, found[0])

    def keep(self, text: str, rows: Any) -> None:
        """Keep the vectors of a passage."""
        with self._open() as database:
            if database is None:
                return
            entry = (self._key(text), int(rows.shape[1]), rows.astype("<f4").tobytes(), time.time())
            database.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", entry)
            self._added += 1
            if self._added % _EVERY == 1:
                self._hold_to_size(database)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._model}\n{text}".encode("utf-8", "replace")).digest()

    def _hold_to_size(self, database: sqlite3.Connection) -> None:
        # Newest first: all from where the sum passes the limit go.
        over = (
            "DELETE FROM vectors WHERE key IN (SELECT key FROM (SELECT key, sum(length(rows)) OVER "
            "(ORDER BY used DESC, key) AS total FROM vectors) WHERE total > ?)"
        )
        database.execute(over, (self._most,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """Yield the file, and None where there is none; what fails in between is told in `trouble`."""
        with self._lock:
            try:
                database = None if self.trouble else self._connect()
            except (sqlite3.Error, OSError) as error:
                self.trouble, database = _for_good(error), None
            if database is None:
                yield None
                return
            with closing(database):
                try:
                    with database:
                        yield database
                except sqlite3.Error as error:
                    self.trouble = _for_good(error)

    def _connect(self) -> sqlite3.Connection:
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return _opened(path)
        except sqlite3.DatabaseError as error:
            if not any(words in str(error) for words in _DAMAGED):
                raise
        # All in it can be made anew.
        path.unlink()
        return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # what stands in a person's files is nobody else's business
    database = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        database.execute(_TABLE)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _for_good(error: Exception) -> str:
    """Return why nothing is kept any more; empty where the file was held by another kernel, for once."""
    return "" if "locked" in str(error) else str(error)
