"""The journal's tables, and its statements about runs and replies; those about scores are in `scores`.

`VERSION` stands in SQLite's `user_version`: a file of a later one is left alone. Tables that came after it are made at
their first use, so that files of before can be read as they are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..core.events import Usage
from .entry import Entry
from .event_codec import pack, unpack

VERSION = 1
_MAKE = (
    """CREATE TABLE IF NOT EXISTS runs (
        number INTEGER NOT NULL PRIMARY KEY,
        began FLOAT NOT NULL,
        notebook TEXT DEFAULT '' NOT NULL,
        cell TEXT DEFAULT '' NOT NULL,
        thread TEXT DEFAULT '' NOT NULL,
        backend TEXT DEFAULT '' NOT NULL,
        endpoint TEXT DEFAULT '' NOT NULL,
        model TEXT DEFAULT '' NOT NULL,
        instructions TEXT DEFAULT '' NOT NULL,
        prompt TEXT DEFAULT '' NOT NULL,
        text TEXT DEFAULT '' NOT NULL,
        finish TEXT DEFAULT '' NOT NULL,
        detail TEXT DEFAULT '' NOT NULL,
        rating TEXT DEFAULT '' NOT NULL,
        parameters JSON NOT NULL,
        tools JSON NOT NULL,
        shown JSON NOT NULL,
        variant JSON NOT NULL,
        usage JSON NOT NULL,
        seconds FLOAT DEFAULT '0' NOT NULL,
        first_text FLOAT DEFAULT '0' NOT NULL,
        cost FLOAT,
        turns INTEGER DEFAULT '0' NOT NULL,
        replayed BOOLEAN DEFAULT '0' NOT NULL,
        events BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS ix_runs_cell ON runs (notebook, cell)",
    "CREATE INDEX IF NOT EXISTS ix_runs_began ON runs (began)",
    "CREATE TABLE IF NOT EXISTS replies (key TEXT NOT NULL PRIMARY KEY, saved FLOAT NOT NULL, events BLOB NOT NULL)",
)
_COLUMNS = tuple(field.name for field in fields(Entry) if field.name != "number")
_JSON = ("parameters", "tools", "shown", "variant", "usage")
_ADD_RUN = f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
_ADD_REPLY = "INSERT OR REPLACE INTO replies (key, saved, events) VALUES (:key, :saved, :events)"
_LISTED = ", ".join(("number", *(name for name in _COLUMNS if name != "events")))
_AT_ONCE = 500  # SQLite before 3.32 takes 999 values in a statement


def make_tables(connection: sqlite3.Connection) -> None:
    """Make what there is not, and say of which version the file is; within a transaction of the caller's."""
    for statement in _MAKE:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a table is there."""
    asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(asked, (name,)).fetchone() is not None


def row_of_run(entry: Entry) -> dict[str, Any]:
    """Return the columns of a run."""
    values = {name: getattr(entry, name) for name in _COLUMNS}
    values["usage"] = {field.name: getattr(entry.usage, field.name) for field in fields(Usage)}
    for name in ("tools", "shown"):
        values[name] = list(values[name])
    for name in ("parameters", "variant"):
        values[name] = dict(values[name])
    return {**values, **{name: json.dumps(values[name]) for name in _JSON}, "events": pack(entry.events)}


def run_of_row(row: sqlite3.Row) -> Entry:
    """Return a run from its columns; without events where they were not asked for."""
    values = dict(row)
    values |= {name: json.loads(values[name]) for name in _JSON}
    values["usage"] = Usage(**values["usage"])
    values["tools"], values["shown"] = tuple(values["tools"]), tuple(values["shown"])
    values["replayed"] = bool(values["replayed"])
    values["events"] = unpack(values["events"]) if "events" in values else ()
    return Entry(**values)


def add_rows(connection: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to `runs` or `replies`; a later reply with the same key takes the place of the one before."""
    connection.executemany(_ADD_RUN if table == "runs" else _ADD_REPLY, rows)


def find_reply(connection: sqlite3.Connection, key: str) -> bytes | None:
    """Return the events that are kept for a request, packed."""
    row = connection.execute("SELECT events FROM replies WHERE key = ?", (key,)).fetchone()
    return None if row is None else bytes(row[0])


def find_each(connection: sqlite3.Connection, asked: str, keys: Sequence[str]) -> list[sqlite3.Row]:
    """Return the rows for any number of keys; `asked` ends where their list begins, as in `… WHERE key IN`."""
    found: list[sqlite3.Row] = []
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        found += connection.execute(f"{asked} ({', '.join('?' * len(part))})", list(part))
    return found


def find_runs(
    connection: sqlite3.Connection, *, notebook: str, cell: str, grep: str, since: float, last: int
) -> list[Entry]:
    """Return runs, oldest first, without their events; what is empty or 0 leaves nothing out."""
    where, values = ["1"], []
    for column, value in (("notebook", notebook), ("cell", cell)):
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    if grep:
        # The person writes words, not a pattern of SQL.
        part = f"%{grep.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        where.append("(lower(prompt) LIKE lower(?) ESCAPE '!' OR lower(text) LIKE lower(?) ESCAPE '!')")
        values += [part, part]
    # The newest come first from the table, so that `last` cuts off old ones; a negative limit is none.
    asked = f"SELECT {_LISTED} FROM runs WHERE {' AND '.join(where)} AND began >= ? ORDER BY number DESC LIMIT ?"
    rows = connection.execute(asked, (*values, since, last or -1)).fetchall()
    return [run_of_row(row) for row in reversed(rows)]


def find_run(connection: sqlite3.Connection, number: int) -> Entry | None:
    """Return one run with its events; None where there is none of that number."""
    row = connection.execute("SELECT * FROM runs WHERE number = ?", (number,)).fetchone()
    return None if row is None else run_of_row(row)
