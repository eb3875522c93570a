"""The journal's file: opened with care for what may have become of it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from ..errors import JournalError
from .schema import VERSION, metadata

_BUSY = 5.0  # seconds to wait for another process
_BROKEN = ("file is not a database", "malformed", "disk image")


def open_database(path: Path) -> tuple[Engine, str]:
    """Open the journal at `path`, made where there is none.

    Returns
    -------
    engine : Engine
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
    try:
        return _opened(path), ""
    except DatabaseError as error:
        if not is_damage(error):
            raise JournalError(explain(path, error)) from error
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    try:
        for ending in ("", "-wal", "-shm"):
            if (file := path.with_name(path.name + ending)).exists():
                os.replace(file, aside.with_name(aside.name + ending))
        return _opened(path), f"the journal was damaged; it is put aside as {aside}, and a new one begun"
    except (DatabaseError, OSError) as error:
        raise JournalError(explain(path, error)) from error


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken."""
    return any(words in str(error) for words in _BROKEN)


def explain(path: Path, error: Exception) -> str:
    """Return what is wrong with the journal, in one line."""
    words = str(getattr(error, "orig", None) or error)
    if isinstance(error, OperationalError) and "locked" in words:
        return f"the journal at {path} is in use by another process: this run is not in it"
    return f"the journal at {path} can't be written: {words}"


def _opened(path: Path) -> Engine:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts are nobody else's business
    elif (version := _version(path)) > VERSION:
        raise JournalError(
            f"the journal at {path} is of a later version of nbassist (its {version}, ours {VERSION}): "
            "runs are not in it; upgrade nbassist, or set NBASSIST_DATA_DIR to another folder"
        )
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": _BUSY, "check_same_thread": False}, pool_size=2
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    try:
        with engine.begin() as connection:
            if connection.exec_driver_sql("PRAGMA user_version").scalar_one() < VERSION:
                metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _version(path: Path) -> int:
    """Read the version without touching the file, as opening it for use does; 0 where it can't be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return 0  # locked or damaged: opening it says which
