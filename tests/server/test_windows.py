"""What the server and the commands do on Windows, as far as it can be seen elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbassist.server.launcher import ensure, release
from nbassist.server.process import ServerState, StateFolder, _children, lives_on_windows

UPSTREAM = "http://127.0.0.1:9/v1"  # nothing listens there, and nothing is asked of it here


class Kernel32:
    """The functions of Windows' library, as they are documented: a handle of 0 is none, and `code` is filled in."""

    def __init__(self, handle: int, code: int = 0, error: int = 0) -> None:
        self._handle, self._code, self._error = handle, code, error
        self.closed: list[int] = []

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int:  # noqa: N802
        return self._handle

    def GetLastError(self) -> int:  # noqa: N802
        return self._error

    def GetExitCodeProcess(self, handle: int, code: Any) -> int:  # noqa: N802
        code[0] = self._code
        return 1

    def CloseHandle(self, handle: int) -> int:  # noqa: N802
        self.closed.append(handle)
        return 1


@pytest.mark.parametrize(
    ("library", "lives"),
    [
        (Kernel32(7, code=259), True),
        (Kernel32(7, code=0), False),
        (Kernel32(0, error=87), False),
        (Kernel32(0, error=5), True),
    ],
    ids=["runs", "has ended", "never was", "is another person's"],
)
def test_whether_a_process_lives_is_asked_of_the_system(library: Kernel32, lives: bool) -> None:
    assert lives_on_windows(123, library) is lives
    assert library.closed == ([7] if library._handle else [])


@pytest.fixture
def none_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and data in a folder of the test's own, where no file can be deleted: somebody has each open."""
    for name in ("state", "data"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    unlink = Path.unlink

    def of_windows(self: Path, missing_ok: bool = False) -> None:
        if self.suffix in (".out", ".json") and self.exists():
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", of_windows)
    return tmp_path


def end() -> None:
    release()
    for _, child in _children:
        child.kill()
        child.wait(60)


def test_the_server_starts_though_the_file_that_it_writes_to_stays_open_and_so_does_the_next(none_let_go: Path) -> None:
    try:
        first = ensure(upstream=UPSTREAM)
        end()
        assert list(none_let_go.rglob("*.out"))
        assert ensure(upstream=UPSTREAM).token != first.token
    finally:
        end()
        _children.clear()


def test_a_state_that_somebody_reads_just_then_is_written_over(none_let_go: Path) -> None:
    place = StateFolder.of("", UPSTREAM)
    for token in ("first", "second"):
        place.write(ServerState(os.getpid(), "http://127.0.0.1:9/v1", token))
        place.forget()
    found = place.read()
    assert found is not None
    assert found.token == "second"


def test_data_goes_through_a_pipe_of_another_encoding_as_it_is(tmp_path: Path) -> None:
    assistant = {"id": "asst_1", "object": "assistant", "created_at": 1, "name": "日本 ‹é›", "model": "m"}
    store = f"sqlite:///{tmp_path / 's.db'}"
    environ = {**os.environ, "PYTHONIOENCODING": "cp1252"}  # as Windows has it in the west of Europe

    def run(*words: str, given: bytes = b"") -> bytes:
        command = [sys.executable, "-m", "nbassist", *words, "--store", store]
        done = subprocess.run(command, input=given, env=environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("import", "-", given=json.dumps(assistant, ensure_ascii=False).encode("utf-8"))
    assert "日本 ‹é›" in run("export").decode("utf-8")
