"""What nearly every run writes, on PostgreSQL: each write is one statement, which is a transaction of its own.

To send a statement and to wait for it costs more than all that it does; a run took 22 round trips, `BEGIN` and `COMMIT`
among them. Here it takes four. SQLite has no round trips, and no statement that changes several tables.

A connection may be lost after a statement was done and before that is known, and then it is sent once more. So each has
all ids and times given, and does nothing where it was done already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    CompoundSelect,
    Connection,
    Insert,
    ScalarSelect,
    Select,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from .prepared import Row, rows
from .schema import messages, runs, steps, threads

_HELD = and_(
    runs.c.id == bindparam("held_run"),
    runs.c.lease_owner == bindparam("held_owner"),
    runs.c.status.in_(("in_progress", "cancelling")),
)


def whole(table: Table, values: Mapping[str, Any]) -> Row:
    """Return the row that a table holds of `values`, without its `seq`, which only the store knows."""
    return {**dict.fromkeys(table.c.keys()), **values}


def add_begun(
    connection: Connection, thread: Mapping[str, Any], said: Sequence[Mapping[str, Any]], run: Mapping[str, Any]
) -> None:
    """Add a thread, its messages and a run on it; the values are those of columns, each message's of the same ones.

    Raises
    ------
    sqlalchemy.exc.IntegrityError
        Where another thread has the id.
    """
    given = {f"t_{name}": value for name, value in thread.items()} | {f"r_{name}": value for name, value in run.items()}
    for place, message in enumerate(said):
        given |= {f"m{place}_{name}": value for name, value in message.items()}
    names = tuple(thread), tuple(said[0]) if said else (), tuple(run)
    rows(connection, _add_begun(len(said), *names), given)


@cache
def _add_begun(count: int, of_thread: tuple[str, ...], of_message: tuple[str, ...], of_run: tuple[str, ...]) -> Insert:
    # What stands beside it in the statement is done, too; its order is of no concern to foreign keys.
    added = [_insert(threads, of_thread, [_values(threads, "t", of_thread)]).cte("thread")]
    if count:
        rows = [_values(messages, f"m{place}", of_message) for place in range(count)]
        added.append(_insert(messages, of_message, rows).cte("said"))
    return _insert(runs, of_run, [_values(runs, "r", of_run)]).add_cte(*added)


def open_message(
    connection: Connection, run_id: str, owner: str, step: Mapping[str, Any], message: Mapping[str, Any]
) -> bool:
    """Add a step and its message to a run that `owner` works on; return False where it does not."""
    given = {f"s_{name}": value for name, value in step.items()}
    given |= {f"m_{name}": value for name, value in message.items()}
    statement = _open_message(tuple(step), tuple(message))
    held = {"held_run": run_id, "held_owner": owner}
    return bool(rows(connection, statement, given | held))


@cache
def _open_message(of_step: tuple[str, ...], of_message: tuple[str, ...]) -> Select[Any]:
    held = select(runs.c.seq).where(_HELD).cte("held")
    added = [
        _insert(table, names, [_values(table, prefix, names).select_from(held)]).cte(name)
        for table, prefix, names, name in ((steps, "s", of_step, "step"), (messages, "m", of_message, "said"))
    ]
    return select(held.c.seq).add_cte(*added)


def end(
    connection: Connection,
    run_id: str,
    owner: str,
    step_id: str,
    before: int,
    run: Mapping[str, Any],
    step: Mapping[str, Any],
    message: Mapping[str, Any],
) -> tuple[Row, Sequence[Row], Sequence[Row]] | None:
    """Change a run, its one open step and its open messages; return them as they are then, messages before steps.

    Parameters
    ----------
    before : int
        How many steps the run has besides; all of them are over.

    Returns
    -------
    tuple or None
        None where the run is not as it is said to be; nothing is changed then.
    """
    given = {f"r_{name}": value for name, value in run.items()} | {f"s_{name}": value for name, value in step.items()}
    given |= {f"m_{name}": value for name, value in message.items()}
    given |= {"held_run": run_id, "held_owner": owner, "held_step": step_id, "before": before}
    found = rows(connection, _end(tuple(run), tuple(step), tuple(message)), given)
    if not found:
        return None
    changed = found[0]
    return changed["run"], changed["messages"] or [], changed["steps"] or []


@cache
def _end(of_run: tuple[str, ...], of_step: tuple[str, ...], of_message: tuple[str, ...]) -> Select[Any]:
    open_ = and_(steps.c.status == "in_progress", steps.c.id == bindparam("held_step"))
    known = select(
        func.count(steps.c.seq).filter(open_) == 1,
        func.count(steps.c.seq).filter(steps.c.status == "in_progress") == 1,
        func.count(steps.c.seq) == bindparam("before") + 1,
    ).where(steps.c.run_id == bindparam("held_run"))
    as_known = known.with_only_columns(and_(*known.selected_columns)).scalar_subquery()
    ended = update(runs).where(_HELD, as_known).values(_binds(runs, "r", of_run)).returning(runs).cte("ended")
    of_it = (messages.c.run_id == ended.c.id, messages.c.status == "in_progress", ~messages.c.deleted)
    said = update(messages).where(*of_it).values(_binds(messages, "m", of_message)).returning(messages).cte("said")
    done = update(steps).where(steps.c.run_id == ended.c.id, open_).values(_binds(steps, "s", of_step))
    done_rows = done.returning(steps).cte("done")
    # As JSON: rows of three tables are one row of the result.
    return select(
        func.row_to_json(literal_column("ended"), type_=JSON).label("run"),
        _all_of("said", said).label("messages"),
        _all_of("done", done_rows).label("steps"),
    ).select_from(ended)


def _all_of(name: str, changed: CTE) -> ScalarSelect[Any]:
    return select(func.json_agg(literal_column(name), type_=JSON)).select_from(changed).scalar_subquery()


def _insert(table: Table, names: Sequence[str], rows: Sequence[Select[Any]]) -> Insert:
    """Return what adds rows that are not there yet."""
    source: Select[Any] | CompoundSelect[Any] = rows[0] if len(rows) == 1 else union_all(*rows)
    found: Insert = insert(table).from_select(list(names), source, include_defaults=False)
    return found.on_conflict_do_nothing().returning(table.c.seq)  # type: ignore[attr-defined,no-any-return]


def _values(table: Table, prefix: str, names: Sequence[str]) -> Select[Any]:
    return select(*_binds(table, prefix, names).values())


def _binds(table: Table, prefix: str, names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(f"{prefix}_{name}", type_=table.c[name].type) for name in names}
