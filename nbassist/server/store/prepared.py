"""Statements of a run, compiled once and given to the driver: SQLAlchemy takes longer for each than SQLite does.

Only statements that are built once belong here: what one was compiled to is found again by the statement itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update

Row = Mapping[Any, Any]
"""A row of a table, by column name."""


@dataclass(slots=True)
class _Plan:
    """`binds` are the parameters of the text in order: its name there, the value's name and its conversion.

    One without a value's name is a constant. How a column is converted hangs on what the driver says of it, so it is
    known once there are rows.
    """

    text: str
    positional: bool
    binds: Sequence[tuple[str, str | None, Any]]
    dialect: Dialect
    columns: Mapping[str, Any]
    converts: Sequence[tuple[str, Callable[[Any], Any]]] | None = None

    def parameters(self, values: Mapping[str, Any]) -> list[Any] | dict[str, Any]:
        given = [
            convert if name is None else values[name] if convert is None else convert(values[name])
            for _, name, convert in self.binds
        ]
        return given if self.positional else dict(zip((there for there, _, _ in self.binds), given, strict=True))

    def read(self, cursor: Any) -> list[Row]:
        if not self.columns:  # SQLAlchemy has PostgreSQL tell the key of what is inserted, also where nobody asks
            return []
        if self.converts is None:
            kinds = zip(self.columns.items(), cursor.description, strict=True)
            found = [(name, kind.result_processor(self.dialect, told[1])) for (name, kind), told in kinds]
            self.converts = [(name, convert) for name, convert in found if convert is not None]
        rows: list[Row] = []
        for values in cursor.fetchall():
            row = dict(zip(self.columns, values, strict=True))
            for name, convert in self.converts:
                row[name] = convert(row[name])
            rows.append(row)
        return rows


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
    plain: Any = connection.connection.dbapi_connection
    # SQLAlchemy begins a transaction with its own first statement. In one of PostgreSQL's nothing more is taken after a
    # statement that failed, so the second try below would not say why; one that is a transaction by itself may be done
    # twice (see `Database.write_once`).
    if plain.in_transaction if connection.dialect.name == "sqlite" else plain.autocommit:
        plan = _plan(statement, tuple(sorted(values)), connection.dialect)
        driver: Any = connection.dialect.dbapi
        try:
            return plan.read(plain.execute(plan.text, plan.parameters(values)))
        except sqlite3.ProgrammingError:
            raise  # of ours
        except driver.Error:
            pass  # nothing is done of a statement that fails: the usual way fails in SQLAlchemy's words
    result = connection.execute(statement, values)
    return result.mappings().all() if result.returns_rows else ()


@lru_cache(256)  # a client chooses which columns are given
def _plan(statement: Select[Any] | Insert | Update | Delete, names: tuple[str, ...], dialect: Dialect) -> _Plan:
    # An insert has the columns that are given.
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    if isinstance(statement, Insert) and compiled.insert_prefetch:
        raise ValueError(f"not all columns with a default are given: {compiled.insert_prefetch}")
    # Lists of `IN` are constants, and written out here.
    written = compiled.construct_expanded_state(dict.fromkeys(names))

    def bind(there: str) -> tuple[str, str | None, Any]:
        if there not in compiled.binds:
            return there, None, written.parameters[there]  # of an `IN`
        convert = compiled.binds[there].type.dialect_impl(dialect).bind_processor(dialect)
        if there in names:
            return there, there, convert
        constant = written.parameters[there]
        return there, None, constant if convert is None else convert(constant)

    return _Plan(
        written.statement,
        compiled.positional,
        [bind(there) for there in written.positiontup or written.parameters],
        dialect,
        {str(column.key): column.type.dialect_impl(dialect) for column in statement.exported_columns},
    )
