"""Bring the tables of a store up to date, with Alembic, which is imported only where there is something to do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ...errors import LocalError

HEAD = "0001"
"""The newest of the migrations beside this module; a test holds it against the folder."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6E626173
"""Key of the lock on PostgreSQL under which one server migrates while others wait."""


def upgrade(engine: Engine) -> None:
    """Migrate the store behind `engine` to `HEAD`; nothing happens where it is there already.

    Raises
    ------
    LocalError
        Where the store was written by a later version.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = _version(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise LocalError(
                f"the store is of a later version ({found}) than this nbassist knows ({HEAD}): update nbassist, or "
                "give another --store"
            )
        _migrate(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
