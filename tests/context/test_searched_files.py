"""Files that go with a prompt: the short whole, the long searched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbassist.context.searched_files import NAME, attach_or_search
from nbassist.core.messages import File, Text
from nbassist.errors import UsageError
from nbassist.testing import call_tool

LONG = "\n".join(f"Line {number} of the report is about topic {number}." for number in range(4000))


def test_a_short_file_goes_whole_and_needs_no_tool(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("short")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7")
    parts, tool = attach_or_search([tmp_path / "a.txt", tmp_path / "b.pdf"])
    assert [type(part) for part in parts] == [Text, File]
    assert tool is None


def test_of_a_long_file_the_prompt_has_the_name_and_the_model_a_tool(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text(f"{LONG}\nThe zeppelin lands at noon.\n{LONG}")
    (tmp_path / "a.txt").write_text("short")
    parts, tool = attach_or_search([tmp_path / "report.txt", tmp_path / "a.txt"])
    texts = [part.text for part in parts if isinstance(part, Text)]
    assert "report.txt is long" in texts[0]
    assert "topic" not in texts[0]
    assert "short" in texts[1]
    assert tool is not None
    assert tool.name == NAME
    told = call_tool(tool, query="When does the zeppelin land?").output
    assert re.search("【\\d+†report.txt】\\n", str(told))
    assert "The zeppelin lands at noon." in str(told)
    assert "nothing was found" in str(call_tool(tool, query="quantum").output)


def test_a_long_file_without_text_goes_whole(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7 " + b"x" * 1_100_000)
    parts, tool = attach_or_search([tmp_path / "scan.pdf"])
    assert [type(part) for part in parts] == [File]
    assert tool is None


def test_a_file_that_is_missing_is_told_as_before(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        attach_or_search([tmp_path / "none.txt"])


def test_two_long_files_of_one_name_have_marks_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / year / "notes/bees.txt" for year in ("2025", "2026")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text(f"Bees of {path.parts[-3]} make honey. " + "Cows eat grass. " * 8_000)
    parts, tool = attach_or_search(paths)
    assert tool is not None
    assert ["2025/notes/bees.txt" in str(parts[0]), "2026/notes/bees.txt" in str(parts[1])] == [True, True]
    said = tool.function("Which bees make honey?")
    assert "【1†2025/notes/bees.txt】" in said
    assert "【1†2026/notes/bees.txt】" in said
