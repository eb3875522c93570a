"""The tables. Each column is a field of the wire, but for `seq`, `deleted` and the lease.

`seq` gives the order of creation, which `created_at` (whole seconds, as on the wire) does not. A deleted assistant,
message or file stays as an empty row, so that a program that deletes what it lists can go on from the last id.
"""

from __future__ import annotations

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

_JSON = JSON(none_as_null=True)
# SQLite counts rows by itself only in a column that is exactly INTEGER.
_SEQ = BigInteger().with_variant(Integer, "sqlite")


def _seq() -> Column[int]:
    return Column("seq", _SEQ, primary_key=True, autoincrement=True)


def _id() -> Column[str]:
    return Column("id", String(64), nullable=False, unique=True)


def _time(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _deleted() -> Column[bool]:
    return Column("deleted", Boolean, nullable=False, default=False)


def _in_thread() -> Column[str]:
    return Column("thread_id", String(64), ForeignKey("threads.id", ondelete="CASCADE"), nullable=False)


assistants = Table(
    "assistants",
    metadata,
    _seq(),
    _id(),
    _time("created_at", nullable=False),
    Column("name", Text),
    Column("description", Text),
    Column("model", Text, nullable=False),
    Column("instructions", Text),
    Column("tools", _JSON, nullable=False),
    Column("top_p", Double),
    Column("temperature", Double),
    Column("reasoning_effort", Text),
    Column("metadata", _JSON, nullable=False),
    Column("response_format", _JSON, nullable=False),
    _deleted(),
)

threads = Table(
    "threads",
    metadata,
    _seq(),
    _id(),
    _time("created_at", nullable=False),
    Column("metadata", _JSON, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    _seq(),
    _id(),
    _time("created_at", nullable=False),
    Column("assistant_id", String(64)),
    _in_thread(),
    Column("run_id", String(64), index=True),
    Column("status", String(16), nullable=False),
    Column("incomplete_details", _JSON),
    _time("incomplete_at"),
    _time("completed_at"),
    Column("role", String(16), nullable=False),
    Column("content", _JSON, nullable=False),
    Column("metadata", _JSON, nullable=False),
    _deleted(),
    Index(None, "thread_id", "seq"),
)

runs = Table(
    "runs",
    metadata,
    _seq(),
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
    Column("required_action", _JSON),
    Column("last_error", _JSON),
    Column("model", Text, nullable=False),
    Column("instructions", Text),
    Column("tools", _JSON, nullable=False),
    Column("metadata", _JSON, nullable=False),
    Column("temperature", Double),
    Column("top_p", Double),
    Column("reasoning_effort", Text),
    Column("max_completion_tokens", BigInteger),
    Column("max_prompt_tokens", BigInteger),
    Column("truncation_strategy", _JSON, nullable=False),
    Column("incomplete_details", _JSON),
    Column("usage", _JSON),
    Column("response_format", _JSON, nullable=False),
    Column("tool_choice", _JSON, nullable=False),
    Column("parallel_tool_calls", Boolean, nullable=False),
    Column("lease_owner", String(128)),
    Column("lease_until", Double),
    Index(None, "thread_id", "seq"),
)

_is_active = runs.c.status.in_(ACTIVE)
Index("ix_runs_one_active", runs.c.thread_id, unique=True, sqlite_where=_is_active, postgresql_where=_is_active)
Index("ix_runs_active", runs.c.status, sqlite_where=_is_active, postgresql_where=_is_active)

steps = Table(
    "steps",
    metadata,
    _seq(),
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
    Column("last_error", _JSON),
    Column("step_details", _JSON, nullable=False),
    Column("usage", _JSON),
    Index(None, "run_id", "seq"),
)

files = Table(
    "files",
    metadata,
    _seq(),
    _id(),
    _time("created_at", nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _deleted(),
)
