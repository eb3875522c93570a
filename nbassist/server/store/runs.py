"""Runs, as clients make, read and steer them; `leased_writes` has what the server that works on one writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from ..api.errors import (
    invalid_thread,
    not_cancellable,
    not_changeable,
    not_found,
    takes_no_outputs,
    thread_is_busy,
    unsupported,
    wrong_outputs,
)
from . import assistants, messages, threads
from .prepared import Row, rows
from .queries import PageQuery, mine, read_page
from .schema import new_id, runs, steps
from .schema import threads as threads_table

_ADD = insert(runs).returning(runs)

_INHERITED = ("model", "instructions", "tools", "temperature", "top_p", "reasoning_effort", "response_format")
_DEFAULTS: dict[str, Any] = {
    "metadata": {},
    "truncation_strategy": {"type": "auto", "last_messages": None},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}


def create(
    connection: Connection,
    thread_id: str,
    settings: Mapping[str, Any],
    added: Sequence[Mapping[str, Any]],
    now: int,
    expires_at: int,
    lease: Mapping[str, Any],
    refused: Sequence[str] = (),
) -> Row:
    """Add a run to a thread, and before it the messages in `added`; all of it or nothing.

    Parameters
    ----------
    settings : mapping
        Columns of the run as the client gave them; where one is left out or None, the assistant's holds. With
        `additional_instructions`, which are put after those, and an `id` where it has to be that one.
    lease : mapping
        `lease_owner` and `lease_until`; empty for a run that any server may take.
    refused : sequence of str
        Types of tools that a run may not have: an assistant may have been kept with them, or brought along.

    Raises
    ------
    ApiError
        Where the thread or the assistant is not there, a run is active on the thread, or there is nothing to answer.
    """
    # Runs of one thread are made one after the other, so that the second gets the service's words; the index over
    # active runs would refuse it with an error of the database.
    threads.read(connection, thread_id, lock=True)
    if run_id := threads.active_run(connection, thread_id):
        raise thread_is_busy(thread_id, run_id)
    assistant = assistants.read(connection, settings["assistant_id"])
    for message in added:
        messages.add(connection, thread_id, message, now)
    values = _values(assistant, settings, refused)
    if not (added or values["instructions"] or messages.any_in(connection, thread_id)):
        raise invalid_thread(thread_id)
    return rows(connection, _ADD, _queued(thread_id, values, now, expires_at, lease))[0]


def create_first(
    connection: Connection,
    thread_id: str,
    settings: Mapping[str, Any],
    now: int,
    expires_at: int,
    lease: Mapping[str, Any],
    refused: Sequence[str] = (),
    *,
    empty: bool,
) -> Row:
    """Add a run to a thread that was made in the same transaction, so that nobody else knows of it; see `create`.

    Parameters
    ----------
    empty : bool
        Whether the thread has no message.
    """
    values = first_values(connection, thread_id, settings, now, expires_at, lease, refused, empty=empty)
    return rows(connection, _ADD, values)[0]


def first_values(
    connection: Connection,
    thread_id: str,
    settings: Mapping[str, Any],
    now: int,
    expires_at: int,
    lease: Mapping[str, Any],
    refused: Sequence[str] = (),
    *,
    empty: bool,
) -> dict[str, Any]:
    """Return the columns of the run that `create_first` adds."""
    values = _values(assistants.read(connection, settings["assistant_id"]), settings, refused)
    if empty and not values["instructions"]:
        raise invalid_thread(thread_id)
    return _queued(thread_id, values, now, expires_at, lease)


def _values(assistant: Row, settings: Mapping[str, Any], refused: Sequence[str]) -> dict[str, Any]:
    # Null means "as the assistant has it", as a field that is left out does; so does a model without a name, which
    # programs send from a setting that is empty.
    given = {name: value for name, value in settings.items() if value is not None and (name, value) != ("model", "")}
    more = given.pop("additional_instructions", None)
    values = {name: assistant[name] for name in _INHERITED} | _DEFAULTS | given
    if more:
        values["instructions"] = f"{values['instructions']}\n{more}" if values["instructions"] else more
    for tool in values["tools"]:
        if tool["type"] in refused:
            raise unsupported("tools", tool["type"])
    return values


def _queued(
    thread_id: str, values: dict[str, Any], now: int, expires_at: int, lease: Mapping[str, Any]
) -> dict[str, Any]:
    values = {"id": new_id("run"), **values, "thread_id": thread_id, "status": "queued"}
    return values | {"created_at": now, "expires_at": expires_at, **lease}


def made_before(connection: Connection, run_id: str) -> RowMapping | None:
    """Return the run with an id that only one request can have made; None where there is none yet."""
    return connection.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()


def read(connection: Connection, thread_id: str, run_id: str, *, lock: bool = False) -> RowMapping:
    """Return a run; with `lock`, no other transaction changes it until this one ends.

    Raises
    ------
    ApiError
        Of status 404, for the thread or for the run.
    """
    statement = select(runs).where(runs.c.id == run_id, runs.c.thread_id == thread_id)
    if others := mine(connection, threads_table):
        statement = statement.where(
            select(threads_table.c.seq).where(threads_table.c.id == thread_id, *others).exists()
        )
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().one_or_none()
    if row is None:
        threads.read(connection, thread_id)
        raise not_found("run", run_id)
    return row


def listing(connection: Connection, thread_id: str, query: PageQuery) -> tuple[Sequence[RowMapping], bool]:
    """Return a page of a thread's runs, and whether there are more."""
    threads.read(connection, thread_id)
    return read_page(connection, runs, query, runs.c.thread_id == thread_id)


