"""Files: what messages show, what is searched, what the interpreter reads and writes; in the store beside the rest."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, or_, select, update

from ..api.errors import not_found
from .queries import PageQuery, mine, owner_of, read_page
from .schema import files, new_id

# Never read unless it is asked for: a list of files would load all of them.
_SHOWN = tuple(column for column in files.c if column is not files.c.content)
_ADD = insert(files).returning(*_SHOWN)


def create(
    connection: Connection, filename: str, purpose: str, content: bytes, now: int, expires_at: int | None = None
) -> RowMapping:
    """Add a file, which is there until `expires_at`, None for until it is deleted."""
    values = {
        "id": new_id("file"),
        "created_at": now,
        "filename": filename,
        "purpose": purpose,
        "bytes": len(content),
        "content": content,
        "expires_at": expires_at,
        "owner": owner_of(connection) or "",
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
    statement = select(*_SHOWN).where(files.c.id == file_id, *_there(connection))
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
    there = (files.c.id == file_id, *_there(connection))
    return connection.execute(select(files.c.seq).where(*there)).scalar() is not None


def contents(connection: Connection, file_ids: Collection[str]) -> dict[str, bytes]:
    """Return the contents of those files that are there, by id."""
    if not file_ids:
        return {}
    statement = select(files.c.id, files.c.content).where(files.c.id.in_(file_ids), *_there(connection))
    return {row.id: row.content for row in connection.execute(statement)}


def listing(connection: Connection, query: PageQuery, purpose: str | None) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of the files, without contents, of one purpose where it is given, and whether there are more."""
    only: list[ColumnElement[bool]] = [] if purpose is None else [files.c.purpose == purpose]
    return read_page(connection, files, query, *mine(connection, files), only=[*only, *_unexpired()])


def delete(connection: Connection, file_id: str) -> None:
    """Delete a file; an empty row stays, for cursors."""
    read(connection, file_id)
    clear(connection, [file_id])


def expired(connection: Connection, now: int) -> Sequence[str]:
    """Return the ids of files whose time is over, and that are still kept."""
    return connection.execute(select(files.c.id).where(files.c.expires_at <= now, ~files.c.deleted)).scalars().all()


def clear(connection: Connection, file_ids: Collection[str]) -> None:
    """Delete files, whoever's they are; empty rows stay, for cursors."""
    empty = {"content": b"", "filename": "", "deleted": True}
    connection.execute(update(files).where(files.c.id.in_(file_ids)).values(empty))


def _unexpired() -> tuple[ColumnElement[bool]]:
    return (or_(files.c.expires_at.is_(None), files.c.expires_at > int(time.time())),)


def _there(connection: Connection) -> tuple[ColumnElement[bool], ...]:
    return ~files.c.deleted, *_unexpired(), *mine(connection, files)
