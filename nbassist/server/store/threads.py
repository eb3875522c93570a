"""Threads, and which run locks one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, insert, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError

from ..api.errors import in_use, not_found
from .prepared import Row, rows
from .queries import PageQuery, mine, owner_of, read_page
from .schema import ACTIVE, new_id, runs, threads

_ADD = insert(threads).returning(threads)
_ACTIVE = select(runs.c.id).where(runs.c.thread_id == bindparam("thread"), runs.c.status.in_(ACTIVE))


def create(connection: Connection, fields: Mapping[str, Any], now: int) -> Row:
    """Add a thread, empty; `fields` are columns: `metadata`, `tool_resources`, and an `id` where it has to be that one.

    Raises
    ------
    ApiError
        Where the `id` is in use.
    """
    try:
        return rows(connection, _ADD, values_of(connection, fields, now))[0]
    except IntegrityError:
        raise in_use("thread", fields["id"]) from None


def values_of(connection: Connection, fields: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the columns of a new thread."""
    given = {"id": new_id("thread"), "created_at": now, "owner": owner_of(connection) or ""}
    return {**given, **fields, "metadata": fields.get("metadata") or {}}


def read(connection: Connection, thread_id: str, *, lock: bool = False) -> Row:
    """Return a thread; with `lock`, no other transaction adds to it until this one ends.

    Raises
    ------
    ApiError
        Of status 404.
    """
    row = find(connection, thread_id, lock=lock)
    if row is None:
        raise not_found("thread", thread_id)
    return row


def find(connection: Connection, thread_id: str, *, lock: bool = False) -> Row | None:
    """As `read`, with None where there is no such thread."""
    owner = owner_of(connection)
    statement = _read(owner is not None, lock)
    found = rows(connection, statement, {"thread": thread_id, "owner": owner})
    return found[0] if found else None


@cache
def _read(owned: bool, lock: bool) -> Select[Any]:
    statement = select(threads).where(threads.c.id == bindparam("thread"))
    if owned:
        statement = statement.where(threads.c.owner == bindparam("owner"))
    return statement.with_for_update() if lock else statement


def listing(connection: Connection, query: PageQuery) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of all threads, and whether there are more."""
    return read_page(connection, threads, query, *mine(connection, threads))


def modify(connection: Connection, thread_id: str, fields: Mapping[str, Any]) -> Row:
    """Change the columns in `fields`, and return the thread as it is then."""
    if not fields:
        return read(connection, thread_id)
    statement = update(threads).where(threads.c.id == thread_id, *mine(connection, threads)).values(fields)
    row = connection.execute(statement.returning(threads)).mappings().one_or_none()
    if row is None:
        raise not_found("thread", thread_id)
    return row


def delete(connection: Connection, thread_id: str) -> None:
    """Delete a thread with its messages, runs and steps; a run that is active on it finds itself gone."""
    # One statement: what belongs to a thread goes with it by the foreign keys.
    there = (threads.c.id == thread_id, *mine(connection, threads))
    if not connection.execute(delete_from(threads).where(*there)).rowcount:
        raise not_found("thread", thread_id)


def active_run(connection: Connection, thread_id: str) -> str | None:
    """Return the id of the run that locks the thread, or None."""
    found = rows(connection, _ACTIVE, {"thread": thread_id})
    return str(found[0]["id"]) if found else None
