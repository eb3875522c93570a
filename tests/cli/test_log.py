"""`nbassist log` in a terminal: the list under its headings, and words where there is nothing to list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbassist import Assistant
from nbassist.cli import main
from nbassist.journal import Journal
from nbassist.journal.journal import default_journal
from nbassist.testing import Say, ScriptedBackend


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("NBASSIST_DATA_DIR", str(tmp_path))
    return default_journal()


def test_the_columns_have_headings(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    Assistant(backend=ScriptedBackend(Say("Twelve.")), journal=journal).ask("How many?")
    assert main(["log"]) == 0
    heads, line = capsys.readouterr().out.splitlines()
    assert heads.split() == ["run", "began", "took", "tokens", "finish", "model", "and", "prompt"]
    assert heads.index("began") == line.index("2")
    assert heads.index("finish") == line.index("completed")
    assert heads.index("model") == line.index("scripted")
    assert main(["log", "--json"]) == 0
    assert capsys.readouterr().out.startswith('{"prompt": "How many?"')


def test_where_there_is_nothing_to_list_it_says_so(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log"]) == 0
    assert capsys.readouterr() == ("", "no runs yet: the cells of notebooks are kept here\n")
    assert main(["log", "--grep", "pens"]) == 0
    assert capsys.readouterr() == ("", "no run is like that\n")
    assert main(["log", "7"]) == 1
    assert "nbassist log" in capsys.readouterr().err


def test_what_a_pipe_has_no_letters_for_does_not_end_the_list(journal: Journal) -> None:
    Assistant(backend=ScriptedBackend(Say("x"), Say("x")), journal=journal).ask("naïve 日本 → ‹x›")
    Assistant(backend=ScriptedBackend(Say("x")), journal=journal).ask("the last")
    journal.flush()
    # As Windows has it in the west of Europe.
    environ = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-m", "nbassist", "log"], env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("cp1252").splitlines()
    assert lines[1].endswith("naïve ?? ? ‹x›")
    assert lines[2].endswith("the last")
    command = [sys.executable, "-m", "nbassist", "log", "--json"]
    data = subprocess.run(command, env=environ, capture_output=True, check=True).stdout.decode("utf-8")
    assert json.loads(data.splitlines()[0])["prompt"] == "naïve 日本 → ‹x›", "data loses nothing"
