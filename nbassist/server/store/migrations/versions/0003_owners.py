"""Owners and their tokens, and what an assistant with tools that are not here keeps of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OWNED = ("assistants", "files", "threads")


def upgrade() -> None:
    """Add them; what was written before belongs to the server's own token."""
    for table in _OWNED:
        op.add_column(table, sa.Column("owner", sa.String(length=64), server_default="", nullable=False))
        op.create_index(op.f(f"ix_{table}_owner_seq"), table, ["owner", "seq"], unique=False)
    for table in ("assistants", "threads"):
        op.add_column(table, sa.Column("tool_resources", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("messages", sa.Column("attachments", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "tokens",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_tokens_name")),
    )
