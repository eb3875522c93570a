"""`Journal`: keeps runs and replies in a file, and finds them again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.paths import data_file
from ..core.notices import tell_once
from ..errors import JournalError
from .database import JournalFile
from .entry import Entry
from .event_codec import Timed, pack, unpack
from .scores import KeptPrompt, read_prompts, read_ratings, write_prompts, write_rating
from .tables import find_each, find_reply, find_run, find_runs, row_of_run
from .writer import Change, NewRow, Writer

if TYPE_CHECKING:
    import sqlite3


def _warn(line: str) -> None:
    tell_once("disk", line)


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
        """Open the file, on the journal's own thread, while the model is at work."""
        if not self.ready:
            self._writer.put(Change(lambda connection: None))

    @property
    def ready(self) -> bool:
        """Whether the file is open, so that a reply is found at once."""
        return self._file.ready

    def add(self, entry: Entry) -> None:
        """Write a run, soon."""
        self._writer.put(NewRow("runs", partial(row_of_run, entry)))

    def keep_reply(self, key: str, timed: tuple[Timed, ...]) -> None:
        """Keep what came for a request, soon; a later reply to the same takes its place."""

        def written() -> None:
            # A later reply to the same may wait by now, and is not to be forgotten for this one.
            if self._unwritten.get(key) is timed:
                del self._unwritten[key]  # it is read from the file from here on

        self._unwritten[key] = timed
        saved = time.time()
        self._writer.put(NewRow("replies", lambda: {"key": key, "saved": saved, "events": pack(timed)}, written))

    def reply(self, key: str) -> tuple[Timed, ...] | None:
        """Return what came for a request before; None where nothing did, or it can't be read."""
        # A sweep may ask for a reply that was kept a moment ago and is not written yet.
        if waiting := self._unwritten.get(key):
            return waiting
        with self._file.reading() as connection:  # which need not wait for what is being written
            found = find_reply(connection, key)
        try:
            return unpack(found) if found else None
        except ValueError:
            return None

    def known_replies(self, keys: list[str]) -> set[str]:
        """Return those of `keys` for which a reply is kept."""
        with self.reading() as connection:
            return {row["key"] for row in find_each(connection, "SELECT key FROM replies WHERE key IN", keys)}

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
        with self.reading() as connection:
            return find_runs(connection, notebook=notebook, cell=cell, grep=grep, since=since, last=last)

    def numbers(self, notebook: str, since: float = 0.0) -> list[int]:
        """Return the numbers of a notebook's runs, in order; empty for those of no notebook, begun at or after `since`.

        Raises
        ------
        JournalError
            Where the journal can't be read.
        """
        asked = "SELECT number FROM runs WHERE notebook = ? AND began >= ? ORDER BY number"
        with self.reading() as connection:
            return [int(number) for (number,) in connection.execute(asked, (notebook, since))]

    def entry(self, number: int) -> Entry:
        """Return one run, with its events.

        Raises
        ------
        JournalError
            Where there is none of that number.
        """
        with self.reading() as connection:
            found = find_run(connection, number)
        if found is None:
            raise JournalError(f"the journal has no run {number}; %assistant log lists them, and so does nbassist log")
        return found

    def rate(self, number: int, rating: str) -> None:
        """Say of a run what it was worth, soon."""

        asked = "UPDATE runs SET rating = ? WHERE number = ?"
        self._writer.put(Change(lambda connection: connection.execute(asked, (rating, number))))

    def rate_named(self, name: str, rating: str, since: float = 0.0) -> None:
        """Say it of the run of a sweep that its variant names `run`, begun at or after `since`, soon."""

        asked = "UPDATE runs SET rating = ? WHERE began >= ? AND json_extract(variant, '$.run') = ?"
        self._writer.put(Change(lambda connection: connection.execute(asked, (rating, since, name))))

    def keep_rating(self, key: str, rating: str) -> None:
        """Say it of a reply by its key, soon, so that it is found again wherever the same reply comes up."""

        self._writer.put(Change(lambda connection: write_rating(connection, key, rating)))

    def kept_ratings(self, keys: list[str]) -> dict[str, str]:
        """Return what was said of replies, by their keys; of those alone of which anything was.

        Raises
        ------
        JournalError
            Where the journal can't be read.
        """
        with self.reading() as connection:
            return read_ratings(connection, keys)

    def keep_prompts(self, notebook: str, kept: Sequence[KeptPrompt]) -> None:
        """Write wordings of a notebook, and what they scored, soon."""

        self._writer.put(Change(lambda connection: write_prompts(connection, notebook, kept)))

    def prompts(self, notebook: str) -> list[KeptPrompt]:
        """Return the wordings of a notebook, each with its last score.

        Raises
        ------
        JournalError
            Where the journal can't be read.
        """
        with self.reading() as connection:
            return read_prompts(connection, notebook)

    def wordings(self, notebook: str, since: float = 0.0) -> set[str]:
        """Return the hashes of the wordings that sweeps of a notebook have tried, since a time.

        Raises
        ------
        JournalError
            Where the journal can't be read.
        """
        asked = "SELECT DISTINCT json_extract(variant, '$.wording') FROM runs WHERE notebook = ? AND began >= ?"
        with self.reading() as connection:
            return {found for (found,) in connection.execute(asked, (notebook, since)) if found}

    def written_tokens(self, model: str, last: int = 50) -> float:
        """Return how many tokens the last answers of a model had, in the mean; 0 where none is known.

        Raises
        ------
        JournalError
            Where the journal can't be read.
        """
        written = "json_extract(usage, '$.output_tokens')"
        asked = f"""
            SELECT avg(written) FROM (
                SELECT json_extract(usage, '$.known') AS known, {written} AS written FROM runs
                WHERE model = ? AND finish = 'completed' ORDER BY number DESC LIMIT ?
            ) WHERE known AND written > 0
        """
        with self.reading() as connection:
            return float(connection.execute(asked, (model, last)).fetchone()[0] or 0)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all that was added is written; return whether it is."""
        return self._writer.flush(seconds)

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self.flush()
        self._file.close()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection to read by, once what waits is written.

        Raises
        ------
        JournalError
            Where the file can't be read.
        """
        self.flush()
        return self._file.reading()


@lru_cache(maxsize=4)
def _at(path: Path) -> Journal:
    # One for each file: two writers of one process would wait for each other's locks.
    return Journal(path)


def default_journal() -> Journal:
    """Return the journal of this person: one for each file in a process."""
    return _at(data_file("journal.db"))
