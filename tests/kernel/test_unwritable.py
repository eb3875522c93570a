"""Where nothing can be written the reply comes all the same, and one warning in one line says that it is not kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
NO_BYTE = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"
BYTES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"


def a_file(folder: Path) -> str:
    (folder / "data").write_text("no folder")
    return str(folder / "data")


def below_a_file(folder: Path) -> str:
    (folder / "data").write_text("no folder")
    return str(folder / "data" / "deeper")


def nowhere(folder: Path) -> str:
    return "/proc/nowhere/data"


def said(kernel: Any, cell: str) -> str:
    """Run a cell that asks, and return what was shown; there is a reply, and no error."""
    ran = kernel.run(cell)
    assert ran.error is None, ran.error
    assert "it is there" in ran.stdout
    return str(ran.stdout)


@pytest.fixture(autouse=True)
def answers(endpoint: Any, wire: Any) -> None:
    pieces = wire.stream(wire.delta(content="it is there"), wire.delta("stop"))
    endpoint.on("POST", "/chat/completions", wire.answer(pieces))


def warnings_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if "Warning" in line]


@pytest.mark.parametrize("broken", [a_file, below_a_file, nowhere])
def test_a_data_folder_that_is_none(start_kernel: Any, tmp_path: Path, broken: Callable[[Path], str]) -> None:
    where = {"NBASSIST_DATA_DIR": broken(tmp_path), "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_API_KEY="k", NBASSIST_DISPLAY="plain", **where)
    text = said(kernel, "%%assistant\nhello") + said(kernel, "%%assistant\nagain") + said(kernel, "%%assistant\nand")
    text += kernel.written()
    (warning,) = warnings_in(text)
    assert "nbassist:1: RuntimeWarning: " in warning
    assert len([m for m in kernel.run("%assistant history").result.splitlines() if "hello" in m or "again" in m]) == 2


@pytest.mark.fresh_kernel
def test_a_disk_on_which_no_byte_can_be_written(start_kernel: Any, tmp_path: Path) -> None:
    where = {"NBASSIST_DATA_DIR": str(tmp_path / "data"), "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_API_KEY="k", NBASSIST_DISPLAY="plain", **where)
    said(kernel, "%%assistant\nfirst")
    kernel.written()  # what is left of it would be written, and warned of, when nothing can be any more
    (file,) = (tmp_path / "data").rglob("*.thread.json")
    before = file.read_bytes()
    assert kernel.run(NO_BYTE).error is None
    try:
        text = said(kernel, "%%assistant\nsecond") + said(kernel, "%%assistant\nthird")
        text += kernel.written()
    finally:
        kernel.run(BYTES)
    assert len(warnings_in(text)) == 1
    assert file.read_bytes() == before, "whole, or not at all"
    assert not list((tmp_path / "data").rglob("*.new"))
    said(kernel, "%%assistant\nfourth")
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert len([m for m in kept["messages"] if m["role"] == "user"]) == 4, "and kept when it can be again"


def test_a_home_that_is_not_there(start_kernel: Any, tmp_path: Path) -> None:
    where = {"NBASSIST_DATA_DIR": "", "XDG_DATA_HOME": "", "HOME": "", "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_API_KEY="k", NBASSIST_DISPLAY="plain", **where)
    said(kernel, "%%assistant\nhello")
    assert not (tmp_path / "~").exists()


def test_stores_of_a_later_version_are_left_as_they_are(start_kernel: Any, tmp_path: Path) -> None:
    where = {"NBASSIST_DATA_DIR": str(tmp_path / "data"), "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "journal.db") as journal:
        journal.execute("PRAGMA user_version = 99")
    before = (tmp_path / "data" / "journal.db").read_bytes()
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_API_KEY="k", NBASSIST_DISPLAY="plain", **where)
    text = said(kernel, "%%assistant\nhello") + kernel.written()
    text += said(kernel, "%%assistant\nagain") + kernel.written()
    (warning,) = warnings_in(text)
    assert "later version" in warning
    assert (tmp_path / "data" / "journal.db").read_bytes() == before


@pytest.mark.since("ipython", "9")  # in whose kernels the history of IPython itself does not wait for locks
@pytest.mark.fresh_kernel
def test_a_disk_without_locks(start_kernel: Any, tmp_path: Path, refusing_locks: str) -> None:
    where = {"NBASSIST_DATA_DIR": str(tmp_path / "data"), "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_API_KEY="k", NBASSIST_DISPLAY="plain", **where)
    ran = kernel.run(refusing_locks)
    assert ran.error is None
    assert ran.stdout.startswith("[Errno 37] No locks available"), "IPython's own history may have its word behind it"
    text = said(kernel, "%%assistant\nhello") + said(kernel, "%%assistant\nagain") + said(kernel, "%%assistant\nand")
    (warning,) = warnings_in(text + kernel.written())
    assert "its disk takes no locks: set NBASSIST_DATA_DIR to a folder on another disk" in warning
    (file,) = (tmp_path / "data").rglob("*.thread.json")
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert len([m for m in kept["messages"] if m["role"] == "user"]) == 3
