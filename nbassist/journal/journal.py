"""`Journal`: keeps runs and replies in a file, and finds them again."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JournalError
from ..events import Usage
from ..paths import data_file
from .codec import Timed, pack, unpack
from .entry import Entry
from .file import JournalFile
from .writer import Change, Row, Writer

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _warn(line: str) -> None:
    warnings.warn(line, RuntimeWarning, stacklevel=2)


class Journal:
    """Runs in a file of SQLite.

    Parameters
    ----------
    path : Path
        The file; it is made with the first run.
    problem : callable
        Told, once, why runs can't be written; a warning by default.
    """

    anywhere = False

    def __init__(self, path: Path, problem: Callable[[str], None] = _warn) -> None:
        self.path = path
        self._file = JournalFile(path, problem)
        self._writer = Writer(self._file)
        self._unwritten: dict[str, tuple[Timed, ...]] = {}

    def __repr__(self) -> str:
        return f"<Journal at {self.path}>"

    def warm(self) -> None:
        """Import what writing needs, on the journal's own thread, while the model is at work."""
        if not self.ready:
            self._writer.put(Change(lambda connection: None))

    @property
    def ready(self) -> bool:
        """Whether the file is open, so that a reply is found at once."""
        return self._file.ready

    def add(self, entry: Entry) -> None:
        """Write a run, soon."""
        self._writer.put(Row("runs", partial(_values, entry)))

    def keep_reply(self, key: str, timed: tuple[Timed, ...]) -> None:
        """Keep what came for a request, soon; a later reply to the same takes its place."""

        def written() -> None:
            if self._unwritten.get(key) is timed:
                del self._unwritten[key]  # it is read from the file from here on

        self._unwritten[key] = timed
        saved = time.time()
        self._writer.put(Row("replies", lambda: {"key": key, "saved": saved, "events": pack(timed)}, written))

    def reply(self, key: str) -> tuple[Timed, ...] | None:
        """Return what came for a request before; None where nothing did, or it can't be read."""
        from .schema import find_reply

        if waiting := self._unwritten.get(key):
            return waiting
        with self._file.reading() as connection:  # which need not wait for what is being written
            found = connection.execute(find_reply, {"key": key}).scalar()
        try:
            return unpack(found) if found else None
        except ValueError:
            return None

    def known_replies(self, keys: list[str]) -> set[str]:
        """Return those of `keys` for which a reply is kept."""
        from sqlalchemy import select

        from .schema import replies

        found: set[str] = set()
        with self.reading() as connection:
            for start in range(0, len(keys), 500):
                part = keys[start : start + 500]
                found.update(connection.execute(select(replies.c.key).where(replies.c.key.in_(part))).scalars())
        return found

    def entries(
        self, *, notebook: str = "", cell: str = "", grep: str = "", since: float = 0.0, last: int = 0
    ) -> list[Entry]:
        """Return runs, oldest first, without their events.

        Parameters
        ----------
        notebook, cell : str
            Only those of it; empty for all.
        grep : str
            Only those with this in the prompt or the answer, whatever the case.
        since : float
            Only those begun at or after it, in seconds since 1970.
        last : int
            Only the last so many; 0 for all.

        Raises
        ------
        JournalError
            Where the journal can't be read.
        """
        from sqlalchemy import or_, select

        from .schema import runs

        asked = select(*(column for column in runs.c if column.name != "events")).order_by(runs.c.number.desc())
        for column, value in ((runs.c.notebook, notebook), (runs.c.cell, cell)):
            if value:
                asked = asked.where(column == value)
        if since:
            asked = asked.where(runs.c.began >= since)
        if grep:
            part = f"%{grep.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
            asked = asked.where(or_(runs.c.prompt.ilike(part, escape="!"), runs.c.text.ilike(part, escape="!")))
        if last:
            asked = asked.limit(last)
        with self.reading() as connection:
            return [_entry(row._mapping) for row in reversed(connection.execute(asked).all())]

    def entry(self, number: int) -> Entry:
        """Return one run, with its events.

        Raises
        ------
        JournalError
            Where there is none of that number.
        """
        from sqlalchemy import select

        from .schema import runs

        with self.reading() as connection:
            row = connection.execute(select(runs).where(runs.c.number == number)).one_or_none()
        if row is None:
            raise JournalError(f"the journal has no run {number}; %assistant log lists them, and so does nbassist log")
        return _entry(row._mapping)

    def rate(self, number: int, rating: str) -> None:
        """Say of a run what it was worth, soon."""

        def write(connection: Connection) -> None:
            from .schema import runs

            connection.execute(runs.update().where(runs.c.number == number).values(rating=rating))

        self._writer.put(Change(write))

    def rate_named(self, name: str, rating: str, since: float = 0.0) -> None:
        """Say it of the run of a sweep that its variant names `run`, begun at or after `since`, soon."""

        def write(connection: Connection) -> None:
            from .schema import runs

            named = (runs.c.began >= since, runs.c.variant["run"].as_string() == name)
            connection.execute(runs.update().where(*named).values(rating=rating))

        self._writer.put(Change(write))

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was added is written; return whether it is."""
        return self._writer.flush(seconds)

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self.flush()
        self._file.close()

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection to read by, once what waits is written.

        Raises
        ------
        JournalError
            Where the file can't be read.
        """
        self.flush()
        return self._file.reading()


def _values(entry: Entry) -> dict[str, Any]:
    values = {field.name: getattr(entry, field.name) for field in fields(Entry) if field.name != "number"}
    usage = {field.name: getattr(entry.usage, field.name) for field in fields(entry.usage)}
    lists = {name: list(values[name]) for name in ("tools", "shown")}
    mappings = {name: dict(values[name]) for name in ("parameters", "variant")}
    return {**values, **lists, **mappings, "usage": usage, "events": pack(entry.events)}


def _entry(row: Any) -> Entry:
    values = dict(row)
    values["usage"] = Usage(**values["usage"])
    values["tools"], values["shown"] = tuple(values["tools"]), tuple(values["shown"])
    values["events"] = unpack(values["events"]) if "events" in values else ()
    return Entry(**values)


@lru_cache(maxsize=4)
def _at(path: Path) -> Journal:
    return Journal(path)


def default_journal() -> Journal:
    """Return the journal of this person: one for each file in a process."""
    return _at(data_file("journal.db"))
