"""The wheel and the sdist: all that is in the package is in them, and what is built can be imported and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nbassist"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

pytestmark = pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling, which builds, is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    [path] = built.glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def unpacked(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site-packages")
    wheel.extractall(folder)
    return folder


def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_string(wheel.read(name).decode())


def python(unpacked: Path, folder: Path, *arguments: str) -> str:
    """Run Python on what is in the wheel, away from the checkout; its packages besides are those of this one."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_each_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(["git", "ls-files", "nbassist"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        expected = {
            str(p.relative_to(ROOT)) for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts
        }
    else:
        expected = {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name and ".data/" not in name}
    assert expected - inside == set()
    assert {name.partition("/")[0] for name in inside} == {"nbassist"}


@pytest.mark.parametrize("kind", [".js", ".css", ".toml", "py.typed"])
def test_what_is_no_module_is_in_the_wheel(wheel: zipfile.ZipFile, kind: str) -> None:
    assert [name for name in wheel.namelist() if name.endswith(kind)]


def test_the_frontends_extensions_go_where_jupyter_looks_for_them(wheel: zipfile.ZipFile) -> None:
    data = {name.partition(".data/data/")[2] for name in wheel.namelist() if ".data/data/" in name}
    assert {
        "share/jupyter/labextensions/nbassist/package.json",
        "share/jupyter/labextensions/nbassist/static/remoteEntry.js",
        "share/jupyter/nbextensions/nbassist/main.js",
        "etc/jupyter/nbconfig/notebook.d/nbassist.json",
    } <= data
    said = json.loads(wheel.read("nbassist/frontend/lab/package.json"))
    assert said["version"] == metadata(wheel)["Version"]


def test_the_metadata_says_what_a_registry_shows(wheel: zipfile.ZipFile) -> None:
    found = metadata(wheel)
    assert found["Name"] == "nbassist"
    assert found["License-Expression"] == "BSD-3-Clause"
    assert found["Requires-Python"] == ">=3.11"
    assert found["Description-Content-Type"] == "text/markdown"
    assert set(found.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])
    assert "Framework :: Jupyter" in (found.get_all("Classifier") or [])
    assert [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert found["Author"] == "The nbassist developers"
    assert "jupyter" in found["Keywords"].split(",")
    urls = dict(line.split(", ") for line in found.get_all("Project-URL") or [])
    assert {"Source", "Documentation", "Changes", "Issues"} <= set(urls)


def test_each_link_of_the_readme_leads_somewhere_from_a_package_index_too(wheel: zipfile.ZipFile) -> None:
    found = metadata(wheel)
    links = re.findall(r"\]\(([^)]+)\)", str(found.get_payload()))
    assert len(links) > 10
    source, version = PROJECT["urls"]["Source"], found["Version"]
    page = f"{source}/blob/v{version}/"
    picture = f"{source}/v{version}/".replace("https://github.com", "https://raw.githubusercontent.com")
    ours = [link for link in links if link.startswith((page, picture))]
    for link in ours:
        name = link.removeprefix(page).removeprefix(picture).partition("#")[0]
        assert (ROOT / name).is_file(), link
        assert link.startswith(picture) == (Path(name).suffix in (".webp", ".png", ".svg")), link
    assert [link for link in links if link not in ours and not link.startswith("https://")] == []
    assert len(ours) > 10


def test_the_command_is_an_entry_point(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "nbassist = nbassist.cli:main" in wheel.read(name).decode()


def test_what_is_in_the_wheel_runs_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    assert python(unpacked, tmp_path, "-m", "nbassist", "--version") == f"nbassist {metadata_version(unpacked)}"
    where = python(unpacked, tmp_path, "-c", "import nbassist; print(nbassist.__file__)")
    assert Path(where).is_relative_to(unpacked)


def metadata_version(unpacked: Path) -> str:
    [folder] = unpacked.glob("*.dist-info")
    return folder.name.removesuffix(".dist-info").partition("-")[2]


def test_each_module_in_the_wheel_can_be_imported(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "import pkgutil, importlib, nbassist\n"
        "for found in pkgutil.walk_packages(nbassist.__path__, 'nbassist.'):\n"
        "    if '.versions.' not in found.name and not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "print('all')"
    )
    assert python(unpacked, tmp_path, "-W", "ignore", "-c", code).splitlines()[-1] == "all"


def test_the_files_beside_the_code_are_read_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "from nbassist.display.live.view import LiveReply\n"
        "from nbassist.config.prices import price_of\n"
        "print(len(str(LiveReply._esm)) > 1000, len(str(LiveReply._css)) > 1000, price_of('gpt-5-mini') is not None)"
    )
    assert python(unpacked, tmp_path, "-c", code) == "True True True"


def test_the_store_is_made_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    pytest.importorskip("alembic", reason="the server needs the extra local")
    code = (
        f"from nbassist.server.store.database import Database; Database('sqlite:///{tmp_path.as_posix()}/s.db').close()"
    )
    python(unpacked, tmp_path, "-c", code)
    assert (tmp_path / "s.db").stat().st_size > 0


def test_the_sdist_holds_what_is_needed_to_test_and_to_build_the_documentation(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "mkdocs.yml", "tests/conftest.py"}
    assert needed - names == set()
    assert not {name for name in names if name.startswith((".venv", "site/", ".git/"))}


def test_the_version_is_the_one_of_the_changelog() -> None:
    from nbassist import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
