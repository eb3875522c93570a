"""Reading a store, this server's or another of nbassist's, as objects of the API: what `importing` takes."""

from __future__ import annotations

import base64
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError

from ...config.paths import read_only_uri
from ...errors import UsageError
from .. import objects
from ..hosted import tables as hosted
from ..hosted.stores import objects as stored
from ..store import schema
from ..store.database import Database
from .reading import FoundObjects, read_value

_BATCH = 200
_OWN = ("owner", "kept", "hosted", "batch_id")
"""Columns that the wire has no place for."""
_PLACED = (schema.runs, schema.messages, schema.steps)
"""What may well be of one second with its neighbours, so that only its place says which was first."""

Shown = Callable[[Mapping[Any, Any]], dict[str, Any]]


def export_objects(
    database: Database, *, threads: Collection[str] = (), owner: str | None = None, contents: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a store, oldest first, each kind before what refers to it.

    Parameters
    ----------
    threads : collection of str
        Only these, with their messages, runs and steps, and without assistants and files; all where it is empty.
    owner : str, optional
        Only what is this token's; empty for the server's own, None for all.
    contents : bool
        Whether files come with their bytes, in Base64.
    """
    tables: list[tuple[Table, Shown]] = []
    if not threads:
        tables += [(schema.files, lambda row: _file(row, contents))]
        tables += [(hosted.vector_stores, _store), (hosted.batches, lambda row: stored.batch(row, {}))]
        tables += [(hosted.store_files, stored.file)]
        tables += [(schema.assistants, objects.assistant)]
    tables += [
        (schema.threads, objects.thread),
        (schema.runs, objects.run),
        (schema.messages, objects.message),
        (schema.steps, lambda row: objects.step(row, found=True)),
    ]
    for table, shown in tables:
        for place, row in enumerate(_read(database, table, threads, owner), 1):
            own: dict[str, Any] = {name: row[name] for name in _OWN if row.get(name)}
            if table in _PLACED:
                own["place"] = place
            yield {**shown(row), **({"nbassist": own} if own else {})}


def _file(row: Mapping[Any, Any], contents: bool) -> dict[str, Any]:
    held = {"content_base64": base64.b64encode(row["content"]).decode("ascii")} if contents and row["content"] else {}
    return {**objects.file(row), **held}


def _store(row: Mapping[Any, Any]) -> dict[str, Any]:
    return stored.store(row, {}, 0, 0, "")


def _read(database: Database, table: Table, threads: Collection[str], owner: str | None) -> Iterator[Mapping[Any, Any]]:
    statement = select(table).order_by(table.c.seq).limit(_BATCH)
    if "deleted" in table.c:
        statement = statement.where(~table.c.deleted)
    if threads:
        statement = statement.where((table.c.id if table is schema.threads else table.c.thread_id).in_(threads))
    if owner is not None:
        in_thread = table.c.get("thread_id")
        owned = select(schema.threads.c.id).where(schema.threads.c.owner == owner)
        if table in (hosted.store_files, hosted.batches):
            in_thread = table.c.vector_store_id
            owned = select(hosted.vector_stores.c.id).where(hosted.vector_stores.c.owner == owner)
        statement = statement.where(table.c.owner == owner if in_thread is None else in_thread.in_(owned))
    after = 0

    def part(connection: Connection) -> Sequence[Mapping[Any, Any]]:
        return connection.execute(statement.where(table.c.seq > after)).mappings().all()

    while rows := database.transact(False, part):
        yield from rows
        after = rows[-1]["seq"]


_MAGIC = b"SQLite format 3\x00"


def is_store(name: str) -> bool:
    """Return whether that is a URL of SQLAlchemy, or a file of SQLite."""
    if "://" in name:
        return True
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_store(name: str) -> Iterator[FoundObjects]:
    """Yield the objects of a store. A file is copied first: an older one is brought up to date where it is opened.

    Raises
    ------
    UsageError
        Where it is no store of this server's, or can't be opened.
    """
    if "://" in name and not name.startswith("sqlite:///"):
        yield from _read_rows(name, name)
        return
    file = Path(name.removeprefix("sqlite:///")).expanduser()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "store.db"
        try:
            with closing(sqlite3.connect(read_only_uri(file.absolute()), uri=True)) as source:
                if not source.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                    raise UsageError(f"{file} is no store of nbassist's server")
                with closing(sqlite3.connect(copy)) as target:
                    source.backup(target)
        except sqlite3.Error as error:
            raise UsageError(f"can't read {file}: {error}") from error
        yield from _read_rows(f"sqlite:///{copy}", str(file))


def _read_rows(url: str, name: str) -> Iterator[FoundObjects]:
    try:
        database = Database(url)
    except (SQLAlchemyError, ImportError) as error:
        raise UsageError(f"the store {name} can't be opened: {getattr(error, 'orig', None) or error}") from error
    try:
        for value in export_objects(database):
            yield from read_value(value)
    finally:
        database.close()
