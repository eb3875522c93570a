"""The journal's file: an SQLite database, opened when needed, with care for what may have become of it."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..config.paths import is_remote, read_only_uri, set_log, takes_no_locks
from ..errors import JournalError
from .tables import VERSION, make_tables

_BUSY = 5.0  # seconds to wait for another process
_IDLE = 2  # connections that are kept: the writer's, and one for whoever reads beside it
# SQLite's words for SQLITE_NOTADB and SQLITE_CORRUPT, which no exception class tells from other failures.
_BROKEN = ("file is not a database", "malformed", "disk image")


class Connections:
    """Connections to one file, each lent to one thread at a time; sqlite3 lets none be used by two at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        # Of the list, not of self: a finalizer that holds its own object would keep it alive for ever.
        weakref.finalize(self, _close_all, self._free)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; what it was left in the middle of is taken back."""
        with self._lock:
            connection = self._free.pop() if self._free else None
        connection = connection or _connect(self._path)
        try:
            yield connection
        finally:
            connection.rollback()
            with self._lock:
                keep = not self._closed and len(self._free) < _IDLE
                if keep:
                    self._free.append(connection)
            if not keep:
                connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a transaction, which is made lasting at the end unless something was raised."""
        with self.reading() as connection:
            # At once, not at the first write: of two that read first and then want to write, one would fail.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def close(self) -> None:
        """Close those that are not lent, and the others when they come back."""
        with self._lock:
            self._closed = True
            _close_all(self._free)


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()


def _connect(path: Path) -> sqlite3.Connection:
    # No isolation level: transactions begin where we say so.
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        set_log(connection, far=is_remote(path))
        # A sync at checkpoints: a power cut may take the last runs, but leaves the file whole.
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def open_database(path: Path) -> tuple[Connections, str]:
    """Open the journal at `path`, made where there is none.

    Returns
    -------
    connections : Connections
        For use from several threads.
    notice : str
        One line where a damaged file was put aside; empty otherwise.

    Raises
    ------
    JournalError
        Where it can't be used: locked, read-only, on a full disk, or of a later version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise JournalError(f"the journal at {path} can't be made: {error.strerror or error}") from error
    if takes_no_locks(path.parent):
        raise JournalError(
            f"the journal at {path} can't be kept, since its disk takes no locks: set NBASSIST_DATA_DIR to a folder on "
            "another disk"
        )
    try:
        return _opened(path), ""
    except sqlite3.DatabaseError as error:
        # A file that is locked, read-only or without room is whole: it stays where it is. One that another kernel puts
        # aside just now can't be read, either, and the next of its name can.
        if not is_damage(error) and "disk I/O" not in str(error):
            raise JournalError(explain(path, error)) from error
    except OSError as error:
        raise JournalError(explain(path, error)) from error
    from filelock import FileLock

    try:
        # Of two kernels that find it damaged, the second must not put aside what the first has begun anew.
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=_BUSY):
            return _begun_anew(path)
    except (sqlite3.DatabaseError, OSError) as error:
        raise JournalError(explain(path, error)) from error


def _begun_anew(path: Path) -> tuple[Connections, str]:
    """Put a damaged file aside, and begin a new one; unless another process has done so meanwhile."""
    try:
        return _opened(path), ""
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    aside = _free(path.with_name(f"{path.name}.damaged-{int(time.time())}"))
    # The log goes along, and first: SQLite would play it into the new file of that name.
    for ending in ("-wal", "-shm", ""):
        if (file := path.with_name(path.name + ending)).exists():
            os.replace(file, aside.with_name(aside.name + ending))
    return _opened(path), f"the journal was damaged; it is put aside as {aside}, and a new one begun"


def _free(aside: Path) -> Path:
    """Return `aside`, or with a number after it where a file was put aside in the same second."""
    found, number = aside, 1
    while any(os.path.lexists(found.with_name(found.name + ending)) for ending in ("", "-wal", "-shm")):
        number += 1
        found = aside.with_name(f"{aside.name}-{number}")
    return found


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken."""
    return any(words in str(error) for words in _BROKEN)


def is_busy(error: Exception) -> bool:
    """Whether another process has the file, and kept it for as long as ours would wait."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def explain(path: Path, error: Exception) -> str:
    """Return what is wrong with the journal, in one line."""
    if is_busy(error):
        return f"the journal at {path} is in use by another process: this run is not in it"
    return f"the journal at {path} can't be written: {error}"


def _opened(path: Path) -> Connections:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts are nobody else's business
    # Looked at before it is opened for use, which would switch its mode and so write to it.
    elif (version := _version(path)) > VERSION:
        raise JournalError(
            f"the journal at {path} is of a later version of nbassist (its {version}, ours {VERSION}): "
            "runs are not in it; upgrade nbassist, or set NBASSIST_DATA_DIR to another folder"
        )
    connections = Connections(path)
    try:
        with connections.reading() as connection:
            made = _version_of(connection) >= VERSION
        if not made:
            # Another kernel may be making the tables at this moment: one writer, and then a second look.
            with connections.writing() as connection:
                if _version_of(connection) < VERSION:
                    make_tables(connection)
    except BaseException:
        connections.close()
        raise
    return connections


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _version(path: Path) -> int:
    """Read the version without touching the file, as opening it for use does; 0 where it can't be read."""
    try:
        with closing(sqlite3.connect(read_only_uri(path.absolute()), uri=True)) as connection:
            return _version_of(connection)
    except sqlite3.Error:
        return 0  # locked or damaged: opening it says which


class JournalFile:
    """The database at `path`; what is wrong with it is told to `problem`, each thing once."""

    def __init__(self, path: Path, problem: Callable[[str], None]) -> None:
        self.path = path
        self._problem = problem
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._opened: Connections | None = None

    @property
    def ready(self) -> bool:
        """Whether it is open."""
        return self._opened is not None

    def connections(self) -> Connections:
        """Return the connections, for use on any thread.

        Raises
        ------
        JournalError
            Where the file can't be used.
        """
        with self._lock:
            # Deleted under us: on POSIX an open file goes on without a name, and what is written to it is lost.
            if self._opened is not None and not self.path.exists():
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._opened, notice = open_database(self.path)
                if notice:
                    self._problem(notice)
            return self._opened

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read by.

        Raises
        ------
        JournalError
            Where the file can't be used, or read.
        """
        try:
            with self.connections().reading() as connection:
                yield connection
        except sqlite3.Error as error:
            raise JournalError(explain(self.path, error).replace("written", "read")) from error

    def failed(self, error: Exception) -> None:
        """Tell why something was not written; a damaged file is put aside when it is opened next."""

        # Only the opening puts a damaged file aside, so it has to be let go first.
        if is_damage(error):
            self.close()
        line = str(error) if isinstance(error, JournalError) else explain(self.path, error)
        # A full disk fails each write of a sweep: once is enough.
        if line not in self._told:
            self._told.add(line)
            self._problem(line)

    def close(self) -> None:
        """Let it go; it is opened again by the next use."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
