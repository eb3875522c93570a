"""What a server writes while it works on a run. Each write asks for its lease: one that lost it writes nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from .. import wire
from . import files, messages
from .schema import runs, steps

_ADD = insert(steps).returning(steps)


class LeaseLostError(Exception):
    """The run is no longer this server's: another one took it or ended it, or its thread was deleted."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a turn starts from: the run, its thread's messages and its own steps, oldest first, and images by id."""

    run: RowMapping
    messages: Sequence[RowMapping]
    steps: Sequence[RowMapping]
    images: Mapping[str, bytes]


def begin(connection: Connection, run_id: str, owner: str, now: int) -> Material:
    """Set a queued run that `owner` holds to `in_progress`, and return what its turn starts from.

    Raises
    ------
    LeaseLostError
        Where it is not queued, or not `owner`'s.
    """
    run = change_run(connection, run_id, owner, ("queued",), status="in_progress", started_at=now)
    of_run = select(steps).where(steps.c.run_id == run_id).order_by(steps.c.seq)
    history = messages.history(connection, run["thread_id"])
    wanted = {
        part["image_file"]["file_id"]
        for message in history
        for part in message["content"]
        if part["type"] == "image_file"
    }
    return Material(run, history, connection.execute(of_run).mappings().all(), files.contents(connection, wanted))


def change_run(
    connection: Connection, run_id: str, owner: str | None, states: Sequence[str], **fields: Any
) -> RowMapping:
    """Change columns of a run that is in one of `states` and whose lease `owner` holds (None: whoever holds it).

    Raises
    ------
    LeaseLostError
        Where there is no such run.
    """
    statement = update(runs).where(runs.c.id == run_id, runs.c.status.in_(states))
    if owner is not None:
        statement = statement.where(runs.c.lease_owner == owner)
    row = connection.execute(statement.values(fields).returning(runs)).mappings().one_or_none()
    if row is None:
        raise LeaseLostError(run_id)
    return row


def check_lease(connection: Connection, run_id: str, owner: str) -> None:
    """Make sure that `owner` works on the run.

    Raises
    ------
    LeaseLostError
        Where it does not.
    """
    mine = select(runs.c.seq).where(
        runs.c.id == run_id, runs.c.lease_owner == owner, runs.c.status.in_(("in_progress", "cancelling"))
    )
    if connection.execute(mine).scalar() is None:
        raise LeaseLostError(run_id)


def begin_step(connection: Connection, run: Mapping[Any, Any], step_id: str, details: Any, now: int) -> RowMapping:
    """Add a step of the kind that `details` says."""
    values = {
        "id": step_id,
        "created_at": now,
        "run_id": run["id"],
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "type": details["type"],
        "status": "in_progress",
        "expires_at": run["expires_at"],
        "step_details": details,
    }
    return connection.execute(_ADD, values).mappings().one()


def change_step(connection: Connection, step_id: str, **fields: Any) -> RowMapping:
    """Change columns of a step."""
    return (
        connection.execute(update(steps).where(steps.c.id == step_id).values(fields).returning(steps)).mappings().one()
    )


def used(connection: Connection, run_id: str) -> dict[str, Any]:
    """Return the usage of all steps of a run so far."""
    return wire.total_usage(connection.execute(select(steps.c.usage).where(steps.c.run_id == run_id)).scalars().all())
