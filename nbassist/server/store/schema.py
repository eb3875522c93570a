"""The tables, and the ids in them. Each column is a field of the wire, but for `seq`, `owner`, `deleted` and the lease.

`seq` gives the order of creation, which `created_at` (whole seconds, as on the wire) does not. A deleted assistant,
message or file stays as an empty row, so that a program that deletes what it lists can go on from the last id.
"""

from __future__ import annotations

import os
import secrets
import string

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

# Constraints have names of ours: SQLite gives them none, and a migration can only drop what has one.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
"""The states of a run that lock its thread."""

# SQLAlchemy's own way would store None as the JSON text `null`, which no `IS NULL` finds.
JSON_OR_NULL = JSON(none_as_null=True)
# SQLite counts rows by itself only in a column that is exactly INTEGER.
SEQ = BigInteger().with_variant(Integer, "sqlite")


def sequence() -> Column[int]:
    """Return the column that gives the order of creation."""
    return Column("seq", SEQ, primary_key=True, autoincrement=True)


def _id() -> Column[str]:
    return Column("id", String(64), nullable=False, unique=True)


def _time(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _deleted() -> Column[bool]:
    return Column("deleted", Boolean, nullable=False, default=False)


def _owner() -> Column[str]:
    """Whose token made it; empty for the server's own."""
    return Column("owner", String(64), nullable=False, server_default="")


def _in_thread() -> Column[str]:
    return Column("thread_id", String(64), ForeignKey("threads.id", ondelete="CASCADE"), nullable=False)


assistants = Table(
    "assistants",
    metadata,
    sequence(),
    _id(),
    _time("created_at", nullable=False),
    Column("name", Text),
    Column("description", Text),
    Column("model", Text, nullable=False),
    Column("instructions", Text),
    Column("tools", JSON_OR_NULL, nullable=False),
    Column("top_p", Double),
    Column("temperature", Double),
    Column("reasoning_effort", Text),
    Column("metadata", JSON_OR_NULL, nullable=False),
    Column("response_format", JSON_OR_NULL, nullable=False),
    Column("tool_resources", JSON_OR_NULL),
    _owner(),
    _deleted(),
    Index(None, "owner", "seq"),
)

threads = Table(
    "threads",
    metadata,
    sequence(),
    _id(),
    _time("created_at", nullable=False),
    Column("metadata", JSON_OR_NULL, nullable=False),
    Column("tool_resources", JSON_OR_NULL),
    _owner(),
    Index(None, "owner", "seq"),
)

messages = Table(
    "messages",
    metadata,
    sequence(),
    _id(),
    _time("created_at", nullable=False),
    Column("assistant_id", String(64)),
    _in_thread(),
    Column("run_id", String(64), index=True),
    Column("status", String(16), nullable=False),
    Column("incomplete_details", JSON_OR_NULL),
    _time("incomplete_at"),
    _time("completed_at"),
    Column("role", String(16), nullable=False),
    Column("content", JSON_OR_NULL, nullable=False),
    Column("attachments", JSON_OR_NULL),
    Column("metadata", JSON_OR_NULL, nullable=False),
    Column("kept", JSON_OR_NULL),
    _deleted(),
    Index(None, "thread_id", "seq"),
)

runs = Table(
    "runs",
    metadata,
    sequence(),
    _id(),
    _time("created_at", nullable=False),
    Column("assistant_id", String(64), nullable=False),
    _in_thread(),
    Column("status", String(16), nullable=False),
    _time("started_at"),
    _time("expires_at", nullable=False),
    _time("cancelled_at"),
    _time("failed_at"),
    _time("completed_at"),
    Column("required_action", JSON_OR_NULL),
    Column("last_error", JSON_OR_NULL),
    Column("model", Text, nullable=False),
    Column("instructions", Text),
    Column("tools", JSON_OR_NULL, nullable=False),
    Column("metadata", JSON_OR_NULL, nullable=False),
    Column("temperature", Double),
    Column("top_p", Double),
    Column("reasoning_effort", Text),
    Column("max_completion_tokens", BigInteger),
    Column("max_prompt_tokens", BigInteger),
    Column("truncation_strategy", JSON_OR_NULL, nullable=False),
    Column("incomplete_details", JSON_OR_NULL),
    Column("usage", JSON_OR_NULL),
    Column("response_format", JSON_OR_NULL, nullable=False),
    Column("tool_choice", JSON_OR_NULL, nullable=False),
    Column("parallel_tool_calls", Boolean, nullable=False),
    Column("lease_owner", String(128)),
    Column("lease_until", Double),
    Index(None, "thread_id", "seq"),
)

# The rule that a thread has one active run is the store's own, so that it holds between servers, too.
_is_active = runs.c.status.in_(ACTIVE)
Index("ix_runs_one_active", runs.c.thread_id, unique=True, sqlite_where=_is_active, postgresql_where=_is_active)
Index("ix_runs_active", runs.c.status, sqlite_where=_is_active, postgresql_where=_is_active)

steps = Table(
    "steps",
    metadata,
    sequence(),
    _id(),
    _time("created_at", nullable=False),
    Column("run_id", String(64), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("assistant_id", String(64), nullable=False),
    Column("thread_id", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    _time("cancelled_at"),
    _time("completed_at"),
    _time("expired_at"),
    _time("expires_at", nullable=False),
    _time("failed_at"),
    Column("last_error", JSON_OR_NULL),
    Column("step_details", JSON_OR_NULL, nullable=False),
    Column("usage", JSON_OR_NULL),
    Column("kept", JSON_OR_NULL),
    # What the model asked of the tools that this server ran, and what it was told; the wire has no place for it.
    Column("hosted", JSON_OR_NULL),
    Index(None, "run_id", "seq"),
)

files = Table(
    "files",
    metadata,
    sequence(),
    _id(),
    _time("created_at", nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _time("expires_at"),
    _owner(),
    _deleted(),
    Index(None, "owner", "seq"),
)

tokens = Table(
    "tokens",
    metadata,
    sequence(),
    Column("name", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("per_minute", Integer),
    _time("created_at", nullable=False),
    _time("revoked_at"),
)


_LETTERS = string.ascii_letters + string.digits
_LENGTH = 24
_BYTES = 18
"""Of chance in an id: 62 letters in 24 places hold a little less than that."""
_DRAWN = 64
_drawn: list[int] = []
if hasattr(os, "register_at_fork"):
    # A child would make the same ids as its parent.
    os.register_at_fork(after_in_child=_drawn.clear)


def new_id(prefix: str) -> str:
    """Return a new id such as `run_oyfV44CrJXYJkvb2qsd80LvJ` for the prefix `run`."""
    # To ask the system costs more than the rest of it, the more so as another thread takes over meanwhile.
    try:
        number = _drawn.pop()
    except IndexError:
        drawn = secrets.token_bytes(_BYTES * _DRAWN)
        _drawn.extend(int.from_bytes(drawn[at : at + _BYTES]) for at in range(_BYTES, len(drawn), _BYTES))
        number = int.from_bytes(drawn[:_BYTES])
    return made_id(prefix, number)


def made_id(prefix: str, number: int) -> str:
    """Return the id that a number of 144 bits or more makes."""
    letters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    # As recorded, the ids of files alone have a hyphen.
    return f"{prefix}{'-' if prefix == 'file' else '_'}{''.join(letters)}"
