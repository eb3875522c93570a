"""Leases: which server works on a run, and what becomes of the runs of one that died.

A lease is a name and a time. The server that holds it puts the time off again and again; once it is past, a queued
run is taken over by another server, and one that was being worked on has failed, for what the model had said is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, update

from .leased_writes import LeaseLostError
from .run_ending import End, RunEnding, end_run
from .schema import ACTIVE, runs

DIED = ("server_error", "The server that worked on this run stopped before it was done.")


def lease(owner: str | None, until: float) -> dict[str, Any]:
    """Return the columns of a lease; those of none where `owner` is None."""
    return {"lease_owner": owner, "lease_until": until if owner else None}


def renew(connection: Connection, owner: str, working: Collection[str], until: float) -> list[str]:
    """Put off the end of the leases of those runs that `owner` works on; return which of them are to be cancelled."""
    if not working:
        return []
    # Where the lease was lost meanwhile no row is his, and nothing is put off.
    mine = (runs.c.id.in_(working), runs.c.lease_owner == owner)
    connection.execute(update(runs).where(*mine).values(lease_until=until))
    return list(connection.execute(select(runs.c.id).where(*mine, runs.c.status == "cancelling")).scalars())


def any_left(connection: Connection, now: float) -> bool:
    """Return whether there is a run that no living server holds: a glance, so that an idle server writes nothing."""
    return (
        connection.execute(select(runs.c.seq).where(runs.c.status.in_(ACTIVE), _nobodys(now)).limit(1)).first()
        is not None
    )


def _nobodys(now: float) -> ColumnElement[bool]:
    # By each server's own clock: those of servers on one store have to agree to well within a lease.
    return or_(runs.c.lease_owner.is_(None), runs.c.lease_until < now)


def claim(connection: Connection, owner: str, until: float, now: float, most: int) -> Sequence[str]:
    """Take up to `most` queued runs that no living server holds, the oldest first; return their ids."""
    oldest = select(runs.c.id).where(runs.c.status == "queued", _nobodys(now)).order_by(runs.c.seq).limit(most)
    # On PostgreSQL two servers that look at once each take other runs, without waiting; SQLite has one writer anyway.
    found = connection.execute(oldest.with_for_update(skip_locked=True)).scalars().all()
    if found:
        connection.execute(update(runs).where(runs.c.id.in_(found)).values(lease(owner, until)))
    return found


def sweep(connection: Connection, now: int, working: Collection[str] = ()) -> list[RunEnding]:
    """End the runs that nobody else will: whose server died, that are to be cancelled, that waited too long.

    Parameters
    ----------
    working : collection of str
        The runs that this server works on, which it ends itself, also where it was suspended for longer than a lease.
    """
    # Runs that wait for outputs are nobody's, too. They end only by time or by a cancel; queued ones are left for
    # `claim`.
    statement = select(runs.c.id, runs.c.status, runs.c.expires_at).where(runs.c.status.in_(ACTIVE), _nobodys(now))
    ended = []
    for row in connection.execute(statement).all():
        end: End | None = None
        if row.id in working:
            continue
        # First: what a client asked for goes before what came of the server.
        if row.status == "cancelling":
            end = "cancelled"
        elif row.expires_at <= now:
            end = "expired"
        elif row.status == "in_progress":
            end = "failed"
        if end:
            try:
                error = DIED if end == "failed" else None
                # In the state in which it was seen: its server may have come back, and gone on, since the select.
                ended.append(end_run(connection, row.id, end, now, states=(row.status,), error=error))
            except LeaseLostError:
                continue  # another server was faster
    return ended
