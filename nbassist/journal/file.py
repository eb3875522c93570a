"""The journal's file while it is in use: opened when it is needed, again where it went, and let go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class JournalFile:
    """The database at `path`; what is wrong with it is told to `problem`, each thing once."""

    def __init__(self, path: Path, problem: Callable[[str], None]) -> None:
        self.path = path
        self._problem = problem
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._opened: Engine | None = None

    @property
    def ready(self) -> bool:
        """Whether it is open."""
        return self._opened is not None

    def engine(self) -> Engine:
        """Return the engine, for use on any thread.

        Raises
        ------
        JournalError
            Where the file can't be used.
        """
        with self._lock:
            if self._opened is not None and not self.path.exists():
                self._opened.dispose()
                self._opened = None
            if self._opened is None:
                from .database import open_database

                self._opened, notice = open_database(self.path)
                if notice:
                    self._problem(notice)
            return self._opened

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to read by.

        Raises
        ------
        JournalError
            Where the file can't be used, or read.
        """
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self.engine().connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            from .database import explain

            raise JournalError(explain(self.path, error).replace("written", "read")) from error

    def failed(self, error: Exception) -> None:
        """Tell why something was not written; a damaged file is put aside when it is opened next."""
        from .database import explain, is_damage

        if is_damage(error):
            self.close()
        line = str(error) if isinstance(error, JournalError) else explain(self.path, error)
        if line not in self._told:
            self._told.add(line)
            self._problem(line)

    def close(self) -> None:
        """Let it go; it is opened again by the next use."""
        with self._lock:
            if self._opened is not None:
                self._opened.dispose()
                self._opened = None
