"""Leases in the store: what is renewed, taken over, and ended, each at times that the tests choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, insert, select

from nbassist.server.store import database as upgrade
from nbassist.server.store import leased_writes, leases
from nbassist.server.store.leased_writes import LeaseLostError
from nbassist.server.store.run_ending import end_run
from nbassist.server.store.schema import runs, threads

NOW = 1_000


@pytest.fixture
def engine(empty_store_url: str) -> Iterator[Engine]:
    found = create_engine(empty_store_url)
    upgrade.upgrade(found)
    yield found
    found.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as found:
        yield found


def add(connection: Connection, name: str, status: str, owner: str | None, until: float | None, **more: Any) -> None:
    """Add a run on a thread of its own."""
    connection.execute(insert(threads), {"id": f"thread_{name}", "created_at": 1, "metadata": {}})
    fields = {
        "id": name,
        "thread_id": f"thread_{name}",
        "assistant_id": "a",
        "created_at": 1,
        "expires_at": NOW + 500,
        "status": status,
        "model": "m",
        "tools": [],
        "metadata": {},
        "truncation_strategy": {},
        "response_format": "auto",
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "lease_owner": owner,
        "lease_until": until,
    }
    connection.execute(insert(runs), {**fields, **more})


def states(connection: Connection) -> dict[str, str]:
    return {row.id: row.status for row in connection.execute(select(runs.c.id, runs.c.status))}


def test_a_sweep_ends_what_nobody_works_on_and_nothing_else(connection: Connection) -> None:
    add(connection, "held", "in_progress", "me", NOW + 5)
    add(connection, "died", "in_progress", "other", NOW - 1)
    add(connection, "mine", "in_progress", "me", NOW - 1)
    add(connection, "queued", "queued", "other", NOW - 1)
    add(connection, "waits", "requires_action", None, None)
    add(connection, "late", "requires_action", None, None, expires_at=NOW)
    add(connection, "cancel", "cancelling", None, None)
    add(connection, "over", "completed", None, None, expires_at=NOW)
    assert leases.any_left(connection, NOW)
    leases.sweep(connection, NOW, {"mine"})
    assert states(connection) == {
        "held": "in_progress",
        "died": "failed",
        "mine": "in_progress",
        "queued": "queued",
        "waits": "requires_action",
        "late": "expired",
        "cancel": "cancelled",
        "over": "completed",
    }


def test_queued_runs_of_nobody_and_of_the_dead_are_claimed_the_oldest_first(connection: Connection) -> None:
    add(connection, "one", "queued", None, None)
    add(connection, "two", "queued", "dead", NOW - 1)
    add(connection, "three", "queued", "alive", NOW + 1)
    add(connection, "four", "queued", None, None)
    assert leases.claim(connection, "me", NOW + 10, NOW, 2) == ["one", "two"]
    assert leases.claim(connection, "me", NOW + 10, NOW, 9) == ["four"]
    assert not leases.any_left(connection, NOW)


def test_a_lease_holds_up_to_its_last_moment(connection: Connection) -> None:
    add(connection, "one", "queued", "other", NOW)
    assert not leases.any_left(connection, NOW)
    assert leases.claim(connection, "me", NOW + 10, NOW, 9) == []
    assert leases.claim(connection, "me", NOW + 10, NOW + 0.001, 9) == ["one"]


def test_a_renewal_tells_what_is_to_be_cancelled(connection: Connection) -> None:
    add(connection, "one", "in_progress", "me", NOW)
    add(connection, "two", "cancelling", "me", NOW)
    add(connection, "three", "cancelling", "other", NOW)
    assert leases.renew(connection, "me", ["one", "two", "three"], NOW + 10) == ["two"]
    held = dict(connection.execute(select(runs.c.id, runs.c.lease_until)).all())
    assert held == {"one": NOW + 10, "two": NOW + 10, "three": NOW}


def test_a_server_that_lost_its_lease_writes_nothing(connection: Connection) -> None:
    add(connection, "one", "in_progress", "other", NOW)
    with pytest.raises(LeaseLostError):
        leased_writes.check_lease(connection, "one", "me")
    with pytest.raises(LeaseLostError):
        end_run(connection, "one", "completed", NOW, owner="me")
    with pytest.raises(LeaseLostError):
        leased_writes.begin(connection, "one", "other", NOW)  # it has begun already
    assert states(connection) == {"one": "in_progress"}
