"""Threads on a disk that does not do as it should: what is whole is left alone, and the reply is there all the same."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbassist.core.conversation import Conversation
from nbassist.core.events import TextDelta, TurnEnded, TurnStarted
from nbassist.core.messages import Text
from nbassist.errors import ConversationError
from nbassist.threads import Threads
from nbassist.threads.storage import ThreadStorage


def say(threads: Threads, name: str, prompt: str) -> str:
    """Run a turn on a thread as a cell does; return what keeping it told."""
    hold = threads.hold(name)
    assert hold.take(1)
    try:
        conversation, _ = hold.begin()
        conversation.add_user(Text(prompt))
        for event in (TurnStarted(), TextDelta("yes"), TurnEnded("stop")):
            conversation.fold(event)
        return hold.keep()
    finally:
        hold.settle()
        hold.release()


def later_version(file: Path) -> str:
    data = json.loads(file.read_text(encoding="utf-8"))
    text = json.dumps({**data, "version": 2, "messages": [{"new": "shape"}]})
    file.write_text(text, encoding="utf-8")
    return text


def test_a_thread_of_a_later_version_is_left_as_it_is_and_the_run_goes_on_without_it(tmp_path: Path) -> None:
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    say(Threads(shelf), "main", "hello")
    (file,) = shelf.folder.glob("*.thread.json")
    text = later_version(file)
    threads = Threads(shelf)
    assert "later version of nbassist" in say(threads, "main", "again")
    assert len(threads["main"].turns) == 1
    assert file.read_text(encoding="utf-8") == text
    assert sorted(path.name for path in shelf.folder.iterdir() if "damaged" in path.name) == []


def test_a_thread_that_cannot_be_read_just_now_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    say(Threads(shelf), "main", "hello")
    (file,) = shelf.folder.glob("*.thread.json")
    before = file.read_bytes()
    threads = Threads(shelf)
    with monkeypatch.context() as patch:
        read = Path.read_text

        def none_left(self: Path, *args: Any, **named: Any) -> str:
            if self.name == file.name:
                raise OSError(errno.EMFILE, "Too many open files")
            return read(self, *args, **named)

        patch.setattr(Path, "read_text", none_left)
        assert "Too many open files" in say(threads, "main", "while there are no files")
        assert file.read_bytes() == before
    assert Threads(shelf)["main"].turns, "and it is read again when it can be"
    assert len(Threads(shelf)["main"].turns) == 1


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    for content in ("{ first", "{ second", '{"version": 1, "messages": [{"role": []}]}'):
        say(Threads(shelf), "main", "hello")
        (file,) = shelf.folder.glob("*.thread.json")
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ConversationError, match="put aside"):
            Threads(shelf)["main"]
    kept = {path.read_text(encoding="utf-8")[:9] for path in shelf.folder.glob("*.damaged*")}
    assert kept == {"{ first", "{ second", '{"version'}


def test_a_thread_that_another_kernel_begins_anew_meanwhile_is_not_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    say(Threads(shelf), "main", "hello")
    (file,) = shelf.folder.glob("*.thread.json")
    whole = file.read_bytes()
    file.write_text("{ broken", encoding="utf-8")
    load = Conversation.load

    def first(path: Path) -> Conversation:
        monkeypatch.undo()
        try:
            return load(path)
        finally:  # what the other kernel does before this one knows what to do
            path.rename(path.with_name(f"{path.name}.damaged"))
            path.write_bytes(whole)

    monkeypatch.setattr(Conversation, "load", first)
    assert len(Threads(shelf)["main"].turns) == 1
    assert [path.read_text(encoding="utf-8") for path in shelf.folder.glob("*.damaged*")] == ["{ broken"]


def a_file(folder: Path) -> Path:
    folder.write_text("no folder")
    return folder


def under_a_file(folder: Path) -> Path:
    folder.write_text("no folder")
    return folder / "deeper"


def not_made(folder: Path) -> Path:
    return Path("/proc/nowhere")


@pytest.mark.parametrize("broken", [a_file, under_a_file, not_made])
def test_where_no_folder_can_be_made_the_thread_lives_as_long_as_the_session(
    tmp_path: Path, broken: Callable[[Path], Path]
) -> None:
    threads = Threads(ThreadStorage(broken(tmp_path / "data"), "/a.ipynb"))
    assert "can't be kept on disk" in say(threads, "main", "hello")
    say(threads, "main", "again")
    assert len(threads["main"].turns) == 2
    with pytest.warns(RuntimeWarning, match="can't be kept"):
        threads.fork(1, "other")
    assert threads.undo(name="main") == 2
    assert threads.names() == ["main", "other"]


def test_on_a_disk_without_locks_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    def unsupported(self: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(filelock.UnixFileLock, "_acquire", unsupported)
    threads = Threads(ThreadStorage(tmp_path, "/a.ipynb"))
    assert say(threads, "main", "hello") == ""
    assert len(Threads(ThreadStorage(tmp_path, "/a.ipynb"))["main"].turns) == 1


def test_what_was_written_half_takes_no_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, text: str, *args: Any, **named: Any) -> int:
        with self.open("w") as file:
            file.write(text[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        Conversation("main").save(tmp_path / "c.json")
    assert list(tmp_path.iterdir()) == []


NAMES = st.text(st.characters(codec="utf-8", exclude_characters=":~"), min_size=1, max_size=40).filter(
    lambda name: name.strip()
)


@given(NAMES, st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_a_name_of_any_length_and_alphabet_is_a_thread(
    tmp_path_factory: pytest.TempPathFactory, name: str, times: int
) -> None:
    name *= times
    shelf = ThreadStorage(tmp_path_factory.mktemp("shelf"), "/a.ipynb")
    assert say(Threads(shelf), name, "hello") == ""
    again = Threads(shelf)
    assert again.names() == [name]
    assert len(again[name].turns) == 1
    again.rename("other", name)
    assert Threads(shelf).names() == ["other"]


def test_long_names_that_begin_alike_are_threads_of_their_own(tmp_path: Path) -> None:
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    threads = Threads(shelf)
    names = ["n" * 400 + end for end in ("", "a", "b")]
    for name in names:
        assert say(threads, name, name[-1]) == ""
    again = Threads(shelf)
    assert sorted(again.names()) == sorted(names)
    assert [len(again[name].turns) for name in names] == [1, 1, 1]


# In a process of its own, which gives away what it may do: where it is root, no mode of a file would keep it out.
WITHOUT = """
import json, os, resource, shutil, sys, tempfile, warnings
from pathlib import Path
from nbassist import Assistant
from nbassist.journal import Journal
from nbassist.testing import Say, ScriptedBackend
from nbassist.threads import Threads, ThreadStorage

