"""The store itself: its migrations, a store of a later version, one that is full."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from nbassist.config.paths import set_log
from nbassist.errors import LocalError, LocalUnavailableError
from nbassist.server.hosted.tables import metadata
from nbassist.server.serve import serve
from nbassist.server.store import database as upgrade
from nbassist.server.store.database import Database

LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9000", "HEAD"


def upgrade():
    op.add_column("threads", sa.Column("more", sa.Text()))
"""
MIGRATIONS = Path(upgrade.__file__).parent / "migrations/versions"


@pytest.fixture
def small_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each file of SQLite end at so many pages, as a full disk would."""
    plain = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = plain(*arguments, **named)
        connection.execute("PRAGMA max_page_count=120")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", connect)


@pytest.fixture
def engine(empty_store_url: str) -> Iterator[Engine]:
    found = create_engine(empty_store_url)
    upgrade.upgrade(found)
    yield found
    found.dispose()


def test_the_migrations_make_the_tables_that_the_code_knows(engine: Engine) -> None:
    def is_ours(_object: Any, name: str | None, kind: str, *_: Any) -> bool:
        # The index of words is the database's own way to search, and none of SQLAlchemy's tables.
        return not (kind == "table" and str(name).startswith("chunk_words"))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_one_that_the_server_asks_for() -> None:
    assert max(path.name.split("_")[0] for path in MIGRATIONS.glob("[0-9]*.py")) == upgrade.HEAD


def test_a_second_start_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO threads (id, created_at, metadata) VALUES ('thread_1', 1, '{}')"))
    upgrade.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM threads")).scalar() == 1


def test_a_store_of_an_earlier_version_is_brought_up_to_date_with_what_it_holds(
    engine: Engine, empty_store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO threads (id, created_at, metadata) VALUES ('thread_1', 1, '{}')"))
    later = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS.parent, later)
    (later / "versions" / "9000_later.py").write_text(LATER.replace("HEAD", upgrade.HEAD))
    monkeypatch.setattr(upgrade, "_MIGRATIONS", later)
    monkeypatch.setattr(upgrade, "HEAD", "9000")
    Database(empty_store_url).close()
    Database(empty_store_url).close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id, more FROM threads")).all() == [("thread_1", None)]
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["9000"]


def test_a_store_of_a_later_version_is_left_alone(engine: Engine, empty_store_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LocalError, match="later version"):
        Database(empty_store_url)


def test_a_store_that_can_not_be_opened_is_one_line(storeless: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LocalUnavailableError, match="did not start"):
        asyncio.run(serve(storeless, "127.0.0.1", 0, print, log_level="critical"))
    with pytest.raises(OperationalError):
        Database(storeless.store_url)
    assert capfd.readouterr().out == ""


def test_nobody_else_reads_the_store(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    database = Database(f"sqlite:///{file}")
    asyncio.run(database.read(lambda connection: connection.execute(text("SELECT 1"))))
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    database.close()


@pytest.mark.parametrize(("far", "mode"), [(False, "wal"), (True, "delete")])
def test_a_store_on_another_machine_has_no_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, far: bool, mode: str
) -> None:
    Database(f"sqlite:///{tmp_path / 's.db'}").close()  # as one that was here before
    monkeypatch.setattr(upgrade, "is_remote", lambda path: far)
    opened = Database(f"sqlite:///{tmp_path / 's.db'}")
    assert opened.transact(True, lambda connection: connection.exec_driver_sql("PRAGMA journal_mode").scalar()) == mode
    opened.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.db"]


class NoSharedMemory(sqlite3.Connection):
    """A file system without shared memory, as SQLite says it."""

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        if sql.endswith("journal_mode=WAL"):
            raise sqlite3.OperationalError("locking protocol")
        return super().execute(sql, *given)


def test_where_there_can_be_no_write_ahead_log_the_store_does_without(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s.db", factory=NoSharedMemory, isolation_level=None)
    set_log(connection, far=False)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_the_store_itself_allows_one_active_run_on_a_thread(engine: Engine) -> None:
    columns = (
        "id, thread_id, assistant_id, created_at, expires_at, status, model, tools, metadata, truncation_strategy, "
        "response_format, tool_choice, parallel_tool_calls"
    )
    insert = (
        f"INSERT INTO runs ({columns}) VALUES (:id, 't', 'a', 1, 2, :status, 'm', '[]', '{{}}', '{{}}', '1', '1', true)"
    )
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO threads (id, created_at, metadata) VALUES ('t', 1, '{}')"))
        connection.execute(text(insert), [{"id": "1", "status": "completed"}, {"id": "2", "status": "queued"}])
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(insert), {"id": "3", "status": "requires_action"})


def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(
    storeless: Any, run_server: Any, small_stores: None, tmp_path: Path
) -> None:
    config = replace(storeless, store_url=f"sqlite:///{tmp_path / 'small.db'}")
    headers = {"Authorization": "Bearer test-token"}
    with run_server(config) as server, httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        thread = f"/threads/{http.post('/threads').json()['id']}/messages"
        body = {"role": "user", "content": "x" * 2000}
        statuses = [http.post(thread, json=body).status_code for _ in range(80)]
        assert set(statuses) == {200, 503}
        refused = http.post(thread, json=body).json()["error"]
        assert refused["type"] == "server_error"
        assert refused["message"] == "The server's store can't be used just now; its log says why."
        kept = http.get(thread, params={"limit": 100}).json()["data"]
        assert len(kept) == statuses.count(200)


def test_a_run_whose_reply_fits_on_no_disk_fails_and_frees_its_thread(
    storeless: Any, run_server: Any, upstream: Any, until: Any, small_stores: None, tmp_path: Path
) -> None:
    config = replace(storeless, store_url=f"sqlite:///{tmp_path / 'small.db'}")
    headers = {"Authorization": "Bearer test-token"}
    upstream.says("x" * 500_000)
    with run_server(config) as server, httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
        thread = f"/threads/{http.post('/threads').json()['id']}"
        answer = http.post(f"{thread}/runs", json={"assistant_id": assistant, "stream": True})
        events = [line.removeprefix("event: ") for line in answer.text.split("\n") if line.startswith("event: ")]
        assert events[-2:] == ["thread.run.failed", "done"]
        assert http.post(f"{thread}/messages", json={"role": "user", "content": "next"}).status_code == 200


def test_a_store_on_a_disk_without_locks_is_told_at_once(tmp_path: Path, refusing_locks: str) -> None:
    serve = "from nbassist.cli import main\nsys.exit(main(['serve', '--store', sys.argv[1]]))"
    command = [sys.executable, "-c", f"{refusing_locks}\nimport sys\n{serve}", str(tmp_path / "store.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=25, check=False)
    assert done.returncode != 0
    assert "store.db can't be used, since its disk takes no locks: give another --store" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
