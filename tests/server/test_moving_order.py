"""Moving in: the order of what is of one second, times however they are written, and all columns of an export."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Connection, Table, insert, select

from nbassist.server.hosted import tables
from nbassist.server.store import schema
from nbassist.server.store.database import Database
from nbassist.server.transfer.exporting import export_objects, read_store
from nbassist.server.transfer.importing import Imported, import_objects
from nbassist.server.transfer.reading import read_text
from nbassist.server.transfer.shapes import seconds

AT = 1714000101
THREAD = {"id": "thread_1", "object": "thread", "created_at": AT, "metadata": {}}


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = Database(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def message(number: int, at: int = AT, **more: Any) -> dict[str, Any]:
    base = {"id": f"msg_{number}", "object": "thread.message", "created_at": at, "thread_id": "thread_1"}
    return {**base, "role": "user", "content": str(number), "run_id": None, **more}


def answer(number: int, at: int = AT) -> dict[str, Any]:
    return message(number, at, role="assistant", run_id="run_1")


def lines(*values: Any) -> str:
    return "\n".join(map(json.dumps, values))


def page(*values: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(values), "has_more": True}


def brought(database: Database, *texts: str) -> Imported:
    return import_objects(database, (found for text in texts for found in read_text(text)))


def ids(database: Database, table: Any = schema.messages) -> list[str]:
    return database.transact(False, lambda conn: list(conn.execute(select(table.c.id).order_by(table.c.seq)).scalars()))


OF_ONE_SECOND = [message(number) for number in range(5)]
NEWEST_FIRST = OF_ONE_SECOND[::-1]
TURNS = [message(0), answer(1), message(2), answer(3)]
DUMPS: dict[str, tuple[str, int]] = {
    "a message a line": (lines(THREAD, *NEWEST_FIRST), 5),
    "a page a line": (lines(THREAD, page(*NEWEST_FIRST[:2]), page(*NEWEST_FIRST[2:4]), page(*NEWEST_FIRST[4:])), 5),
    "within the thread": (json.dumps({"threads": [{**THREAD, "messages": NEWEST_FIRST}]}), 5),
    "pages of several seconds": (
        lines(page(message(4, AT + 1), message(3, AT + 1)), page(message(2, AT + 1), message(1)), page(message(0))),
        5,
    ),
    "several seconds, the oldest first": (lines(message(0), message(1), message(2, AT + 1), message(3, AT + 1)), 4),
    "turns, the newest first": (lines(*TURNS[::-1]), 4),
    "turns, the oldest first": (lines(*TURNS), 4),
    "a question that waits, the newest first": (lines(*TURNS[2::-1]), 3),
    "the same dump twice, the second one longer": (lines(*NEWEST_FIRST[3:], *NEWEST_FIRST), 5),
    "milliseconds": (lines(message(1, AT * 1000 + 900), message(0, AT * 1000 + 100)), 2),
}


@pytest.mark.parametrize("form", DUMPS)
def test_messages_of_one_second_come_in_the_order_of_the_conversation(form: str, database: Database) -> None:
    text, number = DUMPS[form]
    assert brought(database, text).unusable == []
    assert ids(database) == [f"msg_{index}" for index in range(number)]


def test_each_thread_has_an_order_of_its_own(database: Database) -> None:
    other = [message(number, AT + number, id=f"msg_b{number}", thread_id="thread_2") for number in range(3)]
    brought(database, lines(*(one for pair in zip(NEWEST_FIRST[2:], other, strict=True) for one in pair)))
    found = ids(database)
    assert [name for name in found if "b" not in name] == ["msg_0", "msg_1", "msg_2"]
    assert [name for name in found if "b" in name] == ["msg_b0", "msg_b1", "msg_b2"]


def test_messages_that_are_a_role_and_a_text_stay_as_they_stand(database: Database) -> None:
    said = [{"role": role, "content": role} for role in ("assistant", "user", "assistant", "user")]
    brought(database, json.dumps({"thread_1": said}))
    assert [one["role"] for one in export_objects(database) if one["object"] == "thread.message"] == [
        one["role"] for one in said
    ]


def test_steps_and_runs_of_one_second_come_in_their_order(database: Database) -> None:
    runs = [
        {"id": f"run_{number}", "object": "thread.run", "created_at": AT, "thread_id": "thread_1"}
        for number in range(3)
    ]
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}", "output": ""}}
    told = {"type": "message_creation", "message_creation": {"message_id": "msg_1"}}
    made = [{"type": "tool_calls", "tool_calls": [call]}, {"type": "tool_calls", "tool_calls": [call]}, told]
    steps = [
        {"id": f"step_{run}{number}", "object": "thread.run.step", "created_at": AT, "run_id": f"run_{run}"}
        | {"thread_id": "thread_1", "step_details": details}
        for run in range(2)
        for number, details in enumerate(made)
    ]
    # The second run's steps were asked for the oldest first.
    brought(database, lines(THREAD, page(*runs[::-1]), page(*steps[2::-1]), page(*steps[3:])))
    assert ids(database, schema.runs) == ["run_0", "run_1", "run_2"]
    assert ids(database, schema.steps) == ["step_00", "step_01", "step_02", "step_10", "step_11", "step_12"]


def test_an_export_keeps_its_order_however_its_lines_are_shuffled(database: Database, tmp_path: Path) -> None:
    brought(database, lines(THREAD, *NEWEST_FIRST))
    exported = list(export_objects(database))
    for name, objects in {"as it is": exported, "turned around": exported[::-1]}.items():
        other = Database(f"sqlite:///{tmp_path / name}.db")
        brought(other, lines(*objects))
        assert ids(other) == [f"msg_{number}" for number in range(5)], name
        assert list(export_objects(other)) == exported
        other.close()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1712101020123", 1712101020),
        ("1712101020", 1712101020),
        (" 1712101020.9", 1712101020),
        (1712101020123456, 1712101020),
        ("1712101020123456789", 1712101020),
        ("2024-04-02T23:37:00Z", 1712101020),
        ("2024-04-02", 1712016000),
        ("²", None),
        ("soon", None),
        (True, None),
        (None, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_time_may_be_a_number_of_any_unit_also_as_digits(written: Any, read: int | None) -> None:
    assert seconds(written) == read


LOST = {"seq", "lease_owner", "lease_until", "required_action", "deleted"}
"""What is a server's own, or of a run that is under way."""
READ_ANEW = {"status", "usage_bytes", "last_error"}
"""What of a file in a store the server finds out again."""
TABLES = (
    *(schema.files, tables.vector_stores, tables.batches, tables.store_files, schema.assistants),
    *(schema.threads, schema.runs, schema.messages, schema.steps),
)


