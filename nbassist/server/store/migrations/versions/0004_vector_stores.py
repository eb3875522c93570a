"""Vector stores and what is found in them, files that expire, and what a run keeps of the tools it runs itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)
# The index of words is the database's own; what SQLite holds is kept in step with the chunks by triggers.
_SQLITE = (
    "CREATE VIRTUAL TABLE chunk_words USING fts5(scope, text, content='vector_chunks', content_rowid='seq', "
    "tokenize='porter unicode61 remove_diacritics 2')",
    "CREATE TRIGGER vector_chunks_added AFTER INSERT ON vector_chunks BEGIN "
    "INSERT INTO chunk_words(rowid, scope, text) VALUES (new.seq, new.scope, new.text); END",
    "CREATE TRIGGER vector_chunks_gone AFTER DELETE ON vector_chunks BEGIN "
    "INSERT INTO chunk_words(chunk_words, rowid, scope, text) VALUES ('delete', old.seq, old.scope, old.text); END",
)
_POSTGRES = (
    "CREATE TABLE chunk_words (chunk bigint PRIMARY KEY REFERENCES vector_chunks (seq) ON DELETE CASCADE, "
    "words tsvector NOT NULL)",
    "CREATE INDEX ix_chunk_words_words ON chunk_words USING gin (words)",
)


def upgrade() -> None:
    """Add them; no file that was there expires."""
    op.add_column("files", sa.Column("expires_at", sa.BigInteger(), nullable=True))
    op.add_column("steps", sa.Column("hosted", _JSON, nullable=True))
    _stores()
    _files()
    _chunks()
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.execute(statement)


def _seq() -> sa.Column[int]:
    return sa.Column("seq", _SEQ, autoincrement=True, nullable=False)


def _in_store(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    return (
        sa.Column("vector_store_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["vector_store_id"],
            ["vector_stores.id"],
            name=op.f(f"fk_{table}_vector_store_id"),
            ondelete="CASCADE",
        ),
    )


def _stores() -> None:
    op.create_table(
        "vector_stores",
        _seq(),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("expires_after", _JSON, nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_active_at", sa.BigInteger(), nullable=False),
        sa.Column("metadata", _JSON, nullable=False),
        sa.Column("owner", sa.String(length=64), server_default="", nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_vector_stores")),
        sa.UniqueConstraint("id", name=op.f("uq_vector_stores_id")),
    )
    op.create_index(op.f("ix_vector_stores_owner_seq"), "vector_stores", ["owner", "seq"], unique=False)
    op.create_table(
        "vector_store_batches",
        _seq(),
        sa.Column("id", sa.String(length=64), nullable=False),
        *_in_store("vector_store_batches"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_vector_store_batches")),
        sa.UniqueConstraint("id", name=op.f("uq_vector_store_batches_id")),
    )


def _files() -> None:
    op.create_table(
        "vector_store_files",
        _seq(),
        sa.Column("id", sa.String(length=64), nullable=False),
        *_in_store("vector_store_files"),
        sa.Column("batch_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("last_error", _JSON, nullable=True),
        sa.Column("usage_bytes", sa.BigInteger(), nullable=False),
        sa.Column("chunking_strategy", _JSON, nullable=False),
        sa.Column("attributes", _JSON, nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_vector_store_files")),
        sa.UniqueConstraint("vector_store_id", "id", name=op.f("uq_vector_store_files_vector_store_id_id")),
    )
    for columns in (["vector_store_id", "seq"], ["batch_id"], ["id"], ["status"]):
        name = op.f(f"ix_vector_store_files_{'_'.join(columns)}")
        op.create_index(name, "vector_store_files", columns, unique=False)


def _chunks() -> None:
    op.create_table(
        "vector_chunks",
        _seq(),
        sa.Column("store_file", _SEQ, nullable=False),
        sa.Column("scope", sa.String(length=24), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("begin", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_vector_chunks")),
        sa.ForeignKeyConstraint(
            ["store_file"],
            ["vector_store_files.seq"],
            name=op.f("fk_vector_chunks_store_file"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_vector_chunks_store_file_position"), "vector_chunks", ["store_file", "position"])
    op.create_table(
        "chunk_vectors",
        sa.Column("chunk", _SEQ, autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chunk", name=op.f("pk_chunk_vectors")),
        sa.ForeignKeyConstraint(
            ["chunk"], ["vector_chunks.seq"], name=op.f("fk_chunk_vectors_chunk"), ondelete="CASCADE"
        ),
    )
