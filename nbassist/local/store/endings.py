"""The end of a run, whoever brings it about: what it left open is closed, and its thread is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, update

from . import turns
from .schema import ACTIVE, messages, steps

End = Literal["completed", "incomplete", "failed", "cancelled", "expired"]

_TIMES = {"completed": "completed_at", "cancelled": "cancelled_at", "failed": "failed_at"}
_STEP_ENDS = {"completed": "completed", "incomplete": "completed"}
_MESSAGE_REASONS = {"failed": "run_failed", "cancelled": "run_cancelled", "expired": "run_expired"}


@dataclass(frozen=True, slots=True)
class Ending:
    """What changed at the end of a run, in the order in which a stream tells it."""

    messages: Sequence[RowMapping]
    steps: Sequence[RowMapping]
    run: RowMapping


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
) -> Ending:
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

    Raises
    ------
    LeaseLostError
        Where the run is not as it must be; nothing is changed then.
    """
    last_error = {"code": error[0], "message": error[1]} if error else None
    # The run first: its row is what makes sure that this happens once.
    turns.change_run(connection, run_id, owner, states, status=end)
    ended_messages = _end_messages(connection, run_id, end, now, message_reason)
    ended_steps = _end_steps(connection, run_id, end, now, usage, last_error)
    fields: dict[str, Any] = {
        "required_action": None,
        "last_error": last_error,
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": turns.used(connection, run_id),
        "lease_owner": None,
        "lease_until": None,
    }
    if end in _TIMES:
        fields[_TIMES[end]] = now
    run = turns.change_run(connection, run_id, None, (end,), **fields)
    return Ending(ended_messages, ended_steps, run)


def _end_steps(
    connection: Connection, run_id: str, end: End, now: int, usage: Any, last_error: Any
) -> list[RowMapping]:
    state = _STEP_ENDS.get(end, end)
    fields: dict[str, Any] = {"status": state, "expired_at" if state == "expired" else _TIMES[state]: now}
    if last_error and state == "failed":
        fields["last_error"] = {**last_error, "code": _step_code(last_error["code"])}
    open_steps = update(steps).where(steps.c.run_id == run_id, steps.c.status == "in_progress")
    ended = sorted(connection.execute(open_steps.values(fields).returning(steps)).mappings(), key=_seq)
    if usage and ended:
        ended[-1] = turns.change_step(connection, ended[-1]["id"], usage=usage)
    return ended


def _seq(row: RowMapping) -> int:
    return int(row["seq"])


def _step_code(code: str) -> str:
    return code if code == "rate_limit_exceeded" else "server_error"


def _end_messages(connection: Connection, run_id: str, end: End, now: int, reason: str | None) -> list[RowMapping]:
    reason = reason or _MESSAGE_REASONS.get(end)
    fields: dict[str, Any] = {"status": "completed", "completed_at": now}
    if reason:
        fields = {"status": "incomplete", "incomplete_at": now, "incomplete_details": {"reason": reason}}
    still_open = (messages.c.run_id == run_id, messages.c.status == "in_progress", ~messages.c.deleted)
    statement = update(messages).where(*still_open).values(fields).returning(messages)
    return sorted(connection.execute(statement).mappings(), key=_seq)
