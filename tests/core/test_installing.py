"""The command that installs an extra: by the name only where it came from a package index."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from nbassist.core import installing
from nbassist.core.installing import install_engine, pip_install

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(installing.__file__).resolve().parents[1]


class Distribution:
    def __init__(self, noted: Any) -> None:
        self._noted = noted

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._noted is None else json.dumps(self._noted)


@pytest.mark.parametrize(
    ("noted", "command"),
    [
        (None, 'pip install "nbassist[mcp]"'),
        ({"url": "file:///srv/nb%20assist", "dir_info": {}}, 'pip install "/srv/nb assist[mcp]"'),
        ({"url": "file:///C:/nbassist", "dir_info": {"editable": True}}, 'pip install "C:/nbassist[mcp]"'),
        (
            {"url": "https://git.example/n.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}},
            'pip install "nbassist[mcp] @ git+https://git.example/n.git@0a1b"',
        ),
        ({"url": "file:///d/n.whl", "archive_info": {}}, 'pip install "nbassist[mcp] @ file:///d/n.whl"'),
    ],
    ids=["an index", "a folder", "a folder of Windows", "a repository", "a file"],
)
def test_it_names_where_this_one_came_from(noted: Any, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution(noted))
    assert pip_install("mcp") == command


def test_a_checkout_that_is_not_installed_is_named_by_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", none)
    assert pip_install("", upgrade=True) == f'pip install -U "{PACKAGE.parent}"'


@pytest.mark.parametrize(("extra", "named"), [("mcp", "%pip install mcp"), ("parquet", "%pip install pandas pyarrow")])
def test_in_a_browser_the_packages_of_an_extra_are_named_and_never_this_one(
    extra: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "_direct_url", dict)  # as of what a page brings
    monkeypatch.setattr(installing.runtime_environment, "THREADS", False)
    assert pip_install(extra) == named
    assert "openai" in pip_install("", upgrade=True)
    assert "nbassist" not in pip_install("", upgrade=True)


def test_the_engine_is_never_compiled() -> None:
    assert "--only-binary xllamacpp" in pip_install("local")


def test_no_page_and_no_target_compiles_the_engine() -> None:
    texts = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.in"), ROOT / "README.md", ROOT / "Makefile"]
    lines = [line for path in texts for line in path.read_text(encoding="utf-8").splitlines()]
    needs = [line for line in lines if re.search(r"pip install [^`]*\[(?:[\w,]*,)?(?:local|dev)\b", line)]
    assert len(needs) >= 5
    assert [line for line in needs if "--only-binary xllamacpp" not in line] == []


@pytest.mark.parametrize(
    ("system", "machine", "version", "host", "named"),
    [
        ("win32", "ARM64", "", None, "Windows on ARM"),
        ("win32", "AMD64", "", None, ""),
        ("linux", "x86_64", "", "x86_64-pc-linux-musl", "Linux with musl"),
        ("linux", "x86_64", "", "x86_64-pc-linux-gnu", ""),
        ("darwin", "arm64", "12.7.6", None, "macOS before 13"),
        ("darwin", "arm64", "15.1", None, ""),
    ],
)
def test_where_there_is_no_engine_an_endpoint_is_named_in_its_place(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, version: str, host: str | None, named: str
) -> None:
    monkeypatch.setattr(installing.sys, "platform", system)
    monkeypatch.setattr(installing.platform, "machine", lambda: machine)
    monkeypatch.setattr(installing.platform, "mac_ver", lambda: (version, ("", "", ""), machine))
    monkeypatch.setattr(installing.sysconfig, "get_config_var", lambda name: host)
    assert (f"no package of its engine for {named};" in install_engine()) == bool(named)
    assert ("NBASSIST_PROFILE=ollama" in install_engine()) == bool(named)


_BY_NAME = re.compile(
    r"""pip3? (?:install|download)(?: +(?!nbassist)[^\s#&|;`]+)* +["'`]?nbassist(?![\w/.-]|["'`]? @ )"""
)
_SEES = (
    "pip install nbassist",
    "%pip install -q 'nbassist[mcp]'",
    'python -m pip install -U "nbassist"',
    "pip install nbassist==1",
)
_LETS = (
    "pip install .",
    'pip install "/srv/nbassist[mcp]"',
    "pip install 'nbassist @ git+https://x'",
    "pip install a\nnbassist",
)


@pytest.mark.parametrize("text", _SEES)
def test_what_fetches_by_the_name_is_seen(text: str) -> None:
    assert _BY_NAME.search(text)


@pytest.mark.parametrize("text", _LETS)
def test_what_names_a_place_is_let_through(text: str) -> None:
    assert not _BY_NAME.search(text)


def test_no_text_or_message_tells_to_install_by_a_name_that_may_be_a_strangers() -> None:
    folders = ("nbassist", "docs", "notebooks", "deploy", "benchmarks", ".binder", ".devcontainer", ".github", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [
        path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".yml", ".cff") or path.name == "Makefile"
    ]
    kinds = {".pyc", ".webp", ".png", ".gz"}
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix not in kinds}
    assert len(texts) > 400
    # It says that nothing says so.
    assert [path.name for path, text in texts.items() if _BY_NAME.search(text)] == ["RELEASING.md"]
