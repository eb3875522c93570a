"""`nbassist clean`: everything that is kept is listed with its size, and goes only on a yes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from nbassist.cli import main
from nbassist.cli.clean import kept

XDG = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the folders are those that Linux has")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with something of each kind, and with what is not ours."""
    for name in XDG:
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("NBASSIST_CONFIG_DIR", "NBASSIST_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "XDG_DATA_HOME/nbassist/journal.db",
        "XDG_DATA_HOME/nbassist/journal.db-wal",
        "XDG_DATA_HOME/nbassist/journal.db.damaged-17",
        "XDG_DATA_HOME/nbassist/threads/a-1/main.thread.json",
        "XDG_DATA_HOME/nbassist/assistants.sqlite3",
        "XDG_CACHE_HOME/nbassist/models/m.gguf",
        "XDG_STATE_HOME/nbassist/server-host-12345678.log",
        "XDG_STATE_HOME/nbassist/serve.token",
        "XDG_CONFIG_HOME/nbassist/profiles.toml",
        "XDG_DATA_HOME/other/journal.db",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 1500)
    return tmp_path


def left(home: Path) -> list[str]:
    return sorted(str(file.relative_to(home)) for file in home.rglob("*") if file.is_file())


def test_all_is_listed_and_nothing_goes_where_no_one_can_be_asked(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = left(home)
    monkeypatch.setattr("sys.stdin", open("/dev/null", encoding="utf-8"))  # noqa: SIM115
    assert main(["clean"]) == 0
    said = capsys.readouterr().out
    assert left(home) == before
    assert "nothing was removed" in said
    assert [line.split()[:3] for line in said.splitlines() if " KB" in line] == [
        ["threads", "1.5", "KB"],
        ["journal", "4.5", "KB"],
        ["models", "1.5", "KB"],
        ["server", "4.5", "KB"],
        ["settings", "1.5", "KB"],
    ]
    sys.stdin.close()


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("", False), ("no", False)])
def test_a_person_is_asked(
    answer: str, gone: bool, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    before = left(home)
    assert main(["clean"]) == 0
    assert left(home) == (["XDG_DATA_HOME/other/journal.db"] if gone else before)
    assert list(home.rglob("nbassist")) == [] or not gone, "no empty folder of ours is left"


def test_one_kind_goes_alone_and_the_rest_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "models", "--yes"]) == 0
    assert "m.gguf" not in " ".join(left(home))
    assert len(left(home)) == 9
    assert main(["clean", "models"]) == 0
    assert "nothing of it is on this machine" in capsys.readouterr().out
    assert main(["clean", "everything"]) == 2
    assert "settings" in capsys.readouterr().err


def test_what_a_link_leads_to_is_not_ours(home: Path) -> None:
    models, far = home / "XDG_CACHE_HOME" / "nbassist" / "models", home / "far"
    models.rename(far)
    models.symlink_to(far)
    assert main(["clean", "--yes"]) == 0
    assert (far / "m.gguf").exists()
    assert not models.is_symlink()


def test_the_page_on_uninstalling_names_each_kind_and_where_it_lies(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "uninstall.md"
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]+\|([^|]+)\|", page.read_text(encoding="utf-8"), re.MULTILINE))
    for name in XDG:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    said = {
        kind: {Path(name.replace("~", str(home))) for name in re.findall(r"`([^`]+)`", cell)}
        for kind, cell in rows.items()
    }
    for paths in said.values():
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A name with an ending is that of a file; a folder gets what is looked for in it.
            for one in (path,) if path.suffix else (path / "profiles.toml", path / "serve.token", path / "x"):
                one.parent.mkdir(parents=True, exist_ok=True)
                one.write_bytes(b"x")
    found = {one.kind: set(one.paths) for one in kept()}
    assert set(found) == set(said)
    for kind, paths in said.items():
        # Of a folder that has others' files, too, each file of this kind is named.
        assert all(any(path in (one, *one.parents) for one in found[kind]) for path in paths), kind
        assert all(any(path in (one, *one.parents) for path in paths) for one in found[kind]), kind
