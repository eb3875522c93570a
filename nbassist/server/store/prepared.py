"""Statements of a run, compiled once and given to SQLite's driver: SQLAlchemy takes longer for each than SQLite does.

Only statements that are built once belong here: what one was compiled to is found again by the statement itself. On
PostgreSQL, where a round trip costs more than all that, they go the usual way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite

from .one_statement import Row


@dataclass(frozen=True, slots=True)
class _Plan:
    """`binds` are the names of values in the order of the text, each with its conversion; one without is a constant."""

    text: str
    binds: Sequence[tuple[str | None, Any]]
    names: Sequence[str]
    converts: Sequence[tuple[str, Callable[[Any], Any]]]

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        return [
            given if name is None else values[name] if given is None else given(values[name])
            for name, given in self.binds
        ]

    def row(self, found: Sequence[Any]) -> Row:
        row = dict(zip(self.names, found, strict=True))
        for name, convert in self.converts:
            row[name] = convert(row[name])
        return row


def rows(
    connection: Connection, statement: Select[Any] | Insert | Update | Delete, values: Mapping[str, Any]
) -> Sequence[Row]:
    """Return the rows that a statement selects, or returns of what it changes; none where it returns none.

    Parameters
    ----------
    statement : Select, Insert, Update or Delete
        Built once: a constant of its module, or of a function that is cached.
    values : mapping
        Of its named parameters, or of the columns of an `Insert`.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        Where the store refuses it.
    """
    if connection.dialect.name == "sqlite":
        plan = _plan(statement, tuple(sorted(values)))
        plain: Any = connection.connection.dbapi_connection
        try:
            return [plan.row(found) for found in plain.execute(plan.text, plan.parameters(values)).fetchall()]
        except sqlite3.ProgrammingError:
            raise  # of ours
        except sqlite3.Error:
            pass  # nothing is done of a statement that fails: the usual way below fails in SQLAlchemy's words
    result = connection.execute(statement, values)
    return result.mappings().all() if result.returns_rows else ()


@lru_cache(256)  # a client chooses which columns are given
def _plan(statement: Select[Any] | Insert | Update | Delete, names: tuple[str, ...]) -> _Plan:
    dialect = sqlite.dialect()
    # An insert has the columns that are given.
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    if isinstance(statement, Insert) and compiled.insert_prefetch:
        raise ValueError(f"not all columns with a default are given: {compiled.insert_prefetch}")
    # Lists of `IN` are constants, and written out here.
    written = compiled.construct_expanded_state(dict.fromkeys(names))

    def bind(name: str) -> tuple[str | None, Any]:
        if name not in compiled.binds:
            return None, written.parameters[name]  # of an `IN`
        kind = compiled.binds[name].type.dialect_impl(dialect)
        convert = kind.bind_processor(dialect)
        if name in names:
            return name, convert
        constant = written.parameters[name]
        return None, constant if convert is None else convert(constant)

    shown: dict[str, Any] = {
        str(column.key): column.type.dialect_impl(dialect).result_processor(dialect, None)
        for column in statement.exported_columns
    }
    return _Plan(
        written.statement,
        [bind(name) for name in written.positiontup],
        list(shown),
        [(name, convert) for name, convert in shown.items() if convert is not None],
    )
