"""Runs on disk: written without costing a reply, found again, and given again."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.config.paths import set_log
from nbassist.core.events import (
    ImageData,
    ItemKept,
    RunEnded,
    RunStarted,
    TextDelta,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
)
from nbassist.errors import JournalError
from nbassist.journal import Entry, Journal, Recording
from nbassist.journal import database as database_module
from nbassist.journal.database import open_database
from nbassist.journal.diff import compare
from nbassist.journal.event_codec import from_json, pack, to_json, unpack
from nbassist.journal.usage import totals
from nbassist.journal.writer import Writer

EVENTS = (
    RunStarted("m"),
    TurnStarted({"run_id": "r"}, "m-1"),
    TextDelta("Späße \x00"),
    ItemKept("responses", {"type": "reasoning", "n": [1, None]}),
    TurnEnded("tool_calls", Usage(1, 2, 3, 4, True)),
    ToolFinished("c", "f", "out", None, 0.5, ({"text/plain": "x"},), "", (ImageData("image/png", b"\x89"),)),
    RunEnded("completed", Usage(1, 2, known=True), "", 1.5, 0.01, 1),
)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def journal(tmp_path: Path, told: list[str]) -> Iterator[Journal]:
    made = Journal(tmp_path / "data" / "journal.db", told.append)
    yield made
    made.close()


def run(journal: Journal, prompt: str = "hello", **more: Any) -> None:
    recording = Recording(journal, Entry(prompt, **more))
    for event in EVENTS:
        recording.take(event)


def test_events_come_back_as_they_were() -> None:
    timed = tuple((0.1 * number, event) for number, event in enumerate(EVENTS))
    assert [event for _, event in unpack(pack(timed))] == list(EVENTS)
    assert from_json(to_json(timed))[2][0] == pytest.approx(0.2)


@given(st.binary(max_size=200))
def test_a_damaged_recording_is_a_value_error_and_nothing_else(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json, zlib and our own all are
        unpack(data)


def test_a_run_is_written_and_found_again(journal: Journal) -> None:
    before = time.time()
    run(journal, "How many?", notebook="/a.ipynb", cell="c1", thread="main", parameters={"temperature": 0.2})
    (entry,) = journal.entries()
    assert (entry.prompt, entry.text, entry.finish, entry.model) == ("How many?", "Späße \x00", "completed", "m-1")
    assert (entry.usage, entry.cost, entry.turns, entry.number) == (Usage(1, 2, known=True), 0.01, 1, 1)
    assert before <= entry.began <= time.time()
    assert entry.first_text > 0
    assert [event for _, event in journal.entry(1).events] == list(EVENTS)


def test_runs_are_found_by_cell_words_and_time(journal: Journal) -> None:
    for number in range(4):
        run(journal, f"prompt 100% {number}", notebook="/a.ipynb", cell=f"c{number % 2}")
    assert [e.prompt[-1] for e in journal.entries(cell="c1")] == ["1", "3"]
    assert [e.prompt[-1] for e in journal.entries(grep="PROMPT 100% 2")] == ["2"]
    assert journal.entries(grep="prompt%2") == [], "a percent sign is a percent sign"
    assert [e.prompt[-1] for e in journal.entries(last=2)] == ["2", "3"]
    assert journal.entries(since=time.time() + 60) == []
    assert journal.entries(notebook="/b.ipynb") == []
    with pytest.raises(JournalError, match="no run 9"):
        journal.entry(9)


def test_a_rating_is_kept(journal: Journal) -> None:
    run(journal)
    journal.rate(1, "good")
    assert journal.entry(1).rating == "good"


def test_the_file_is_nobody_elses_business(journal: Journal) -> None:
    run(journal)
    journal.flush()
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_corrupt_file_is_put_aside_and_a_new_one_begun(journal: Journal, told: list[str]) -> None:
    journal.path.parent.mkdir()
    journal.path.write_bytes(b"this is no database " * 100)
    run(journal)
    assert len(journal.entries()) == 1
    (aside,) = journal.path.parent.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert ["put aside as" in line for line in told] == [True]


def test_a_second_corrupt_file_in_one_second_does_not_replace_the_first(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.journal.database.time.time", lambda: 1_700_000_000.0)
    journal.path.parent.mkdir()
    for content in (
        b"the first is no database " * 100,
        b"the second is none either " * 100,
        b"nor is the third " * 100,
    ):
        journal.close()
        journal.path.write_bytes(content)
        for ending in ("-wal", "-shm"):
            journal.path.with_name(journal.path.name + ending).unlink(missing_ok=True)
        database, _ = open_database(journal.path)
        database.close()
    kept = {aside.read_bytes()[:10] for aside in journal.path.parent.glob("*.damaged-*")}
    assert kept == {b"the first ", b"the second", b"nor is the"}


def test_of_two_kernels_that_find_it_damaged_the_second_takes_what_the_first_began(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.path.parent.mkdir()
    journal.path.write_bytes(b"this is no database " * 100)
    notices, opened = [], database_module._opened

    def first(path: Path) -> Any:
        monkeypatch.undo()
        try:
            return opened(path)
        finally:  # between what this kernel finds and what it does, the other one does it all
            other, notice = open_database(path)
            with other.writing() as connection:
                connection.execute("CREATE TABLE kept (x)")
            other.close()
            notices.append(notice)

    monkeypatch.setattr(database_module, "_opened", first)
    database, notice = open_database(journal.path)
    with database.reading() as connection:
        connection.execute("SELECT * FROM kept")
    database.close()
    assert ["put aside as" in one for one in (*notices, notice)] == [True, False]
    assert len(list(journal.path.parent.glob("*.damaged-*"))) == 1


def test_a_damaged_file_is_put_aside_once_by_many_who_open_it(journal: Journal) -> None:
    journal.path.parent.mkdir()
    journal.path.write_bytes(b"this is no database " * 100)
    together = threading.Barrier(6)

    def open_it(_: int) -> str:
        together.wait()
        database, notice = open_database(journal.path)
        database.close()
        return notice

    with ThreadPoolExecutor(6) as pool:
        notices = list(pool.map(open_it, range(6)))
    assert sum(map(bool, notices)) == 1
    assert len(list(journal.path.parent.glob("*.damaged-*"))) == 1


def test_a_file_whose_log_is_being_begun_by_another_is_waited_for(tmp_path: Path) -> None:
    # SQLite waits for nobody there: the error comes at once.
    told = iter([sqlite3.OperationalError("database is locked")] * 3)

    class Contested:
        def execute(self, command: str) -> None:
            asked.append(command)
            for error in told:
                raise error

    asked: list[str] = []
    set_log(Contested(), far=False)  # type: ignore[arg-type]  # all that it uses of a connection
    assert asked == ["PRAGMA journal_mode=WAL"] * 4


def test_a_file_of_a_later_version_is_left_alone_and_that_is_said_once(journal: Journal, told: list[str]) -> None:
    journal.path.parent.mkdir()
    with sqlite3.connect(journal.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = journal.path.read_bytes()
    run(journal)
    run(journal)
    journal.flush()
    assert journal.path.read_bytes() == before
    assert [line.count("later version") for line in told] == [1]


def test_a_journal_that_another_process_holds_costs_no_reply(
    journal: Journal, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(journal)
    journal.close()
    monkeypatch.setattr("nbassist.journal.database._BUSY", 0.1)
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    run(journal)
    journal.flush()
    assert ["in use by another process" in line for line in told] == [True]
    other.execute("ROLLBACK")
    other.close()
    run(journal, "after")
    assert [e.prompt for e in journal.entries()] == ["hello", "after"]


def test_many_runs_wait_together_for_a_journal_that_another_process_holds_for_long(
    journal: Journal, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(journal)
    journal.close()
    monkeypatch.setattr("nbassist.journal.database._BUSY", 0.1)
    other = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    tries: list[int] = []
    transact = Writer._transact

    def tried(self: Writer, work: list[Any]) -> Exception | None:
        tries.append(len(work))
        if len(tries) == 3:
            other.execute("ROLLBACK")
        return transact(self, work)

    monkeypatch.setattr(Writer, "_transact", tried)
    for _ in range(20):
        run(journal)
    journal.flush()
    other.close()
    assert len(journal.entries()) == 21
    # Two rows for each run, gathered as it came; what was tried again was tried whole.
    assert 40 < sum(tries) <= 120


def test_a_place_that_can_not_be_is_said_once(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "journal.db", told.append)
    run(journal)
    run(journal)
    journal.flush()
    assert len(told) == 1
    assert "can't be made" in told[0]


def test_a_full_disk_is_said_and_runs_that_fit_later_are_written(journal: Journal, told: list[str]) -> None:
    run(journal)
    journal.flush()
    with journal._file.reading() as connection:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    run(journal, "x" * 100_000)
    journal.flush()
    assert ["full" in line for line in told] == [True]
    run(journal, "small")
    assert [e.prompt for e in journal.entries()][:1] == ["hello"]


def test_a_file_that_can_only_be_read_is_said_once_and_read_all_the_same(journal: Journal, told: list[str]) -> None:
    run(journal, "before")
    journal.flush()
    with journal._file.reading() as connection:
        connection.execute("PRAGMA query_only = 1")  # as of a file of root's: with the words of SQLite for it
    run(journal, "after")
    run(journal, "after")
    journal.flush()
    assert ["readonly" in line for line in told] == [True]
    assert [e.prompt for e in journal.entries()] == ["before"]


def test_many_rows_are_written_in_order_and_a_rating_finds_its_run(journal: Journal) -> None:
    for number in range(300):
        run(journal, f"prompt {number}")
        journal.keep_reply(str(number), ((0.0, TextDelta(str(number))),))
    journal.rate(150, "good")
    assert [e.prompt for e in journal.entries()] == [f"prompt {number}" for number in range(300)]
    assert [e.number for e in journal.entries() if e.rating] == [150]
    assert journal.known_replies(["7", "299", "300"]) == {"7", "299"}
    assert journal.reply("299") == ((0.0, TextDelta("299")),)


def test_what_can_not_be_written_takes_nothing_else_with_it(journal: Journal, told: list[str]) -> None:
    journal.flush()
    run(journal, "one")
    run(journal, "two", parameters={"odd": object()})
    run(journal, "three")
    assert [e.prompt for e in journal.entries()] == ["one", "three"]
    assert len(told) == 1


def test_two_processes_write_to_one_journal(journal: Journal) -> None:
    import subprocess
    import sys

    code = (
        "from pathlib import Path; from nbassist.journal import *; import sys\n"
        "from nbassist.core.events import *\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    r = Recording(j, Entry(f'other {n}')); r.take(RunEnded('completed'))\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(journal.path)])
    for number in range(20):
        run(journal, f"mine {number}")
    assert other.wait(60) == 0
    assert len(journal.entries()) == 40


def test_two_runs_are_compared_in_all_that_was_set() -> None:
    difference = compare(
        Entry("a b", model="m", parameters={"t": 1}, text="<b>", number=1),
        Entry("a c", model="m", parameters={"t": 2}, text="<b>", number=2),
    )
    assert [name for name, _ in difference.parts] == ["prompt", "parameters"]
    assert "a [-b-]{+c+}" in repr(difference)
    assert "</del> <ins" in difference._repr_html_(), "one can tell them apart without colours"
    assert "nothing differs" in repr(compare(Entry("a"), Entry("a")))


def test_usage_counts_each_run_and_each_unknown_one(journal: Journal) -> None:
    for number in range(3):
        journal.add(Entry("hi", usage=Usage(5, 2, known=True), cost=0.5, model="a", thread="main", began=float(number)))
    journal.add(Entry("hi", usage=Usage(), cost=None, model="a", thread="main", began=3.0))
    journal.add(Entry("hi", usage=Usage(), cost=None, model="b", thread="other", began=4.0))
    journal.flush()
    first, second = totals(journal)
    assert (first.runs, first.usage.input_tokens, first.usage.output_tokens, first.uncounted) == (4, 15, 6, 1)
    assert (first.cost, first.unpriced) == (1.5, 1)
    assert (second.runs, second.uncounted, second.unpriced, second.usage.known) == (1, 1, 1, False)


def test_usage_is_summed_by_the_days_of_this_machines_clock(journal: Journal) -> None:
    for day, hour in ((24, 23), (24, 1), (25, 0)):
        began = datetime(2026, 11, day, hour, 30).timestamp()
        for model in ("a", "b"):
            journal.add(Entry("hi", usage=Usage(5, 2, known=True), cost=0.5, model=model, thread="main", began=began))
    journal.flush()
    found = [
        (one.thread, one.model, one.runs, one.usage.input_tokens, one.cost) for one in totals(journal, by_day=True)
    ]
    assert found == [
        ("2026-11-24", "a", 2, 10, 1.0),
        ("2026-11-24", "b", 2, 10, 1.0),
        ("2026-11-25", "a", 1, 5, 0.5),
        ("2026-11-25", "b", 1, 5, 0.5),
    ]


def test_processes_that_begin_one_journal_at_once_all_write_to_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nbassist.journal import Entry, Journal\n"
        "sys.stdin.readline()\n"
        "j = Journal(Path(sys.argv[1])); j.add(Entry('hello')); j.flush()"
    )
    for number in range(5):
        path = tmp_path / f"{number}.db"
        command = [sys.executable, "-W", "error", "-c", code, str(path)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        together = [subprocess.Popen(command, **pipes) for _ in range(4)]
        said = [one.communicate("go\n", timeout=120)[1] for one in together]
        assert said == [""] * 4
        again = Journal(path)
        assert len(again.entries()) == 4


OLDER = """
CREATE TABLE runs (
    number INTEGER NOT NULL, began FLOAT NOT NULL, notebook TEXT DEFAULT '' NOT NULL, cell TEXT DEFAULT '' NOT NULL,
    thread TEXT DEFAULT '' NOT NULL, backend TEXT DEFAULT '' NOT NULL, endpoint TEXT DEFAULT '' NOT NULL,
    model TEXT DEFAULT '' NOT NULL, instructions TEXT DEFAULT '' NOT NULL, prompt TEXT DEFAULT '' NOT NULL,
    text TEXT DEFAULT '' NOT NULL, finish TEXT DEFAULT '' NOT NULL, detail TEXT DEFAULT '' NOT NULL,
    rating TEXT DEFAULT '' NOT NULL, parameters JSON NOT NULL, tools JSON NOT NULL, shown JSON NOT NULL,
    variant JSON NOT NULL, usage JSON NOT NULL, seconds FLOAT DEFAULT '0' NOT NULL,
    first_text FLOAT DEFAULT '0' NOT NULL, cost FLOAT, turns INTEGER DEFAULT '0' NOT NULL,
    replayed BOOLEAN DEFAULT '0' NOT NULL, events BLOB NOT NULL, PRIMARY KEY (number)
);
CREATE TABLE replies ("key" TEXT NOT NULL, saved FLOAT NOT NULL, events BLOB NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE ratings ("key" TEXT NOT NULL, rating TEXT NOT NULL, saved FLOAT NOT NULL, PRIMARY KEY ("key"));
INSERT INTO ratings VALUES ('k', 'good', 1.0);
PRAGMA user_version = 1;
"""
"""A file as the journal wrote it when it did so through SQLAlchemy."""


def test_a_file_of_before_is_read_and_written_on(journal: Journal) -> None:
    usage = '{"input_tokens": 7, "output_tokens": 3, "cached_tokens": 0, "reasoning_tokens": 0, "known": true}'
    timed = ((0.5, TextDelta("kept")),)
    journal.path.parent.mkdir()
    with sqlite3.connect(journal.path) as connection:
        connection.executescript(OLDER)
        connection.execute(
            "INSERT INTO runs (began, model, prompt, text, finish, parameters, tools, shown, variant, usage, replayed,"
            " events) VALUES (5.0, 'm', 'before', 'said', 'completed', '{\"t\": 1}', '[{\"name\": \"f\"}]', '[\"df\"]',"
            ' \'{"run": "a", "wording": "w"}\', ?, 1, ?)',
            (usage, pack(timed)),
        )
        connection.execute("INSERT INTO replies VALUES ('k', 1.0, ?)", (pack(timed),))
    connection.close()
    run(journal, "after")
    first, second = journal.entries()
    assert (first.prompt, first.parameters, first.tools, first.shown) == ("before", {"t": 1}, ({"name": "f"},), ("df",))
    assert first.replayed is True
    assert second.replayed is False
    assert journal.entry(1).events == timed
    assert journal.reply("k") == timed
    assert journal.kept_ratings(["k", "l"]) == {"k": "good"}
    assert journal.written_tokens("m") == 3
    assert journal.wordings("") == {"w"}
    assert [(one.runs, one.model) for one in totals(journal)] == [(1, "m-1")], "what was given again took nothing"
    journal.rate_named("a", "bad")
    assert journal.entry(1).rating == "bad"


def test_a_file_on_another_machine_has_no_write_ahead_log(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def mode() -> str:
        with journal._file.reading() as connection:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    run(journal)
    assert len(journal.entries()) == 1
    assert mode() == "wal"
    journal.close()
    monkeypatch.setattr("nbassist.journal.database.is_remote", lambda path: True)
    run(journal)
    assert len(journal.entries()) == 2
    assert mode() == "delete"


class NoSharedMemory(sqlite3.Connection):
    """A file system without shared memory, as SQLite says it."""

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        if sql.endswith("journal_mode=WAL"):
            raise sqlite3.OperationalError("locking protocol")
        return super().execute(sql, *given)


def test_where_there_can_be_no_write_ahead_log_the_journal_does_without(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, factory=NoSharedMemory, **named))
    run(journal)
    assert len(journal.entries()) == 1
    with journal._file.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_connections_are_closed_with_the_journal(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nbassist.journal import Entry, Journal\n"
        "j = Journal(Path(sys.argv[1])); j.add(Entry('hello')); j.entries(); j.add(Entry('again'))"
    )
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", code, str(tmp_path / "j.db")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stderr == ""
    made = Journal(tmp_path / "j.db")
    assert [entry.prompt for entry in made.entries()] == ["hello", "again"]
    made.close()


def test_how_long_a_run_thought_and_wrote_is_read_as_it_was_written() -> None:
    ended = RunEnded("completed", writing=2.5, thoughts=(1.5, 0.25))
    assert unpack(pack([(1.0, ended)])) == ((1.0, ended),)
