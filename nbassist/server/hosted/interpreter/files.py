"""Files that the interpreter is given, and those that it makes: always those of whom the thread belongs to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ...store import files as store
from ...store.schema import files, threads

PURPOSE = "assistants_output"


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file that a thread or its assistant has for the interpreter."""

    id: str
    name: str


def given(connection: Connection, thread_id: str, file_ids: Collection[str]) -> list[GivenFile]:
    """Return those files that belong to whom the thread belongs to, the oldest first."""
    owner = select(threads.c.owner).where(threads.c.id == thread_id).scalar_subquery()
    there = (files.c.id.in_(file_ids), files.c.owner == owner, ~files.c.deleted)
    rows = connection.execute(select(files.c.id, files.c.filename).where(*there).order_by(files.c.seq))
    return [GivenFile(row.id, row.filename) for row in rows]


def keep(connection: Connection, thread_id: str, name: str, content: bytes, now: int) -> str:
    """Keep a file that the interpreter made for a thread; return its id."""
    row = store.create(connection, name[:512], PURPOSE, content, now)
    owner = select(threads.c.owner).where(threads.c.id == thread_id).scalar_subquery()
    connection.execute(files.update().where(files.c.id == row["id"]).values(owner=owner))
    return str(row["id"])
