"""`Journal`: writes runs on a thread of its own, and finds them again."""

from __future__ import annotations

import atexit
import queue
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JournalError
from ..paths import data_file
from .codec import Timed, pack, unpack
from .entry import Entry

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_BATCH = 200  # writes in one transaction


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
        self._problem = problem
        self._told: set[str] = set()
        self._waiting: queue.Queue[Callable[[Connection], None] | threading.Event | _Written] = queue.Queue()
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()
        self._opened: Engine | None = None
        self._unwritten: dict[str, tuple[Timed, ...]] = {}

    def __repr__(self) -> str:
        return f"<Journal at {self.path}>"

    def warm(self) -> None:
        """Import what writing needs, on the journal's own thread, while the model is at work."""
        if not self.ready:
            self._submit(lambda connection: None)

    @property
    def ready(self) -> bool:
        """Whether the file is open, so that a reply is found at once."""
        return self._opened is not None

    def add(self, entry: Entry) -> None:
        """Write a run, soon."""
        self._submit(lambda connection: _insert(connection, entry))

    def keep_reply(self, key: str, timed: tuple[Timed, ...]) -> None:
        """Keep what came for a request, soon; a later reply to the same takes its place."""

        def write(connection: Connection) -> None:
            from .schema import replies

            values = {"key": key, "saved": time.time(), "events": pack(timed)}
            connection.execute(replies.insert().prefix_with("OR REPLACE"), values)

        self._unwritten[key] = timed
        self._submit(write)
        self._waiting.put(_Written(key, timed))

    def reply(self, key: str) -> tuple[Timed, ...] | None:
        """Return what came for a request before; None where nothing did, or it can't be read."""
        from sqlalchemy import select

        from .schema import replies

        if waiting := self._unwritten.get(key):
            return waiting
        with _Reading(self) as connection:  # which need not wait for what is being written
            found = connection.execute(select(replies.c.events).where(replies.c.key == key)).scalar()
        try:
            return unpack(found) if found else None
        except ValueError:
            return None

    def known_replies(self, keys: list[str]) -> set[str]:
        """Return those of `keys` for which a reply is kept."""
        from sqlalchemy import select

        from .schema import replies

        found: set[str] = set()
        with self._reading() as connection:
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
        with self._reading() as connection:
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

        with self._reading() as connection:
            row = connection.execute(select(runs).where(runs.c.number == number)).one_or_none()
        if row is None:
            raise JournalError(f"the journal has no run {number}; %assistant log lists them")
        return _entry(row._mapping)

    def rate(self, number: int, rating: str) -> None:
        """Say of a run what it was worth, soon."""

        def write(connection: Connection) -> None:
            from .schema import runs

            connection.execute(runs.update().where(runs.c.number == number).values(rating=rating))

        self._submit(write)

    def rate_named(self, name: str, rating: str, since: float = 0.0) -> None:
        """Say it of the run of a sweep that its variant names `run`, begun at or after `since`, soon."""

        def write(connection: Connection) -> None:
            from .schema import runs

            named = (runs.c.began >= since, runs.c.variant["run"].as_string() == name)
            connection.execute(runs.update().where(*named).values(rating=rating))

        self._submit(write)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was added is written; return whether it is."""
        with self._lock:
            if self._writer is None:
                return True
        done = threading.Event()
        self._waiting.put(done)
        return done.wait(seconds)

    def _submit(self, work: Callable[[Connection], None]) -> None:
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="nbassist-journal", daemon=True)
                self._writer.start()
                atexit.register(self.flush)
        self._waiting.put(work)

    def _write(self) -> None:
        while True:
            batch: list[Callable[[Connection], None] | threading.Event | _Written] = [self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            work = [one for one in batch if not isinstance(one, threading.Event | _Written)]
            if not self._transact(work) and len(work) > 1:
                for alone in work:  # so that one that can't be written takes no others with it
                    self._transact([alone])
            for one in batch:
                if isinstance(one, threading.Event):
                    one.set()
                elif isinstance(one, _Written) and self._unwritten.get(one.key) is one.timed:
                    del self._unwritten[one.key]  # it is read from the file from here on

    def _transact(self, work: list[Callable[[Connection], None]]) -> bool:
        if not work:
            return True
        try:
            with self._engine().begin() as connection:
                for one in work:
                    one(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reply goes before the journal
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        from .database import explain, is_damage

        if is_damage(error):
            self._close()  # the next run opens it anew, which puts the damaged file aside
        line = str(error) if isinstance(error, JournalError) else explain(self.path, error)
        if line not in self._told:
            self._told.add(line)
            self._problem(line)

    def _engine(self) -> Engine:
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

    def _close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.dispose()
                self._opened = None

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self.flush()
        self._close()

    def _reading(self) -> Any:
        self.flush()
        return _Reading(self)


@dataclass(frozen=True, slots=True)
class _Written:
    """Stands behind a reply in the queue: where it is met, the reply is in the file."""

    key: str
    timed: tuple[Timed, ...]


class _Reading:
    """A connection to read by, whose errors are ours."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> Connection:
        self._connection = self._journal._engine().connect()
        return self._connection

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        self._connection.close()
        if error is not None and kind.__module__.startswith("sqlalchemy"):
            from .database import explain

            raise JournalError(explain(self._journal.path, error).replace("written", "read")) from error  # type: ignore[arg-type]


def _insert(connection: Connection, entry: Entry) -> None:
    from .schema import runs

    values = {field.name: getattr(entry, field.name) for field in fields(Entry) if field.name != "number"}
    usage = {field.name: getattr(entry.usage, field.name) for field in fields(entry.usage)}
    lists = {name: list(values[name]) for name in ("tools", "shown")}
    mappings = {name: dict(values[name]) for name in ("parameters", "variant")}
    connection.execute(
        runs.insert().values({**values, **lists, **mappings, "usage": usage, "events": pack(entry.events)})
    )


def _entry(row: Any) -> Entry:
    from ..events import Usage

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
