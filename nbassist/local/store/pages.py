"""Lists in pages: from a cursor, so many, in either order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, LargeBinary, RowMapping, Table, select

from ..refusals import ApiError


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which part of a list; `after` and `before` are ids, both exclusive, in the order that is asked for."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


def read_page(
    connection: Connection, table: Table, query: PageQuery, *conditions: ColumnElement[bool]
) -> tuple[Sequence[RowMapping], bool]:
    """Return the rows of a page, and whether the list goes on past it. What files hold is not read.

    Raises
    ------
    ApiError
        Where a cursor is no id of this list. The id of something deleted is one.
    """
    seq = table.c.seq
    columns = [column for column in table.c if not isinstance(column.type, LargeBinary)]
    statement = select(*columns).where(*conditions)
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
    rows = connection.execute(statement.order_by(direction).limit(query.limit + 1)).mappings().all()
    page = rows[: query.limit]
    return (page[::-1] if backwards else page), len(rows) > query.limit
