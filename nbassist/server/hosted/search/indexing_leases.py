"""Which server reads a file that was added to a store, and what it writes of it.

As with runs, a lease says so: the file of a server that died is taken by another, or by the same one after its start.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from ....documents.chunking import Chunk
from ...store.schema import files
from ..stores.objects import STATES
from ..tables import chunks, scope_of, store_files, vector_stores
from . import fulltext_index


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that is to be read: its row in the store, its name, its bytes, None where it was deleted meanwhile."""

    row: RowMapping
    scope: str
    name: str
    content: bytes | None


def any_waiting(connection: Connection, now: float) -> bool:
    """Return whether a file waits to be read that no living server reads."""
    return connection.execute(select(store_files.c.seq).where(*_free(now)).limit(1)).first() is not None


def claim(connection: Connection, owner: str, until: float, now: float) -> Waiting | None:
    """Take the file that has waited longest; None where none waits. What was read of it before is thrown away."""
    oldest = select(store_files.c.seq).where(*_free(now)).order_by(store_files.c.seq).limit(1)
    seq = connection.execute(oldest.with_for_update(skip_locked=True)).scalar()
    if seq is None:
        return None
    connection.execute(delete(chunks).where(chunks.c.store_file == seq))
    lease = update(store_files).where(store_files.c.seq == seq).values(lease_owner=owner, lease_until=until)
    row = connection.execute(lease.returning(store_files)).mappings().one()
    there = (files.c.id == row["id"], ~files.c.deleted)
    file = connection.execute(select(files.c.filename, files.c.content).where(*there)).one_or_none()
    store = connection.execute(select(vector_stores.c.seq).where(vector_stores.c.id == row["vector_store_id"])).scalar()
    name, content = (file.filename, bytes(file.content)) if file else ("", None)
    return Waiting(row, scope_of(int(store or 0)), name, content)


def renew(connection: Connection, owner: str, seq: int, until: float) -> bool:
    """Put off the end of a lease; return whether the file is still this server's to read."""
    mine = (store_files.c.seq == seq, store_files.c.lease_owner == owner, store_files.c.status == "in_progress")
    return bool(connection.execute(update(store_files).where(*mine).values(lease_until=until)).rowcount)


def add_chunks(connection: Connection, owner: str, waiting: Waiting, first: int, found: Sequence[Chunk]) -> bool:
    """Add chunks of a file, which are not found before it is completed; False where it is not this server's any more.

    `first` is the position of the first of them.
    """
    if not _holds(connection, owner, waiting.row["seq"]):
        return False
    rows = [
        {
            "store_file": waiting.row["seq"],
            "scope": waiting.scope,
            "position": position,
            "begin": chunk.begin,
            "page": chunk.page,
            "text": chunk.text,
        }
        for position, chunk in enumerate(found, first)
    ]
    added = connection.execute(insert(chunks).returning(chunks.c.seq), rows).scalars().all()
    fulltext_index.index(connection, added)
    return True


def finish(
    connection: Connection, owner: str, seq: int, usage_bytes: int = 0, error: dict[str, str] | None = None
) -> None:
    """Say that a file is read, or why it could not be."""
    if not _holds(connection, owner, seq):
        return
    values: dict[str, Any] = {
        "status": "failed" if error else "completed",
        "last_error": error,
        "usage_bytes": usage_bytes,
        "lease_owner": None,
        "lease_until": None,
    }
    connection.execute(update(store_files).where(store_files.c.seq == seq).values(values))


def being_read(connection: Connection, store_ids: Collection[str]) -> int:
    """Return how many files of those stores are not read yet."""
    there = (store_files.c.vector_store_id.in_(store_ids), store_files.c.status == STATES[0], ~store_files.c.deleted)
    return len(connection.execute(select(store_files.c.seq).where(*there)).all())


def _free(now: float) -> Any:
    nobodys = or_(store_files.c.lease_owner.is_(None), store_files.c.lease_until < now)
    return store_files.c.status == "in_progress", ~store_files.c.deleted, nobodys


def _holds(connection: Connection, owner: str, seq: int) -> bool:
    mine = (store_files.c.seq == seq, store_files.c.lease_owner == owner, store_files.c.status == "in_progress")
    return connection.execute(select(store_files.c.seq).where(*mine).with_for_update()).first() is not None
