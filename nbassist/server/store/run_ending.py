"""The end of a run, whoever brings it about: what it left open is closed, and its thread is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import Connection, Update, bindparam, select, update

from .. import objects
from . import leased_writes, one_statement
from .prepared import Row, rows
from .schema import ACTIVE, messages, runs, steps

End = Literal["completed", "incomplete", "failed", "cancelled", "expired"]

# A run has no time of its own on the wire for the two other ends.
_TIMES = {"completed": "completed_at", "cancelled": "cancelled_at", "failed": "failed_at"}
# The wire knows no incomplete step.
_STEP_ENDS = {"completed": "completed", "incomplete": "completed"}
_MESSAGE_REASONS = {"failed": "run_failed", "cancelled": "run_cancelled", "expired": "run_expired"}


@dataclass(frozen=True, slots=True)
class RunEnding:
    """What changed at the end of a run, in the order in which a stream tells it."""

    messages: Sequence[Row]
    steps: Sequence[Row]
    run: Row


def end_run(
    connection: Connection,
    run_id: str,
    end: End,
    now: int,
    *,
    owner: str | None = None,
    states: Sequence[str] = ACTIVE,
    usage: Any = None,
    reason: str | None = None,
    error: tuple[str, str] | None = None,
    message_reason: str | None = None,
    said: Mapping[str, Any] | None = None,
) -> RunEnding:
    """End a run and close its open messages and steps.

    Parameters
    ----------
    owner : str, optional
        Who must hold the lease; None where nobody need.
    states : sequence of str
        In one of which the run must be.
    usage : dict, optional
        Of the turn; goes to its last open step.
    reason : str, optional
        Why it is incomplete: max_completion_tokens or max_prompt_tokens.
    error : (code, message), optional
        Why it failed.
    message_reason : str, optional
        Why an open message is incomplete; else it follows from `end`, and is none where the run is completed.
    said : mapping, optional
        Columns of the message that is open.

    Raises
    ------
    LeaseLostError
        Where the run is not as it must be; nothing is changed then.
    """
    if owner is None:
        # Held until the end: its server, which may have come back, must add no step between the sum and the end.
        connection.execute(_LOCK, {"run": run_id})
    of_run = rows(connection, _STEPS, {"run": run_id})
    # Of the turn, so it is its last step's, where there is one.
    used = {step["id"]: step["usage"] for step in of_run}
    open_steps = [step["id"] for step in of_run if step["status"] == "in_progress"]
    if usage and open_steps:
        used[open_steps[-1]] = usage
    fields = _run_fields(end, now, objects.total_usage(list(used.values())), reason, error)
    # Before messages and steps: its row is what makes sure that this happens once.
    run = leased_writes.change_run(connection, run_id, owner, states, **fields)
    ended_messages = _end_messages(connection, run_id, _message_fields(end, now, message_reason, said or {}))
    ended_steps = [
        leased_writes.change_step(connection, step_id, **_step_fields(end, now, used[step_id], error))
        for step_id in open_steps
    ]
    return RunEnding(ended_messages, ended_steps, run)


def end_in_one(
    connection: Connection,
    run_id: str,
    end: End,
    now: int,
    *,
    owner: str,
    step_id: str,
    before: Sequence[Row],
    usage: Any = None,
    reason: str | None = None,
    error: tuple[str, str] | None = None,
    message_reason: str | None = None,
    said: Mapping[str, Any] | None = None,
) -> RunEnding | None:
    """As `end_run`, on PostgreSQL in one statement, of a run with one step open; None where it is not so.

    Parameters
    ----------
    step_id : str
        The step.
    before : sequence of row
        The run's steps before it, all of them over.
    """
    total = objects.total_usage([*(step["usage"] for step in before), usage])
    changed = one_statement.end(
        connection,
        run_id,
        owner,
        step_id,
        len(before),
        _run_fields(end, now, total, reason, error),
        _step_fields(end, now, usage, error),
        _message_fields(end, now, message_reason, said or {}),
    )
    if changed is None:
        return None
    run, said_rows, done = changed
    return RunEnding(sorted(said_rows, key=_seq), done, run)


def _run_fields(end: End, now: int, usage: Any, reason: str | None, error: tuple[str, str] | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "status": end,
        "required_action": None,
        "last_error": {"code": error[0], "message": error[1]} if error else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": usage,
        "lease_owner": None,
        "lease_until": None,
    }
    return {**fields, _TIMES[end]: now} if end in _TIMES else fields


_LOCK = select(runs.c.seq).where(runs.c.id == bindparam("run")).with_for_update()
_STEPS = (
    select(steps.c.id, steps.c.status, steps.c.usage).where(steps.c.run_id == bindparam("run")).order_by(steps.c.seq)
)


def as_it_stands(connection: Connection, run_id: str) -> RunEnding | None:
    """Return a run, with those of its messages and steps that are over; None where it is deleted."""
    run = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()
    if run is None:
        return None
    said, done = (
        connection.execute(
            select(table).where(table.c.run_id == run_id, table.c.status != "in_progress").order_by(table.c.seq)
        )
        for table in (messages, steps)
    )
    return RunEnding([row for row in said.mappings() if not row["deleted"]], done.mappings().all(), run)


def _step_fields(end: End, now: int, usage: Any, error: tuple[str, str] | None) -> dict[str, Any]:
    state = _STEP_ENDS.get(end, end)
    fields: dict[str, Any] = {"status": state, "expired_at" if state == "expired" else _TIMES[state]: now}
    if error and state == "failed":
        fields["last_error"] = {"code": _step_code(error[0]), "message": error[1]}
    return {**fields, "usage": usage}


def _step_code(code: str) -> str:
    # A step knows these two codes alone; a run has `invalid_prompt` besides.
    return code if code == "rate_limit_exceeded" else "server_error"


def _message_fields(end: End, now: int, reason: str | None, said: Mapping[str, Any]) -> dict[str, Any]:
    reason = reason or _MESSAGE_REASONS.get(end)
    fields: dict[str, Any] = {"status": "completed", "completed_at": now}
    if reason:
        fields = {"status": "incomplete", "incomplete_at": now, "incomplete_details": {"reason": reason}}
    return {**fields, **said}


def _end_messages(connection: Connection, run_id: str, fields: Mapping[str, Any]) -> list[Row]:
    given = {f"new_{name}": value for name, value in fields.items()}
    found = rows(connection, _change_open(tuple(fields)), {"run": run_id, **given})
    # RETURNING promises no order.
    return sorted(found, key=_seq)


def _seq(row: Row) -> int:
    return int(row["seq"])


@cache
def _change_open(names: tuple[str, ...]) -> Update:
    still_open = (messages.c.run_id == bindparam("run"), messages.c.status == "in_progress", ~messages.c.deleted)
    fields: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(messages).where(*still_open).values(fields).returning(messages)
