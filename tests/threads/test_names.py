"""What the files of threads are called: on a file system that does not tell case apart, and on Windows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbassist.threads import Threads
from nbassist.threads.storage import ThreadStorage

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
NAMES = (
    "main",
    "Main",
    "MAIN",
    "con",
    "CON",
    "com1",
    "nul.txt",
    "a/b",
    "trailing.",
    "Ä",
    "ä",
    "ß",
    "%4Dain",
    "x?*",
)


def kept(folder: Path, name: str) -> None:
    threads = Threads(ThreadStorage(folder, "/a.ipynb"))
    hold = threads.hold(name)
    assert hold.take(1)
    hold.begin()
    hold.keep()
    hold.release()


def test_each_name_has_a_file_that_no_other_is_taken_for(tmp_path: Path) -> None:
    for name in NAMES:
        kept(tmp_path, name)
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    files = [file.name for file in shelf.folder.glob("*.thread.json")]
    assert len({name.lower() for name in files}) == len(NAMES)
    assert [name for name in files if RESERVED.fullmatch(name) or re.search(r'[<>:"/\\|?*]', name)] == []
    assert sorted(shelf.names()) == sorted(NAMES)


@pytest.mark.parametrize("name", ["Main", "con"])
def test_a_file_of_before_is_read_and_written_under_its_name(name: str, tmp_path: Path) -> None:
    kept(tmp_path, "other")
    shelf = ThreadStorage(tmp_path, "/a.ipynb")
    [file] = shelf.folder.glob("other.thread.json")
    file.rename(shelf.folder / f"{name}.thread.json")
    assert shelf.read(name) is not None
    kept(tmp_path, name)
    assert [one.name for one in shelf.folder.glob("*.thread.json")] == [f"{name}.thread.json"]
    assert shelf.names() == [name]
    assert shelf.read(name.swapcase()) is None