def filled(table: Any, number: Any) -> dict[str, Any]:
    """Return a row without a null: a value of its own in each column, but where the API has shapes."""
    chosen: dict[str, Any] = {
        "id": f"{table.name}_1",
        "thread_id": "threads_1",
        "run_id": "runs_1",
        "vector_store_id": "vector_stores_1",
        "role": "assistant",
        "status": "incomplete",
        "type": "tool_calls",
        "temperature": 0.25,
        "top_p": 0.5,
        "content": [{"type": "text", "text": {"value": "said", "annotations": [{"type": "file_citation"}]}}],
        "attachments": [{"file_id": "files_1", "tools": [{"type": "file_search"}]}],
        "tools": [{"type": "file_search", "file_search": {"max_num_results": 5}}],
        "tool_resources": {"file_search": {"vector_store_ids": ["vector_stores_1"]}},
        "metadata": {"of": table.name},
        "expires_after": {"anchor": "last_active_at", "days": 3},
        "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10}},
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "file_search",
                    "file_search": {"results": [{"file_id": "files_1", "content": [{"type": "text", "text": "a"}]}]},
                }
            ],
        },
    }
    if table is schema.files:
        chosen |= {"content": b"\x00\xff", "bytes": 2}
    if table is tables.store_files:
        chosen["id"] = "files_1"
    kinds: dict[type, Any] = {int: lambda: AT + next(number), str: lambda: f"text {next(number)}", bool: lambda: True}
    row = {}
    for column in table.columns:
        kind = dict if isinstance(column.type, JSON) else column.type.python_type
        made = chosen.get(column.name) or kinds.get(kind, lambda: {"n": next(number)})()
        row[column.name] = False if column.name == "deleted" else made
    return {name: value for name, value in row.items() if name not in LOST - {"deleted"}}


def only_row(connection: Connection, table: Table) -> Any:
    return connection.execute(select(table)).mappings().one()


def test_an_import_of_an_export_has_all_columns(database: Database, tmp_path: Path) -> None:
    number = count(1)
    rows = {table: filled(table, number) for table in TABLES}

    def write(connection: Connection) -> None:
        for table, row in rows.items():
            connection.execute(insert(table), row)

    database.transact(True, write)
    text = lines(*export_objects(database))
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    third = Database(f"sqlite:///{tmp_path / 'third.db'}")
    assert brought(other, text).unusable == []
    assert import_objects(third, read_store(str(tmp_path / "store.db"))).unusable == []
    for held in (other, third):
        for table, row in rows.items():
            found = held.transact(False, partial(only_row, table=table))
            lost = LOST | READ_ANEW if table is tables.store_files else LOST
            assert {name: found[name] for name in row if name not in lost} == {
                name: value for name, value in row.items() if name not in lost
            }, table.name
        held.close()
