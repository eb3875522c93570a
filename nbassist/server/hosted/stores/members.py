"""Files in vector stores, and batches of them. A file that is added waits for the indexer of any server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy import delete as delete_from

from ...api.errors import ApiError
from ...store import files
from ...store.queries import PageQuery, read_page
from ...store.schema import new_id
from ..tables import batches, chunks, store_files
from . import stores
from .objects import AUTO

_ADD = insert(store_files).returning(store_files)


@dataclass(frozen=True, slots=True)
class Addition:
    """A file to be added to a store, and how it is cut."""

    file_id: str
    strategy: Mapping[str, Any] = field(default_factory=lambda: AUTO)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def add(
    connection: Connection, store_id: str, added: Sequence[Addition], now: int, batch_id: str | None = None
) -> list[RowMapping]:
    """Add files to a store, all or none; one that is in it already is read anew.

    Raises
    ------
    ApiError
        Where the store is not there, or has expired, or a file is not there.
    """
    store = stores.read(connection, store_id)
    if stores.has_expired(store, now):
        raise ApiError(f"Vector store '{store_id}' has expired.", param="vector_store_id")
    for addition in added:
        if not files.exists(connection, addition.file_id):
            raise ApiError(f"No file found with id '{addition.file_id}'.", status=404, param="file_id")
    found = []
    # The last one counts of a file that is named twice.
    for addition in {addition.file_id: addition for addition in added}.values():
        connection.execute(delete_from(store_files).where(*_is(store_id, addition.file_id)))
        values = {
            "id": addition.file_id,
            "vector_store_id": store_id,
            "batch_id": batch_id,
            "created_at": now,
            "status": "in_progress",
            "last_error": None,
            "usage_bytes": 0,
            "chunking_strategy": dict(addition.strategy),
            "attributes": dict(addition.attributes),
            "deleted": False,
        }
        found.append(connection.execute(_ADD, values).mappings().one())
    stores.touch(connection, [store_id], now)
    return found


def read(connection: Connection, store_id: str, file_id: str) -> RowMapping:
    """Return a file in a store.

    Raises
    ------
    ApiError
        Of status 404, for the store or for the file.
    """
    stores.read(connection, store_id)
    statement = select(store_files).where(*_is(store_id, file_id), ~store_files.c.deleted)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise ApiError(f"No file found with id '{file_id}' in vector store '{store_id}'.", status=404, param="file_id")
    return row


def listing(
    connection: Connection, store_id: str, query: PageQuery, status: str | None = None, batch_id: str | None = None
) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of a store's files, of one state or one batch where these are given, and whether there are more."""
    if batch_id is None:
        stores.read(connection, store_id)
    else:
        read_batch(connection, store_id, batch_id)
    conditions = [store_files.c.vector_store_id == store_id]
    if batch_id is not None:
        conditions.append(store_files.c.batch_id == batch_id)
    # Indexing goes on while a client turns the pages.
    only = [] if status is None else [store_files.c.status == status]
    return read_page(connection, store_files, query, *conditions, only=only)


def modify(connection: Connection, store_id: str, file_id: str, attributes: Mapping[str, Any]) -> RowMapping:
    """Put `attributes` in place of the file's."""
    read(connection, store_id, file_id)
    statement = update(store_files).where(*_is(store_id, file_id)).values(attributes=dict(attributes))
    return connection.execute(statement.returning(store_files)).mappings().one()


def remove(connection: Connection, store_id: str, file_id: str) -> None:
    """Take a file out of a store; the file itself stays, and an empty row, for cursors."""
    row = read(connection, store_id, file_id)
    _forget(connection, [row["seq"]])


def forget_files(connection: Connection, file_ids: Collection[str]) -> None:
    """Take files that are deleted out of all stores."""
    rows = connection.execute(select(store_files.c.seq).where(store_files.c.id.in_(file_ids))).scalars().all()
    _forget(connection, rows)


def delete_file(connection: Connection, file_id: str) -> None:
    """Delete a file, and what was read of it; errors as in `store.files.read`."""
    files.delete(connection, file_id)
    forget_files(connection, [file_id])


def expire_files(connection: Connection, now: int) -> None:
    """Delete the files whose time is over."""
    past = files.expired(connection, now)
    files.clear(connection, past)
    forget_files(connection, past)


def _forget(connection: Connection, rows: Sequence[int]) -> None:
    connection.execute(delete_from(chunks).where(chunks.c.store_file.in_(rows)))
    gone = {"deleted": True, "status": "cancelled", "usage_bytes": 0, "attributes": {}, "lease_owner": None}
    connection.execute(update(store_files).where(store_files.c.seq.in_(rows)).values(gone))


def content(connection: Connection, store_id: str, file_id: str) -> list[str]:
    """Return the text that was read from a file, put together from its chunks; nothing while it is not read."""
    row = read(connection, store_id, file_id)
    statement = select(chunks.c.begin, chunks.c.text).where(chunks.c.store_file == row["seq"])
    pieces: list[str] = []
    length = 0
    for begin, text in connection.execute(statement.order_by(chunks.c.position)):
        # What chunks share stands once; what stood between two were blanks, and each began a line or nearly so.
        piece = "\n" * (begin - length) + text if begin > length else text[length - begin :]
        pieces.append(piece)
        length += len(piece)
    return ["".join(pieces)] if pieces else []


def create_batch(connection: Connection, store_id: str, added: Sequence[Addition], now: int) -> RowMapping:
    """Add files to a store as one batch."""
    batch_id = new_id("vsfb")
    add(connection, store_id, added, now, batch_id)
    values = {"id": batch_id, "vector_store_id": store_id, "created_at": now, "cancelled": False}
    return connection.execute(insert(batches).returning(batches), values).mappings().one()


def read_batch(connection: Connection, store_id: str, batch_id: str) -> RowMapping:
    """Return a batch.

    Raises
    ------
    ApiError
        Of status 404, for the store or for the batch.
    """
    stores.read(connection, store_id)
    statement = select(batches).where(batches.c.id == batch_id, batches.c.vector_store_id == store_id)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise ApiError(f"No file batch found with id '{batch_id}'.", status=404, param="batch_id")
    return row


def cancel_batch(connection: Connection, store_id: str, batch_id: str) -> RowMapping:
    """Cancel those files of a batch that are not read yet."""
    read_batch(connection, store_id, batch_id)
    waiting = (store_files.c.batch_id == batch_id, store_files.c.status == "in_progress")
    ended = connection.execute(update(store_files).where(*waiting).values(status="cancelled", lease_owner=None))
    statement = update(batches).where(batches.c.id == batch_id)
    # One that is finished has nothing to cancel, and says `completed` as before.
    values = {"cancelled": True} if ended.rowcount else {"cancelled": batches.c.cancelled}
    return connection.execute(statement.values(values).returning(batches)).mappings().one()


def batch_states(connection: Connection, batch_id: str) -> dict[str, int]:
    """Return how many files of a batch are in which state."""
    statement = (
        select(store_files.c.status, func.count().label("number"))
        .where(store_files.c.batch_id == batch_id, ~store_files.c.deleted)
        .group_by(store_files.c.status)
    )
    return {row.status: row.number for row in connection.execute(statement)}


def _is(store_id: str, file_id: str) -> Any:
    return store_files.c.vector_store_id == store_id, store_files.c.id == file_id
