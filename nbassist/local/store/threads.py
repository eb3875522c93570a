"""Threads, and which run locks one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy import delete as delete_from

from ..refusals import not_found
from .ids import new_id
from .schema import ACTIVE, runs, threads

_ADD = insert(threads).returning(threads)


def create(connection: Connection, metadata: Mapping[str, str] | None, now: int) -> RowMapping:
    """Add a thread, empty."""
    values = {"id": new_id("thread"), "created_at": now, "metadata": metadata or {}}
    return connection.execute(_ADD, values).mappings().one()


def read(connection: Connection, thread_id: str, *, lock: bool = False) -> RowMapping:
    """Return a thread; with `lock`, no other transaction adds to it until this one ends.

    Raises
    ------
    ApiError
        Of status 404.
    """
    statement = select(threads).where(threads.c.id == thread_id)
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().one_or_none()
    if row is None:
        raise not_found("thread", thread_id)
    return row


def modify(connection: Connection, thread_id: str, metadata: Mapping[str, str] | None) -> RowMapping:
    """Put `metadata` in place of the thread's."""
    statement = update(threads).where(threads.c.id == thread_id).values(metadata=metadata or {}).returning(threads)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise not_found("thread", thread_id)
    return row


def delete(connection: Connection, thread_id: str) -> None:
    """Delete a thread with its messages, runs and steps; a run that is active on it finds itself gone."""
    if not connection.execute(delete_from(threads).where(threads.c.id == thread_id)).rowcount:
        raise not_found("thread", thread_id)


def active_run(connection: Connection, thread_id: str) -> str | None:
    """Return the id of the run that locks the thread, or None."""
    statement = select(runs.c.id).where(runs.c.thread_id == thread_id, runs.c.status.in_(ACTIVE))
    found: Any = connection.execute(statement).scalar()
    return None if found is None else str(found)
