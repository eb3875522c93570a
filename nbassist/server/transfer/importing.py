"""Writing what was found into a store: in the order of time, what is there already left as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Column, Connection, Table, insert, select

from ..api.field_checks import HOSTED_TOOLS
from ..hosted import tables
from ..store import schema
from ..store.database import Database
from .first_version import as_of_today
from .order import OrderHint, hint_of, in_order
from .reading import FoundObjects, Kind
from .rows import Row, UnusableError, row_of

_TABLES: Mapping[Kind, Table] = {
    "file": schema.files,
    "store": tables.vector_stores,
    "batch": tables.batches,
    "store_file": tables.store_files,
    "assistant": schema.assistants,
    "thread": schema.threads,
    "run": schema.runs,
    "message": schema.messages,
    "step": schema.steps,
}
"""In the order in which they are written: what refers to something comes after it."""
NOUNS: Mapping[Kind, str] = {kind: f"{kind}s" for kind in _TABLES} | {
    "store": "vector stores",
    "store_file": "files in vector stores",
    "batch": "batches of files",
}
_BATCH = 500

_Hints = dict[Kind, dict[str, OrderHint]]


@dataclass(slots=True)
class Imported:
    """What became of an import: numbers by kind, and what could not be kept, with the reasons."""

    added: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    unusable: list[str] = field(default_factory=list)
    empty_files: list[str] = field(default_factory=list)
    hosted: set[str] = field(default_factory=set)
    """The hosted tools that assistants name, other than the one that every server has."""


def import_objects(database: Database, objects: Iterable[FoundObjects], owner: str | None = None) -> Imported:
    """Write objects with their ids, times and metadata; a second import of the same adds nothing.

    Parameters
    ----------
    owner : str, optional
        Whose they are to be; None for what they say themselves, else the server's own token's.

    A thread that messages name and nobody described is made; a run that was under way has expired.
    """
    done = Imported()
    hints: _Hints = {kind: {} for kind in _TABLES}
    rows = _rows(objects, done, owner, hints)
    _add_threads(rows, owner or "")
    for kind, table in _TABLES.items():
        for batch in _batches(in_order(kind, rows[kind], hints[kind])):
            database.transact(True, partial(_write, kind=kind, table=table, batch=batch, done=done))
    return done


def _rows(
    objects: Iterable[FoundObjects], done: Imported, owner: str | None, hints: _Hints
) -> dict[Kind, dict[str, Row]]:
    """Return the rows of objects, by kind and key, in the order found, and note in `hints` what they say of it."""
    rows: dict[Kind, dict[str, Row]] = {kind: {} for kind in _TABLES}
    for found in as_of_today(objects):
        try:
            row = row_of(found)
        except UnusableError as error:
            done.unusable.append(str(error))
            continue
        if owner is not None and "owner" in row:
            row["owner"] = owner
        key = "/".join(row[column.name] for column in _key(_TABLES[found.kind]))
        held = rows[found.kind].get(key)
        # What stands twice, as a thread by its id alone and whole, counts as it says more; of two dumps the second one
        # is the longer, and it says the order.
        if held is None or len(found.value) > 1:
            rows[found.kind].pop(key, None)
            rows[found.kind][key], hints[found.kind][key] = row, hint_of(found)
        if found.kind == "assistant":
            named = {tool.get("type") for tool in row["tools"]}
            done.hosted |= {name for name in HOSTED_TOOLS if name in named and name != "file_search"}
        if found.kind == "file" and not row["content"]:
            done.empty_files.append(row["id"])
    return rows


def _add_threads(rows: Mapping[Kind, dict[str, Row]], owner: str) -> None:
    for row in [*rows["message"].values(), *rows["run"].values()]:
        thread_id, created = row["thread_id"], row["created_at"]
        made = {"id": thread_id, "created_at": created, "metadata": {}, "tool_resources": None, "owner": owner}
        thread = rows["thread"].setdefault(thread_id, made)
        thread["created_at"] = min(thread["created_at"], created)


def _write(connection: Connection, *, kind: Kind, table: Table, batch: Sequence[Row], done: Imported) -> None:
    key = _key(table)
    ids = {row["id"] for row in batch}
    there = {tuple(found) for found in connection.execute(select(*key).where(table.c.id.in_(ids)))}
    new = [row for row in batch if tuple(row[column.name] for column in key) not in there]
    done.there[kind] += len(batch) - len(new)
    if kind in ("store_file", "batch"):
        new = _in_stores(connection, kind, new, done)
    if kind == "step":
        runs = {row["run_id"] for row in new}
        known = set(connection.execute(select(schema.runs.c.id).where(schema.runs.c.id.in_(runs))).scalars())
        done.unusable += [
            f"step {row['id']} without its run {row['run_id']}" for row in new if row["run_id"] not in known
        ]
        new = [row for row in new if row["run_id"] in known]
    if new:
        connection.execute(insert(table), new)
    done.added[kind] += len(new)


def _key(table: Table) -> tuple[Column[Any], ...]:
    # A file has its id in every store that it is in.
    return (table.c.vector_store_id, table.c.id) if table is tables.store_files else (table.c.id,)


def _in_stores(connection: Connection, kind: Kind, rows: Sequence[Row], done: Imported) -> list[Row]:
    """Return those files in stores, or batches of them, whose store is here, and for a file the file itself."""
    known: dict[str, set[str]] = {}
    noun, needed = "batch", {"vector_store_id": tables.vector_stores}
    if kind == "store_file":
        noun, needed = "file", {**needed, "id": schema.files}
    for name, table in needed.items():
        wanted = {row[name] for row in rows}
        known[name] = set(connection.execute(select(table.c.id).where(table.c.id.in_(wanted))).scalars())
    kept = []
    for row in rows:
        missing = [row[name] for name in known if row[name] not in known[name]]
        if missing:
            done.unusable.append(f"{noun} {row['id']} in vector store {row['vector_store_id']} without {missing[0]}")
        else:
            kept.append(row)
    return kept


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]
