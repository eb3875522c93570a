"""Assistants: a model, its instructions and its tools, under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from ..refusals import not_found
from .ids import new_id
from .pages import PageQuery, read_page
from .schema import assistants

_ADD = insert(assistants).returning(assistants)

# What stands where a client sends null, or nothing.
_DEFAULTS: dict[str, Any] = {"tools": [], "metadata": {}, "response_format": "auto"}


def create(connection: Connection, fields: Mapping[str, Any], now: int) -> RowMapping:
    """Add an assistant; `fields` are columns, those left out get their defaults."""
    values = {"id": new_id("asst"), "created_at": now, **_DEFAULTS, **_filled(fields)}
    return connection.execute(_ADD, values).mappings().one()


def read(connection: Connection, assistant_id: str) -> RowMapping:
    """Return an assistant.

    Raises
    ------
    ApiError
        Of status 404.
    """
    statement = select(assistants).where(assistants.c.id == assistant_id, ~assistants.c.deleted)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise not_found("assistant", assistant_id)
    return row


def listing(connection: Connection, query: PageQuery) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of all assistants, and whether there are more."""
    return read_page(connection, assistants, query)


def modify(connection: Connection, assistant_id: str, fields: Mapping[str, Any]) -> RowMapping:
    """Change the columns in `fields`, and return the assistant as it is then."""
    if not fields:
        return read(connection, assistant_id)
    statement = update(assistants).where(assistants.c.id == assistant_id, ~assistants.c.deleted)
    row = connection.execute(statement.values(_filled(fields)).returning(assistants)).mappings().one_or_none()
    if row is None:
        raise not_found("assistant", assistant_id)
    return row


def delete(connection: Connection, assistant_id: str) -> None:
    """Delete an assistant; an empty row stays, for cursors."""
    read(connection, assistant_id)
    empty = {"name": None, "description": None, "instructions": None, **_DEFAULTS, "deleted": True}
    connection.execute(update(assistants).where(assistants.c.id == assistant_id).values(empty))


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _DEFAULTS.get(name) if value is None else value for name, value in fields.items()}
