"""The tables of vector stores: stores, the files in them, batches of files, and the chunks that are searched.

A file may stand in several stores, cut differently in each, so chunks belong to a file in a store. The index of words
is the database's own and no table of SQLAlchemy's: `chunk_words` is a table of FTS5 on SQLite, kept in step by
triggers, and on PostgreSQL a table with a `tsvector`; the migration makes it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ..store.schema import JSON_OR_NULL, SEQ, sequence
from ..store.schema import metadata as metadata


def _in_store() -> Column[str]:
    return Column("vector_store_id", String(64), ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False)


vector_stores = Table(
    "vector_stores",
    metadata,
    sequence(),
    Column("id", String(64), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("name", Text),
    Column("description", Text),
    Column("expires_after", JSON_OR_NULL),
    Column("expires_at", BigInteger),
    Column("last_active_at", BigInteger, nullable=False),
    Column("metadata", JSON_OR_NULL, nullable=False),
    Column("owner", String(64), nullable=False, server_default=""),
    Column("deleted", Boolean, nullable=False, default=False),
    Index(None, "owner", "seq"),
)

# `id` is that of the file, so it is unique in its store alone. The lease is that of the server that reads the file.
store_files = Table(
    "vector_store_files",
    metadata,
    sequence(),
    Column("id", String(64), nullable=False),
    _in_store(),
    Column("batch_id", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("last_error", JSON_OR_NULL),
    Column("usage_bytes", BigInteger, nullable=False, default=0),
    Column("chunking_strategy", JSON_OR_NULL, nullable=False),
    Column("attributes", JSON_OR_NULL, nullable=False),
    Column("lease_owner", String(128)),
    Column("lease_until", Double),
    Column("deleted", Boolean, nullable=False, default=False),
    UniqueConstraint("vector_store_id", "id"),
    Index(None, "vector_store_id", "seq"),
    Index(None, "batch_id"),
    Index(None, "id"),
    Index(None, "status"),
)

batches = Table(
    "vector_store_batches",
    metadata,
    sequence(),
    Column("id", String(64), nullable=False, unique=True),
    _in_store(),
    Column("created_at", BigInteger, nullable=False),
    Column("cancelled", Boolean, nullable=False, default=False),
)

# `begin` is where its text stands in the file's. `scope` is the word by which the index of SQLite finds the chunks of a
# store: `s12` for the one whose `seq` is 12.
chunks = Table(
    "vector_chunks",
    metadata,
    sequence(),
    Column("store_file", SEQ, ForeignKey("vector_store_files.seq", ondelete="CASCADE"), nullable=False),
    Column("scope", String(24), nullable=False),
    Column("position", Integer, nullable=False),
    Column("begin", Integer, nullable=False),
    Column("page", Integer),
    Column("text", Text, nullable=False),
    Index(None, "store_file", "position"),
)

# `added` grows with each transaction that keeps vectors.
vectors = Table(
    "chunk_vectors",
    metadata,
    Column("chunk", SEQ, ForeignKey("vector_chunks.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("model", String(128), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("added", BigInteger, nullable=False, server_default="1"),
    Index(None, "added"),
)


def scope_of(store_seq: int) -> str:
    """Return the word that stands for a store in the index."""
    return f"s{store_seq}"
