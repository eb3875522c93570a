"""What a server writes while it works on a run. Each write asks for its lease: one that lost it writes nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Update, bindparam, insert, select, update

from . import files, messages, one_statement
from .one_statement import whole
from .prepared import Row, rows
from .schema import assistants, runs, steps, threads
from .schema import messages as messages_table

# Each statement of a run is built once: to build it anew takes SQLAlchemy longer than SQLite to do what it says.
_ADD = insert(steps).returning(steps)
_ADD_STEP, _ADD_MESSAGE = insert(steps), insert(messages_table)
_STEPS = select(steps).where(steps.c.run_id == bindparam("run")).order_by(steps.c.seq)
# A run that is to be cancelled is its server's until that one has ended it.
_HELD = select(runs.c.seq).where(
    runs.c.id == bindparam("run"),
    runs.c.lease_owner == bindparam("owner"),
    runs.c.status.in_(("in_progress", "cancelling")),
)


class LeaseLostError(Exception):
    """The run is no longer this server's: another one took it or ended it, or its thread was deleted."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a turn starts from: the run, its thread's messages and its own steps, oldest first, and images by id.

    `resources` are the tool resources of its assistant and of its thread; `own` the types of tools that the server
    runs in this turn, each with what is added to its description.
    """

    run: Row
    messages: Sequence[Row]
    steps: Sequence[Row]
    images: Mapping[str, bytes]
    resources: Sequence[Mapping[str, Any]] = ()
    own: Mapping[str, str] = field(default_factory=dict)


def begin(connection: Connection, run_id: str, owner: str, now: int) -> Material:
    """Set a queued run that `owner` holds to `in_progress`, and return what its turn starts from.

    Raises
    ------
    LeaseLostError
        Where it is not queued, or not `owner`'s.
    """
    # The change is the check: of two servers that begin at once, one finds no row to change.
    return _material(
        connection, change_run(connection, run_id, owner, ("queued",), status="in_progress", started_at=now)
    )


def again(connection: Connection, run_id: str, owner: str) -> Material:
    """Return what the next turn of a run starts from that goes on without its client.

    Raises
    ------
    LeaseLostError
        Where it is no longer `owner`'s, or is to be cancelled.
    """
    return _material(connection, change_run(connection, run_id, owner, ("in_progress",), status="in_progress"))


def _material(connection: Connection, run: Row) -> Material:
    history = messages.history(connection, run["thread_id"])
    wanted = {
        part["image_file"]["file_id"]
        for message in history
        if message["role"] == "user"
        for part in message["content"]
        if part["type"] == "image_file"
    }
    done = rows(connection, _STEPS, {"run": run["id"]})
    images = files.contents(connection, wanted) if wanted else {}
    return Material(run, history, done, images, resources(connection, run))


def resources(connection: Connection, run: Row) -> list[Mapping[str, Any]]:
    """Return the tool resources of a run's assistant and of its thread, where it may need them."""
    # Read for each turn anew: a client may add files to a thread while a run waits for it.
    if all(tool["type"] == "function" for tool in run["tools"]):
        return []
    found = [
        connection.execute(select(table.c.tool_resources).where(table.c.id == run[f"{name}_id"])).scalar()
        for name, table in (("assistant", assistants), ("thread", threads))
    ]
    return [resources for resources in found if resources]


def change_run(connection: Connection, run_id: str, owner: str | None, states: Sequence[str], **fields: Any) -> Row:
    """Change columns of a run that is in one of `states` and whose lease `owner` holds (None: whoever holds it).

    Raises
    ------
    LeaseLostError
        Where there is no such run.
    """
    given = {f"new_{name}": value for name, value in fields.items()}
    statement = _change_run(tuple(fields), tuple(states), owner is not None)
    changed = rows(connection, statement, {"run": run_id, "owner": owner, **given})
    if not changed:
        raise LeaseLostError(run_id)
    return changed[0]


@cache
def _change_run(names: tuple[str, ...], states: tuple[str, ...], owned: bool) -> Update:
    statement = update(runs).where(runs.c.id == bindparam("run"), runs.c.status.in_(states))
    if owned:
        statement = statement.where(runs.c.lease_owner == bindparam("owner"))
    return statement.values({name: bindparam(f"new_{name}") for name in names}).returning(runs)


def check_lease(connection: Connection, run_id: str, owner: str) -> None:
    """Make sure that `owner` works on the run.

    Raises
    ------
    LeaseLostError
        Where it does not.
    """
    if not rows(connection, _HELD, {"run": run_id, "owner": owner}):
        raise LeaseLostError(run_id)


def open_message(
    connection: Connection, run: Row, owner: str, step_id: str, message_id: str, now: int
) -> tuple[Row, Row]:
    """Add the message that a run begins to write, and its step; return the step and the message.

    Raises
    ------
    LeaseLostError
        Where `owner` does not work on the run.
    """
    details = {"type": "message_creation", "message_creation": {"message_id": message_id}}
    step, message = _step(run, step_id, details, now), messages.begun(run, message_id, now)
    if connection.dialect.name == "postgresql":
        if not one_statement.open_message(connection, run["id"], owner, step, message):
            raise LeaseLostError(run["id"])
    else:
        check_lease(connection, run["id"], owner)
        rows(connection, _ADD_STEP, step)
        rows(connection, _ADD_MESSAGE, message)
    return whole(steps, step), whole(messages_table, message)


def begin_step(connection: Connection, run: Row, step_id: str, details: Any, now: int) -> Row:
    """Add a step of the kind that `details` says."""
    return rows(connection, _ADD, _step(run, step_id, details, now))[0]


def _step(run: Row, step_id: str, details: Any, now: int) -> dict[str, Any]:
    return {
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


def change_step(connection: Connection, step_id: str, **fields: Any) -> Row:
    """Change columns of a step."""
    given = {f"new_{name}": value for name, value in fields.items()}
    return rows(connection, _change_step(tuple(fields)), {"step": step_id, **given})[0]


@cache
def _change_step(names: tuple[str, ...]) -> Update:
    fields: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(steps).where(steps.c.id == bindparam("step")).values(fields).returning(steps)
