"""Statements that are compiled once give what SQLAlchemy gives, and fail as it does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, bindparam, event, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from nbassist.server.store.database import Database
from nbassist.server.store.prepared import rows
from nbassist.server.store.schema import ACTIVE, assistants, messages, runs, threads

_ADD_THREAD = insert(threads).returning(threads)
_ADD_QUIETLY = insert(threads)
_ADD_MESSAGE = insert(messages).returning(messages)
_ADD_ASSISTANT = insert(assistants)
_MESSAGES = select(messages).where(messages.c.thread_id == bindparam("thread")).order_by(messages.c.seq)
_CHANGE = (
    update(messages)
    .where(messages.c.id == bindparam("message"), ~messages.c.deleted)
    .values(content=bindparam("new_content"), attachments=bindparam("new_attachments"))
    .returning(messages)
)
_ACTIVE = select(runs.c.id).where(runs.c.thread_id == bindparam("thread"), runs.c.status.in_(ACTIVE))

_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path_factory.mktemp('store') / 's.db'}")
    yield found
    found.close()


@pytest.fixture
def connection(store: Database) -> Iterator[Connection]:
    with store.engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


def _thread(name: str) -> dict[str, Any]:
    return {"id": name, "created_at": 1, "owner": "", "metadata": {}}


def _message(name: str, thread: str, content: Any, attachments: Any = None) -> dict[str, Any]:
    return {
        "id": name,
        "created_at": 1,
        "thread_id": thread,
        "status": "completed",
        "role": "user",
        "content": content,
        "attachments": attachments,
        "metadata": {"é": "\U0001f600"},
        "deleted": False,
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=_JSON.filter(lambda value: value is not None), attachments=_JSON, later=_JSON)
def test_rows_are_what_sqlalchemy_reads(store: Database, content: Any, attachments: Any, later: Any) -> None:
    with store.engine.connect() as connection:
        transaction = connection.begin()
        rows(connection, _ADD_QUIETLY, _thread("t"))
        added = rows(connection, _ADD_MESSAGE, _message("m1", "t", content, attachments))
        connection.execute(_ADD_MESSAGE, _message("m2", "t", content, attachments))
        usual = connection.execute(_MESSAGES, {"thread": "t"}).mappings().all()
        assert rows(connection, _MESSAGES, {"thread": "t"}) == [dict(row) for row in usual]
        assert [{**row, "seq": 0, "id": ""} for row in usual] == [{**added[0], "seq": 0, "id": ""}] * 2
        given = {"message": "m1", "new_content": content, "new_attachments": later}
        (changed,) = rows(connection, _CHANGE, given)
        assert changed == dict(connection.execute(_MESSAGES, {"thread": "t"}).mappings().all()[0])
        assert changed["attachments"] == later
        transaction.rollback()


def test_values_are_taken_by_name_in_whatever_order_they_come(connection: Connection) -> None:
    rows(connection, _ADD_QUIETLY, _thread("a"))
    rows(connection, _ADD_QUIETLY, dict(reversed(_thread("b").items())))
    found = rows(connection, select(threads.c.id, threads.c.metadata).order_by(threads.c.id), {})
    assert found == [{"id": "a", "metadata": {}}, {"id": "b", "metadata": {}}]


def test_a_statement_without_rows_returns_none_and_one_in_a_list_finds_none(connection: Connection) -> None:
    assert list(rows(connection, _ADD_QUIETLY, _thread("t"))) == []
    assert list(rows(connection, _ACTIVE, {"thread": "t"})) == []


def test_what_the_store_refuses_is_sqlalchemys_error_and_the_transaction_goes_on(connection: Connection) -> None:
    rows(connection, _ADD_THREAD, _thread("t"))
    with pytest.raises(IntegrityError, match=r"threads\.id"):
        rows(connection, _ADD_THREAD, _thread("t"))
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        rows(connection, _ADD_MESSAGE, _message("m", "nowhere", []))
    assert rows(connection, _ADD_THREAD, _thread("u"))[0]["id"] == "u"


def test_they_are_given_to_the_driver_and_not_to_sqlalchemy(store: Database, connection: Connection) -> None:
    seen: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    rows(connection, _ADD_QUIETLY, _thread("t"))
    added = _message("m", "t", ["text"], None)
    rows(connection, _ADD_MESSAGE, added)
    rows(connection, _CHANGE, {"message": "m", "new_content": [], "new_attachments": [{}]})
    rows(connection, _MESSAGES, {"thread": "t"})
    rows(connection, _ACTIVE, {"thread": "t"})
    assert seen == []
    connection.execute(_MESSAGES, {"thread": "t"})
    assert len(seen) == 1


def test_a_connection_without_a_transaction_begins_one(store: Database) -> None:
    with store.engine.connect() as connection:
        rows(connection, _ADD_QUIETLY, _thread("t"))
        assert connection.in_transaction()
        connection.rollback()
        assert list(rows(connection, _MESSAGES.where(messages.c.id == "t"), {"thread": "t"})) == []
        assert connection.execute(select(threads.c.id)).all() == []


def test_a_value_of_a_kind_that_no_column_takes_is_an_error_and_not_tried_again(connection: Connection) -> None:
    with pytest.raises((sqlite3.ProgrammingError, sqlite3.InterfaceError), match="type"):
        rows(connection, _MESSAGES, {"thread": object()})


def test_a_store_without_the_table_says_so_as_sqlalchemy_does(connection: Connection) -> None:
    connection.exec_driver_sql("DROP TABLE messages")
    with pytest.raises(OperationalError, match="no such table"):
        rows(connection, _MESSAGES, {"thread": "t"})


def test_a_value_that_is_missing_is_an_error_and_nothing_is_written(connection: Connection) -> None:
    with pytest.raises(ValueError, match="deleted"):
        rows(connection, _ADD_ASSISTANT, {"id": "a", "created_at": 1, "model": "m"})


def test_an_error_is_told_to_who_writes_and_the_next_write_takes_a_new_connection(tmp_path: Path) -> None:

    async def write() -> None:
        database = Database(f"sqlite:///{tmp_path / 's.db'}")
        try:
            await database.write(rows, _ADD_THREAD, _thread("a"))
            with pytest.raises(IntegrityError):
                await database.write(rows, _ADD_THREAD, _thread("a"))
            added = await asyncio.gather(*(database.write(rows, _ADD_THREAD, _thread(name)) for name in "bcd"))
            assert [row["id"] for (row,) in added] == ["b", "c", "d"]
        finally:
            database.close()

    asyncio.run(write())


@pytest.mark.postgres
def test_postgresql_gives_and_refuses_the_same(postgres: Callable[[], str]) -> None:
    database = Database(postgres())
    made = {"id": "a", "created_at": 1, "model": "m", "tools": [{"type": "f"}], "metadata": {}, "deleted": False}
    given = {**made, "owner": "", "response_format": "auto", "temperature": 0.1, "tool_resources": None}
    find = select(assistants).where(assistants.c.id == bindparam("assistant"), assistants.c.model.in_(("m", "n")))

    def alone(connection: Connection) -> None:
        rows(connection, _ADD_ASSISTANT, given)
        (row,) = rows(connection, find, {"assistant": "a"})
        assert row == dict(connection.execute(find, {"assistant": "a"}).mappings().one())
        assert {name: row[name] for name in given} == given
        with pytest.raises(IntegrityError, match="assistants"):
            rows(connection, _ADD_ASSISTANT, given)
        assert len(rows(connection, find, {"assistant": "a"})) == 1

    def together(connection: Connection) -> None:
        rows(connection, _ADD_THREAD, _thread("t"))
        rows(connection, _ADD_THREAD, _thread("t"))

    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        alone(connection)
    # In a transaction the words are those of the first refusal, and all of it is taken back.
    with pytest.raises(IntegrityError, match="duplicate key"):
        database.transact(True, together)
    assert database.transact(False, lambda found: found.execute(select(threads.c.id)).all()) == []
    database.close()
