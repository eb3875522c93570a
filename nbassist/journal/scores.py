"""What the wordings that were tried scored, and what was said of replies, in tables of their own beside the runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from .tables import find_each, has_table

_PROMPTS = (
    """CREATE TABLE IF NOT EXISTS prompts (
        hash TEXT NOT NULL,
        notebook TEXT NOT NULL,
        name TEXT NOT NULL,
        parent TEXT NOT NULL,
        text TEXT NOT NULL,
        saved FLOAT NOT NULL,
        PRIMARY KEY (hash, notebook)
    )""",
    """CREATE TABLE IF NOT EXISTS scores (
        number INTEGER NOT NULL PRIMARY KEY,
        hash TEXT NOT NULL,
        notebook TEXT NOT NULL,
        measure TEXT NOT NULL,
        value FLOAT NOT NULL,
        half FLOAT,
        rows INTEGER NOT NULL,
        saved FLOAT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS ix_scores_notebook ON scores (notebook)",
)
_RATINGS = (
    "CREATE TABLE IF NOT EXISTS ratings (key TEXT NOT NULL PRIMARY KEY, rating TEXT NOT NULL, saved FLOAT NOT NULL)"
)


@dataclass(frozen=True)
class Score:
    """What a wording came to: by what, its mean, half its interval where that is known, and on how many rows."""

    measure: str
    value: float
    half: float | None
    rows: int


@dataclass(frozen=True)
class KeptPrompt:
    """A wording in the journal, with its last score; None where it has none."""

    hash: str
    name: str
    parent: str
    text: str
    score: Score | None = field(default=None)


def write_prompts(connection: sqlite3.Connection, notebook: str, kept: Sequence[KeptPrompt]) -> None:
    """Keep wordings, each with what it scored; a wording that is there gets the name and parent that it has now."""
    for statement in _PROMPTS:
        connection.execute(statement)
    now = time.time()
    for one in kept:
        named = (one.hash, notebook, one.name, one.parent, one.text, now)
        connection.execute(
            "INSERT OR REPLACE INTO prompts (hash, notebook, name, parent, text, saved) VALUES (?, ?, ?, ?, ?, ?)",
            named,
        )
        if (score := one.score) is not None:
            said = (one.hash, notebook, score.measure, score.value, score.half, score.rows, now)
            connection.execute(
                "INSERT INTO scores (hash, notebook, measure, value, half, rows, saved) VALUES (?, ?, ?, ?, ?, ?, ?)",
                said,
            )


def read_prompts(connection: sqlite3.Connection, notebook: str) -> list[KeptPrompt]:
    """Return the wordings of a notebook in the order in which they were last tried, each with its last score."""
    if not has_table(connection, "prompts"):
        return []
    scores = "SELECT hash, measure, value, half, rows FROM scores WHERE notebook = ? ORDER BY number"
    last = {found: Score(*score) for found, *score in connection.execute(scores, (notebook,))}
    asked = "SELECT hash, name, parent, text FROM prompts WHERE notebook = ? ORDER BY saved, name"
    rows = connection.execute(asked, (notebook,))
    return [KeptPrompt(found, name, parent, text, last.get(found)) for found, name, parent, text in rows]


def write_rating(connection: sqlite3.Connection, key: str, rating: str) -> None:
    """Keep what was said of a reply; an empty rating takes it back."""
    connection.execute(_RATINGS)
    connection.execute("DELETE FROM ratings WHERE key = ?", (key,))
    if rating:
        connection.execute("INSERT INTO ratings (key, rating, saved) VALUES (?, ?, ?)", (key, rating, time.time()))


def read_ratings(connection: sqlite3.Connection, keys: list[str]) -> dict[str, str]:
    """Return what was said of those of the replies that are rated."""
    if not has_table(connection, "ratings"):
        return {}
    return dict(map(tuple, find_each(connection, "SELECT key, rating FROM ratings WHERE key IN", keys)))
