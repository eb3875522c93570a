"""What a query sees and gives: the rows of the owner it was opened for, so many at a time, in either order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, Connection, LargeBinary, RowMapping, Table, select

from ..api.errors import ApiError
from .database import Database
from .writer import OWNER

P = ParamSpec("P")
T = TypeVar("T")


def owner_of(connection: Connection) -> str | None:
    """Return the owner that a transaction was opened for; None for none."""
    found: Any = connection.get_execution_options().get(OWNER)
    return None if found is None else str(found)


def mine(connection: Connection, table: Table) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a row is the owner's; no condition where the transaction is for none."""
    owner = owner_of(connection)
    return () if owner is None else (table.c.owner == owner,)


class OwnedStore:
    """A store as one owner sees it; the methods are those of `Database`."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def read(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return `work(connection, ...)`, in a transaction that sees one state of the store."""
        return await self._database.read_as(self._owner, lambda connection: work(connection, *arguments, **named))

    async def write(self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return `work(connection, ...)` once its transaction is committed; see `Database.write`."""
        return await self._database.write_as(self._owner, lambda connection: work(connection, *arguments, **named))

    async def write_once(self, work: Callable[[Connection], T]) -> T:
        """Return `work(connection)` once it is written; see `Database.write_once`."""
        return await self._database.write_once_as(self._owner, work)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which part of a list; `after` and `before` are ids, both exclusive, in the order that is asked for."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


def read_page(
    connection: Connection,
    table: Table,
    query: PageQuery,
    *conditions: ColumnElement[bool],
    only: Sequence[ColumnElement[bool]] = (),
) -> tuple[Sequence[RowMapping], bool]:
    """Return the rows of a page, and whether the list goes on past it. What files hold is not read.

    Parameters
    ----------
    conditions
        What makes the list: of whom it is, and of which thread or store.
    only
        Which of it are shown. A cursor may be one of the others: it tells a place, and what it names may have changed.

    Raises
    ------
    ApiError
        Where a cursor is no id of this list. The id of something deleted is one.
    """
    seq = table.c.seq
    columns = [column for column in table.c if not isinstance(column.type, LargeBinary)]
    statement = select(*columns).where(*conditions, *only)
    if "deleted" in table.c:
        statement = statement.where(~table.c.deleted)
    ascending = query.order == "asc"
    for name, cursor, later in (("after", query.after, ascending), ("before", query.before, not ascending)):
        if cursor is not None:
            at = connection.execute(select(seq).where(table.c.id == cursor, *conditions)).scalar()
            if at is None:
                raise ApiError(f"Invalid '{name}': there is nothing with id '{cursor}' in this list.", param=name)
            statement = statement.where(seq > at if later else seq < at)
    # A page before a cursor is the one next to it, so it is read from the cursor backwards.
    backwards = query.before is not None and query.after is None
    direction = seq.asc() if ascending != backwards else seq.desc()
    # One more than the page, to know whether there are more.
    rows = connection.execute(statement.order_by(direction).limit(query.limit + 1)).mappings().all()
    page = rows[: query.limit]
    return (page[::-1] if backwards else page), len(rows) > query.limit