def modify(connection: Connection, thread_id: str, run_id: str, metadata: Mapping[str, str] | None) -> RowMapping:
    """Put `metadata` in place of the run's.

    Raises
    ------
    ApiError
        Where the run is not there, or is being worked on.
    """
    run = read(connection, thread_id, run_id, lock=True)
    if run["status"] == "in_progress":
        raise not_changeable(run["status"])
    statement = update(runs).where(runs.c.id == run_id).values(metadata=metadata or {})
    return connection.execute(statement.returning(runs)).mappings().one()


def ask_to_cancel(connection: Connection, thread_id: str, run_id: str) -> RowMapping:
    """Set a run to `cancelling`; the server that holds its lease, or any where none does, ends it then.

    Raises
    ------
    ApiError
        Where the run is not there, or over.
    """
    run = read(connection, thread_id, run_id, lock=True)
    if run["status"] not in ("queued", "in_progress", "requires_action"):
        raise not_cancellable(run["status"])
    # No end yet, also for a run that nobody works on: a cancel answers `cancelling`, as recorded.
    statement = update(runs).where(runs.c.id == run_id).values(status="cancelling", required_action=None)
    return connection.execute(statement.returning(runs)).mappings().one()


def take_outputs(
    connection: Connection, thread_id: str, run_id: str, outputs: Sequence[Mapping[str, str]], now: int, lease: Any
) -> tuple[RowMapping, RowMapping]:
    """Write the outputs of all calls that a run waits for, and queue it again.

    Returns
    -------
    (step, run) : tuple of RowMapping
        The step, now completed, and the run.

    Raises
    ------
    ApiError
        Where the run is not there, waits for none, or waits for others.
    """
    run = read(connection, thread_id, run_id, lock=True)
    if run["status"] != "requires_action":
        raise takes_no_outputs(run["status"])
    expected = [call["id"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
    got = [output["tool_call_id"] for output in outputs]
    # Sorted lists and not sets: an output that is given twice is refused.
    if sorted(expected) != sorted(got):
        raise wrong_outputs(expected, got)
    by_id = {output["tool_call_id"]: output["output"] for output in outputs}
    open_step = select(steps).where(
        steps.c.run_id == run_id, steps.c.status == "in_progress", steps.c.type == "tool_calls"
    )
    step = connection.execute(open_step.order_by(steps.c.seq.desc()).limit(1)).mappings().one()
    calls = [
        # The step was told as `in_progress` until now: it is completed by the outputs, as recorded.
        {**call, "function": {**call["function"], "output": by_id[call["id"]]}} if call["id"] in by_id else call
        for call in step["step_details"]["tool_calls"]
    ]
    done = {"status": "completed", "completed_at": now, "step_details": {"type": "tool_calls", "tool_calls": calls}}
    step = (
        connection.execute(update(steps).where(steps.c.id == step["id"]).values(done).returning(steps)).mappings().one()
    )
    queued = {"status": "queued", "required_action": None, **lease}
    statement = update(runs).where(runs.c.id == run_id).values(queued).returning(runs)
    return step, connection.execute(statement).mappings().one()


def read_step(connection: Connection, thread_id: str, run_id: str, step_id: str) -> tuple[RowMapping, RowMapping]:
    """Return a run and a step of it.

    Raises
    ------
    ApiError
        Of status 404, for the thread, the run or the step.
    """
    run = read(connection, thread_id, run_id)
    statement = select(steps).where(steps.c.id == step_id, steps.c.run_id == run_id)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise not_found("run step", step_id)
    return run, row


def list_steps(
    connection: Connection, thread_id: str, run_id: str, query: PageQuery
) -> tuple[RowMapping, Sequence[RowMapping], bool]:
    """Return a run, a page of its steps, and whether there are more."""
    run = read(connection, thread_id, run_id)
    return run, *read_page(connection, steps, query, steps.c.run_id == run_id)
