"""How Alembic reaches the store: over the connection that `upgrade` opened, in its transaction."""

from __future__ import annotations

from alembic import context

from nbassist.server.hosted.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
