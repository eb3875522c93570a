"""Programs that search files and run code, in the manner of OpenAI's guides and of each framework, with the framework's
own package, before `nbassist serve --code-interpreter`; nothing is changed but the base URL and the key.

A text says how many orders there are, and a table has them: the model searches the one and reads the other by code,
which draws a picture and writes a file.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .test_programs import NODE_SDKS, PROGRAMS, PYTHON, last_line, node_command, python_of, started, usual

FILES = PROGRAMS / "files"
FOUND, LINK = "The file said: orders has 42 rows", "[count](sandbox:/mnt/data/count.txt)"
CODED = "The code said: orders has 42 rows"
# Told by the program: the name of the file in place of the mark, and what stands in the file in place of the link.
WITH_NOTES = f"{FOUND} [0: report.txt] {CODED} [count](42)"
AS_IT_IS = f"{FOUND}【4:0†report.txt】 {CODED} {LINK}"
SAID = {
    "langchain_runnable": WITH_NOTES,
    "autogen_02": f"{FOUND} [0] Received file id=FILE {CODED} [count]( [0]) [0] Click <here> to download count.txt",
    "autogen_04": AS_IT_IS,
    "llama_index_agent": AS_IT_IS,
    "semantic_kernel_agent": AS_IT_IS,
    "agency_swarm_agency": AS_IT_IS,
}
OPENAI = {"1.21.0": ["httpx<0.28"], "1.40.0": ["httpx<0.28"], "2.0.0": []}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a program: base URL and key, and that is all."""
    if shutil.which("bwrap") is None:
        # Linux's own, and installed as root; `make test` installs it.
        pytest.skip("bubblewrap is not installed")
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with started(sys.executable, PROGRAMS.parent / "scripted_upstream.py") as upstream:
        # Root's own interpreter may stand where nobody else may look.
        python = ("--interpreter-python", "/usr/bin/python3") if os.geteuid() == 0 else ()
        command = (sys.executable, "-m", "nbassist", "serve", "--upstream", upstream, "--store", store)
        with started(*command, "--code-interpreter", *python, NBASSIST_SERVE_TOKEN="test-token") as url:
            yield {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "test-token"}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The text and the table."""
    text, table = tmp_path / "report.txt", tmp_path / "orders.csv"
    text.write_text("orders has 42 rows\n")
    table.write_text("number\n" + "\n".join(map(str, range(42))) + "\n")
    return [str(text), str(table)]


@pytest.mark.parametrize("name", usual(SAID, "langchain_runnable"))
def test_a_framework_in_python_searches_files_and_runs_code(
    name: str, served: dict[str, str], files: list[str], tmp_path: Path
) -> None:
    python = python_of(name, PYTHON[name][1])
    assert last_line([str(python), str(FILES / f"{name}.py"), *files], served, tmp_path) == SAID[name]


@pytest.mark.parametrize("version", usual(OPENAI, "1.21.0"))
def test_the_guides_run_with_each_version_of_the_python_sdk(
    version: str, served: dict[str, str], files: list[str], tmp_path: Path
) -> None:
    python = python_of("openai", [f"openai=={version}", *OPENAI[version]])
    assert last_line([str(python), str(FILES / "openai_python.py"), *files], served, tmp_path) == WITH_NOTES


def test_the_guides_run_with_the_python_sdk_of_today(served: dict[str, str], files: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", str(FILES / "openai_python.py"), *files]
    assert last_line(command, served, tmp_path) == WITH_NOTES


@pytest.mark.parametrize("version", usual(NODE_SDKS, "7.57.0"))
def test_the_guides_run_with_each_version_of_the_node_sdk(
    version: str, served: dict[str, str], files: list[str], tmp_path: Path
) -> None:
    command = node_command("files/openai_node", f"node-{version}", f"openai@{version}")
    assert last_line([*command, *files], served, tmp_path) == WITH_NOTES
