"""Assistants: a model, its instructions and its tools, under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..api.errors import in_use, not_found
from .prepared import Row, rows
from .queries import PageQuery, mine, owner_of, read_page
from .schema import assistants, new_id

_ADD = insert(assistants).returning(assistants)

# What stands where a client sends null, or nothing.
_DEFAULTS: dict[str, Any] = {"tools": [], "metadata": {}, "response_format": "auto"}


def create(connection: Connection, fields: Mapping[str, Any], now: int) -> Row:
    """Add an assistant; `fields` are columns, those left out get their defaults.

    Raises
    ------
    ApiError
        Where `fields` has an `id` that is in use.
    """
    given = {"id": new_id("asst"), "created_at": now, "owner": owner_of(connection) or "", **_DEFAULTS}
    try:
        return rows(connection, _ADD, {**given, **_filled(fields), "deleted": False})[0]
    except IntegrityError:
        raise in_use("assistant", fields["id"]) from None


def read(connection: Connection, assistant_id: str) -> Row:
    """Return an assistant.

    Raises
    ------
    ApiError
        Of status 404.
    """
    owner = owner_of(connection)
    found = rows(connection, _read(owner is not None), {"assistant": assistant_id, "owner": owner})
    if not found:
        raise not_found("assistant", assistant_id)
    return found[0]


@cache
def _read(owned: bool) -> Select[Any]:
    statement = select(assistants).where(assistants.c.id == bindparam("assistant"), ~assistants.c.deleted)
    return statement.where(assistants.c.owner == bindparam("owner")) if owned else statement


def listing(connection: Connection, query: PageQuery) -> tuple[Sequence[Row], bool]:
    """Return a page of all assistants, and whether there are more."""
    return read_page(connection, assistants, query, *mine(connection, assistants))


def modify(connection: Connection, assistant_id: str, fields: Mapping[str, Any]) -> Row:
    """Change the columns in `fields`, and return the assistant as it is then."""
    if not fields:
        return read(connection, assistant_id)
    there = (assistants.c.id == assistant_id, ~assistants.c.deleted, *mine(connection, assistants))
    statement = update(assistants).where(*there).values(_filled(fields)).returning(assistants)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise not_found("assistant", assistant_id)
    return row


def delete(connection: Connection, assistant_id: str) -> None:
    """Delete an assistant; an empty row stays, for cursors."""
    read(connection, assistant_id)
    empty = {
        "name": None,
        "description": None,
        "instructions": None,
        **_DEFAULTS,
        "tool_resources": None,
        "deleted": True,
    }
    connection.execute(update(assistants).where(assistants.c.id == assistant_id).values(empty))


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _DEFAULTS.get(name) if value is None else value for name, value in fields.items()}
