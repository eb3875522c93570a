"""The journal's tables in SQLite, and their version."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, select
from sqlalchemy import bindparam as given

VERSION = 1
"""Kept in SQLite's `user_version`; a file of a later one is left alone."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("began", Float, nullable=False),
    *(
        Column(name, Text, nullable=False, server_default="")
        for name in (
            "notebook",
            "cell",
            "thread",
            "backend",
            "endpoint",
            "model",
            "instructions",
            "prompt",
            "text",
            "finish",
            "detail",
            "rating",
        )
    ),
    *(Column(name, JSON, nullable=False) for name in ("parameters", "tools", "shown", "variant", "usage")),
    *(Column(name, Float, nullable=False, server_default="0") for name in ("seconds", "first_text")),
    Column("cost", Float),
    Column("turns", Integer, nullable=False, server_default="0"),
    Column("replayed", Boolean, nullable=False, server_default="0"),
    Column("events", LargeBinary, nullable=False),
    Index("ix_runs_cell", "notebook", "cell"),
    Index("ix_runs_began", "began"),
)

replies = Table(
    "replies",
    metadata,
    Column("key", Text, primary_key=True),
    Column("saved", Float, nullable=False),
    Column("events", LargeBinary, nullable=False),
)

find_reply = select(replies.c.events).where(replies.c.key == given("key"))
"""Asked before each request of a sweep: made once."""
