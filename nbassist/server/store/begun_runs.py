"""Runs that begin as they are made: a stream's, on a server that has room for it, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert

from . import messages, one_statement, runs, threads
from .leased_writes import Material, resources
from .one_statement import whole
from .prepared import Row, rows
from .schema import messages as messages_table
from .schema import runs as runs_table
from .schema import threads as threads_table

_ADD_THREAD, _ADD_MESSAGES, _ADD_RUN = insert(threads_table), insert(messages_table), insert(runs_table)


def is_plain(thread: Mapping[str, Any], said: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a new thread has an id of this server's choice, and nothing that has to be looked up."""
    parts = [part for message in said for part in message["content"]]
    brought = [message["attachments"] for message in said]
    return not ("id" in thread or thread.get("tool_resources") or any(brought)) and all(
        part["type"] != "image_file" for part in parts
    )


def create(
    connection: Connection,
    thread: Mapping[str, Any],
    said: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    now: int,
    expires_at: int,
    lease: Mapping[str, Any],
    refused: Sequence[str],
) -> tuple[Row, Row, Material]:
    """Add a thread that is plain, its messages and a run on it that has begun; it may be done twice.

    Parameters
    ----------
    thread, said, settings : mapping
        Columns, as `threads.create`, `messages.add` and `runs.create_first` take them, each with an `id`.

    Returns
    -------
    (thread, run, material)
        The run is as it was made, queued, and in the material as it has begun.

    Raises
    ------
    ApiError
        Where the assistant is not there, or there is nothing to answer.
    """
    of_thread = threads.values_of(connection, thread, now)
    thread_id = of_thread["id"]
    queued = runs.first_values(connection, thread_id, settings, now, expires_at, lease, refused, empty=not said)
    of_messages = [messages.values_of(thread_id, message, now) for message in said]
    begun = {**queued, "status": "in_progress", "started_at": now}
    if connection.dialect.name == "postgresql":
        one_statement.add_begun(connection, of_thread, of_messages, begun)
    else:
        rows(connection, _ADD_THREAD, of_thread)
        for values in of_messages:
            rows(connection, _ADD_MESSAGES, values)
        rows(connection, _ADD_RUN, begun)
    history = [whole(messages_table, values) for values in of_messages]
    material = Material(whole(runs_table, begun), history, (), {}, resources(connection, begun))
    return whole(threads_table, of_thread), whole(runs_table, queued), material
