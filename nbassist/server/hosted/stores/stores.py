"""Vector stores in the database: made, read, changed, deleted, and expired by time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy import delete as delete_from

from ...api.errors import ApiError
from ...store.queries import PageQuery, mine, owner_of, read_page
from ...store.schema import new_id, threads
from ..tables import store_files, vector_stores

_ADD = insert(vector_stores).returning(vector_stores)
_DAY = 86_400
ATTACHED_DAYS = 7
"""After how many days without use a store ends that was made for the attachments of a thread."""


def no_such_store(store_id: str) -> ApiError:
    """Refuse the id of a store that is not there."""
    return ApiError(f"No vector store found with id '{store_id}'.", status=404, param="vector_store_id")


def create(connection: Connection, fields: Mapping[str, Any], now: int) -> RowMapping:
    """Add a store without files; `fields` are columns: name, description, expires_after, metadata."""
    values = {
        "id": new_id("vs"),
        "created_at": now,
        "last_active_at": now,
        "owner": owner_of(connection) or "",
        "name": None,
        "description": None,
        "expires_after": None,
        "deleted": False,
        **fields,
    }
    values["metadata"] = values.get("metadata") or {}
    values["expires_at"] = _end(values["expires_after"], now)
    return connection.execute(_ADD, values).mappings().one()


def read(connection: Connection, store_id: str) -> RowMapping:
    """Return a store.

    Raises
    ------
    ApiError
        Of status 404.
    """
    there = (vector_stores.c.id == store_id, ~vector_stores.c.deleted, *mine(connection, vector_stores))
    row = connection.execute(select(vector_stores).where(*there)).mappings().one_or_none()
    if row is None:
        raise no_such_store(store_id)
    return row


def listing(connection: Connection, query: PageQuery) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of the stores, and whether there are more."""
    return read_page(connection, vector_stores, query, *mine(connection, vector_stores))


def modify(connection: Connection, store_id: str, fields: Mapping[str, Any], now: int) -> RowMapping:
    """Change the columns in `fields`, and return the store as it is then."""
    row = read(connection, store_id)
    values = dict(fields)
    if "metadata" in values:
        values["metadata"] = values["metadata"] or {}
    if "expires_after" in values:
        values["expires_at"] = _end(values["expires_after"], row["last_active_at"])
    if not values:
        return row
    statement = update(vector_stores).where(vector_stores.c.id == store_id).values(values)
    return connection.execute(statement.returning(vector_stores)).mappings().one()


def delete(connection: Connection, store_id: str) -> None:
    """Delete a store with all that was read for it; an empty row stays, for cursors."""
    read(connection, store_id)
    _empty(connection, [store_id])
    gone: dict[str, Any] = {"deleted": True, "name": None, "description": None, "metadata": {}}
    connection.execute(update(vector_stores).where(vector_stores.c.id == store_id).values(gone))


def of_owner_of(connection: Connection, thread_id: str, store_ids: Collection[str]) -> list[str]:
    """Return those stores, in their order, that belong to whom a thread belongs to.

    What a run searches is asked for here: a thread may name stores that were never looked at when it was made.
    """
    owner = select(threads.c.owner).where(threads.c.id == thread_id).scalar_subquery()
    there = (vector_stores.c.id.in_(store_ids), vector_stores.c.owner == owner, ~vector_stores.c.deleted)
    found = set(connection.execute(select(vector_stores.c.id).where(*there)).scalars())
    return [store_id for store_id in store_ids if store_id in found]


def open_of(connection: Connection, thread_id: str, store_ids: Collection[str], now: int) -> list[str]:
    """Return those stores as `of_owner_of` does that have not expired, so that files can be added to them."""
    there = of_owner_of(connection, thread_id, store_ids)
    found = select(vector_stores).where(vector_stores.c.id.in_(there))
    expired = {row["id"] for row in connection.execute(found).mappings() if has_expired(row, now)}
    return [store_id for store_id in there if store_id not in expired]


def touch(connection: Connection, store_ids: Collection[str], now: int) -> None:
    """Note that stores are used, which puts off their end."""
    for store_id in store_ids:
        row = connection.execute(select(vector_stores).where(vector_stores.c.id == store_id)).mappings().one_or_none()
        # An expired store stays expired.
        if row is not None and row["last_active_at"] < now and not has_expired(row, now):
            values = {"last_active_at": now, "expires_at": _end(row["expires_after"], now)}
            connection.execute(update(vector_stores).where(vector_stores.c.id == store_id).values(values))


def has_expired(row: Mapping[Any, Any], now: int) -> bool:
    """Return whether a store is past its end."""
    return row["expires_at"] is not None and bool(row["expires_at"] <= now)


def expire(connection: Connection, now: int) -> None:
    """Let what was read for expired stores go; the stores stay, and say that they expired."""
    past = select(vector_stores.c.id).where(vector_stores.c.expires_at <= now, ~vector_stores.c.deleted)
    ids = connection.execute(past.where(_has_files())).scalars().all()
    if ids:
        _empty(connection, ids)


def any_expired(connection: Connection, now: int) -> bool:
    """Return whether `expire` has something to do: a glance, so that an idle server writes nothing."""
    past = select(vector_stores.c.seq).where(vector_stores.c.expires_at <= now, ~vector_stores.c.deleted, _has_files())
    return connection.execute(past.limit(1)).first() is not None


def tallies(connection: Connection, store_ids: Collection[str]) -> dict[str, tuple[dict[str, int], int]]:
    """Return for each store how many of its files are in which state, and the bytes that they take."""
    found: dict[str, tuple[dict[str, int], int]] = {store_id: ({}, 0) for store_id in store_ids}
    columns = (store_files.c.vector_store_id, store_files.c.status, func.count(), func.sum(store_files.c.usage_bytes))
    there = (store_files.c.vector_store_id.in_(store_ids), ~store_files.c.deleted)
    statement = select(*columns).where(*there).group_by(store_files.c.vector_store_id, store_files.c.status)
    for store_id, status, count, size in connection.execute(statement):
        states, total = found[store_id]
        found[store_id] = ({**states, status: count}, total + int(size or 0))
    return found


def _has_files() -> Any:
    return select(store_files.c.seq).where(store_files.c.vector_store_id == vector_stores.c.id).exists()


def _empty(connection: Connection, store_ids: Collection[str]) -> None:
    # The chunks and vectors go by the foreign keys, the index of words by its triggers.
    connection.execute(delete_from(store_files).where(store_files.c.vector_store_id.in_(store_ids)))


def _end(expires_after: Mapping[str, Any] | None, active_at: int) -> int | None:
    return None if expires_after is None else active_at + int(expires_after["days"]) * _DAY
