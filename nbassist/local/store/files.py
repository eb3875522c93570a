"""Files that messages show: images, kept in the store beside the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from ..refusals import not_found
from .ids import new_id
from .pages import PageQuery, read_page
from .schema import files

_SHOWN = tuple(column for column in files.c if column is not files.c.content)
_ADD = insert(files).returning(*_SHOWN)


def create(connection: Connection, filename: str, purpose: str, content: bytes, now: int) -> RowMapping:
    """Add a file."""
    values = {
        "id": new_id("file"),
        "created_at": now,
        "filename": filename,
        "purpose": purpose,
        "bytes": len(content),
        "content": content,
        "deleted": False,
    }
    return connection.execute(_ADD, values).mappings().one()


def read(connection: Connection, file_id: str) -> RowMapping:
    """Return a file, without its content.

    Raises
    ------
    ApiError
        Of status 404.
    """
    statement = select(*_SHOWN).where(files.c.id == file_id, ~files.c.deleted)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise not_found("file", file_id)
    return row


def content(connection: Connection, file_id: str) -> bytes:
    """Return the content of a file; errors as in `read`."""
    read(connection, file_id)
    return bytes(connection.execute(select(files.c.content).where(files.c.id == file_id)).scalar_one())


def exists(connection: Connection, file_id: str) -> bool:
    """Return whether there is such a file."""
    found = connection.execute(select(files.c.seq).where(files.c.id == file_id, ~files.c.deleted)).scalar()
    return found is not None


def contents(connection: Connection, file_ids: Collection[str]) -> dict[str, bytes]:
    """Return the contents of those files that are there, by id."""
    if not file_ids:
        return {}
    statement = select(files.c.id, files.c.content).where(files.c.id.in_(file_ids), ~files.c.deleted)
    return {row.id: row.content for row in connection.execute(statement)}


def listing(connection: Connection, query: PageQuery, purpose: str | None) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of the files, without contents, of one purpose where it is given, and whether there are more."""
    conditions: list[ColumnElement[bool]] = [] if purpose is None else [files.c.purpose == purpose]
    return read_page(connection, files, query, *conditions)


def delete(connection: Connection, file_id: str) -> None:
    """Delete a file; an empty row stays, for cursors."""
    read(connection, file_id)
    connection.execute(update(files).where(files.c.id == file_id).values(content=b"", filename="", deleted=True))
