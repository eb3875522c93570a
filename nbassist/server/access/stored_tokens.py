"""Named tokens: the digest of each, never itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, insert, select, update

from ..store.schema import tokens


def add(connection: Connection, name: str, digest: str, per_minute: int | None, now: int) -> bool:
    """Add a token; one of the same name that was revoked is replaced, and what was its owner's is there again.

    Returns
    -------
    bool
        False where a token of that name is in use; nothing is changed then.
    """
    row = connection.execute(select(tokens).where(tokens.c.name == name)).mappings().one_or_none()
    values = {"digest": digest, "per_minute": per_minute, "created_at": now, "revoked_at": None}
    if row is None:
        connection.execute(insert(tokens).values(name=name, **values))
    elif row["revoked_at"] is None:
        return False
    else:
        connection.execute(update(tokens).where(tokens.c.name == name).values(values))
    return True


def revoke(connection: Connection, name: str, now: int) -> bool:
    """Revoke a token; what its owner has stays. Return whether there was one in use."""
    in_use = (tokens.c.name == name, tokens.c.revoked_at.is_(None))
    return bool(connection.execute(update(tokens).where(*in_use).values(revoked_at=now)).rowcount)


def listing(connection: Connection) -> Sequence[RowMapping]:
    """Return all tokens, the oldest first."""
    return connection.execute(select(tokens).order_by(tokens.c.seq)).mappings().all()


def find(connection: Connection, digest: str) -> RowMapping | None:
    """Return the token in use with that digest."""
    statement = select(tokens).where(tokens.c.digest == digest, tokens.c.revoked_at.is_(None))
    return connection.execute(statement).mappings().one_or_none()
