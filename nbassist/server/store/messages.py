"""Messages of a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Update, bindparam, insert, select, update

from ..api.errors import ApiError, not_found, thread_is_locked
from . import files, threads
from .prepared import Row, rows
from .queries import PageQuery, read_page
from .schema import messages, new_id

_ADD = insert(messages).returning(messages)
_BY_ID = select(messages).where(messages.c.id == bindparam("message"))
_HISTORY = (
    select(messages).where(messages.c.thread_id == bindparam("thread"), ~messages.c.deleted).order_by(messages.c.seq)
)


def create(connection: Connection, thread_id: str, message: Mapping[str, Any], now: int) -> Row:
    """Add a client's message to a thread that no run works on; one that is there under its `id` is given as it is.

    Raises
    ------
    ApiError
        Where there is no such thread, a run is active on it, or an image's file is not there.
    """
    # Locked, so that no run begins between the look and the message.
    threads.read(connection, thread_id, lock=True)
    if (sent := message.get("id")) and (there := rows(connection, _BY_ID, {"message": sent})):
        return there[0]
    if run_id := threads.active_run(connection, thread_id):
        raise thread_is_locked(thread_id, run_id)
    return add(connection, thread_id, message, now)


def add(connection: Connection, thread_id: str, message: Mapping[str, Any], now: int) -> Row:
    """Add a client's message, with `role`, `content` as the wire shows it, and `metadata`, and ask nothing."""
    for index, part in enumerate(message["content"]):
        if part["type"] == "image_file" and not files.exists(connection, part["image_file"]["file_id"]):
            raise ApiError(
                f"No file found with id '{part['image_file']['file_id']}'.",
                param=f"content[{index}].image_file.file_id",
            )
    return rows(connection, _ADD, values_of(thread_id, message, now))[0]


def values_of(thread_id: str, message: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the columns of a client's message."""
    return {
        "id": message.get("id") or new_id("msg"),
        "created_at": now,
        "thread_id": thread_id,
        "status": "completed",
        "completed_at": now,
        "role": message["role"],
        "content": message["content"],
        "attachments": message.get("attachments"),
        "metadata": message["metadata"] or {},
        "deleted": False,
    }


def begun(run: Mapping[Any, Any], message_id: str, now: int) -> dict[str, Any]:
    """Return the columns of the message of a run that begins to be written."""
    return {
        "id": message_id,
        "created_at": now,
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "run_id": run["id"],
        "status": "in_progress",
        "role": "assistant",
        "content": [],
        "metadata": {},
        "deleted": False,
    }


def change(connection: Connection, message_id: str, **fields: Any) -> Row | None:
    """Change columns of a run's message; None where a client deleted it meanwhile."""
    given = {f"new_{name}": value for name, value in fields.items()}
    changed = rows(connection, _change(tuple(fields)), {"message": message_id, **given})
    return changed[0] if changed else None


@cache
def _change(names: tuple[str, ...]) -> Update:
    fields: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    there = (messages.c.id == bindparam("message"), ~messages.c.deleted)
    return update(messages).where(*there).values(fields).returning(messages)


def write_texts(connection: Connection, texts: Sequence[tuple[str, Any]]) -> None:
    """Write what open messages hold so far, each an id and a content; one that was ended meanwhile stays as it is."""
    for message_id, content in texts:
        still_open = (messages.c.id == message_id, messages.c.status == "in_progress", ~messages.c.deleted)
        connection.execute(update(messages).where(*still_open).values(content=content))


def read(connection: Connection, thread_id: str, message_id: str) -> RowMapping:
    """Return a message.

    Raises
    ------
    ApiError
        Of status 404, for the thread or for the message.
    """
    threads.read(connection, thread_id)
    statement = select(messages).where(
        messages.c.id == message_id, messages.c.thread_id == thread_id, ~messages.c.deleted
    )
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise not_found("message", message_id)
    return row


def listing(
    connection: Connection, thread_id: str, query: PageQuery, run_id: str | None
) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of a thread's messages, of one run where `run_id` is given, and whether there are more."""
    threads.read(connection, thread_id)
    only = [] if run_id is None else [messages.c.run_id == run_id]
    return read_page(connection, messages, query, messages.c.thread_id == thread_id, only=only)


def modify(connection: Connection, thread_id: str, message_id: str, metadata: Mapping[str, str] | None) -> RowMapping:
    """Put `metadata` in place of the message's."""
    read(connection, thread_id, message_id)
    statement = update(messages).where(messages.c.id == message_id).values(metadata=metadata or {})
    return connection.execute(statement.returning(messages)).mappings().one()


def delete(connection: Connection, thread_id: str, message_id: str) -> None:
    """Delete a message; an empty row stays, for cursors."""
    read(connection, thread_id, message_id)
    empty = {"content": [], "metadata": {}, "deleted": True}
    connection.execute(update(messages).where(messages.c.id == message_id).values(empty))


def any_in(connection: Connection, thread_id: str) -> bool:
    """Return whether a thread has a message."""
    statement = select(messages.c.seq).where(messages.c.thread_id == thread_id, ~messages.c.deleted).limit(1)
    return connection.execute(statement).first() is not None


def attaching(connection: Connection, thread_id: str) -> Sequence[RowMapping]:
    """Return the attachments of a thread's messages, oldest first, as rows with `attachments` alone."""
    there = (messages.c.thread_id == thread_id, ~messages.c.deleted, messages.c.attachments.is_not(None))
    return connection.execute(select(messages.c.attachments).where(*there).order_by(messages.c.seq)).mappings().all()


def history(connection: Connection, thread_id: str) -> Sequence[Row]:
    """Return all messages of a thread, oldest first."""
    return rows(connection, _HISTORY, {"thread": thread_id})