folder, told, limit = Path(tempfile.mkdtemp()), [], resource.RLIMIT_NOFILE

def session():
    shelf = ThreadStorage(folder / "threads", "/n.ipynb")
    model = ScriptedBackend(*[Say("yes")] * 9)
    return Assistant(backend=model, threads=Threads(shelf), journal=Journal(folder / "j.db", told.append), tools=[])

def held():
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".db", ".json")]
    return {path.name: path.read_bytes().hex() for path in files}

first = session()
first.ask("first")
first.journal.close()
before = held()
soft, hard = resource.getrlimit(limit)
with warnings.catch_warnings(record=True) as warned:
    if sys.argv[1] == "files":
        resource.setrlimit(limit, (3, hard))
    else:
        for path in (*folder.rglob("*"), folder):
            path.chmod(0o555 if path.is_dir() else 0o444)
        os.seteuid(os.geteuid() or 65534)
    again = session()
    replies = [again.ask(prompt).text for prompt in ("second", "third")]
    again.journal.flush()
    resource.setrlimit(limit, (soft, hard))
    os.seteuid(os.getuid())
lines = [*told, *(str(one.message) for one in warned)]
print(json.dumps([replies, len(again.conversation.turns), before == held(), sorted(before), lines]))
again.journal.close()
for path in (folder, *folder.rglob("*")):
    path.chmod(0o700)
shutil.rmtree(folder)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither these limits nor these modes")
@pytest.mark.parametrize(
    ("lacks", "words", "turns"), [("files", "Too many open files", 2), ("rights", "Permission denied", 3)]
)
def test_without_files_to_open_or_rights_to_write_replies_come_and_all_on_disk_stays(
    lacks: str, words: str, turns: int
) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, lacks], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    replies, found, same, names, lines = json.loads(done.stdout)
    assert replies == ["yes", "yes"]
    assert found == turns, "a thread that can't be read is begun anew for the session, and its file left alone"
    assert same
    assert names == ["j.db", "main.thread.json", "notebook.json"]
    assert len(lines) == 2, "one of the thread, one of the journal"
    assert sum(words in line for line in lines) == 1
    assert not any("\n" in line for line in lines)
