"""What an upstream wants back with a message or a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a place for it; what was written before has none."""
    for table in ("messages", "steps"):
        op.add_column(table, sa.Column("kept", sa.JSON(none_as_null=True), nullable=True))
