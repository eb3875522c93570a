"""Programs in the manner of each framework, with the framework's own package, before `nbassist serve`.

Each counts the rows of a table by a function of its own, and names models of the hosted service; the upstream has one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOME, run

PROGRAMS = Path(__file__).parent / "programs"
COUNTED, GREETED = "The tool said: orders has 42 rows", "Hello from the upstream."
# The versions are the last of each that spoke the Assistants API, or those that programs were pinned to.
PYTHON = {
    "langchain_runnable": (COUNTED, ["langchain==0.3.27", "langchain-openai<0.4", "langchain-community<0.4"]),
    "autogen_02": (COUNTED, ["pyautogen==0.2.35"]),
    "autogen_04": (COUNTED, ["autogen-ext[openai]==0.7.5", "autogen-agentchat==0.7.5"]),
    "llama_index_agent": (COUNTED, ["llama-index-agent-openai==0.4.9"]),
    "semantic_kernel_agent": (COUNTED, ["semantic-kernel==1.35.0", "openai<2"]),
    "agency_swarm_agency": (COUNTED, ["agency-swarm==0.7.0"]),
    "griptape_driver": (GREETED, ["griptape==1.8.0"]),
    "openai_python": (COUNTED, ["openai==1.40.0", "httpx<0.28"]),
    "azure_python": (GREETED, ["openai==1.40.0", "httpx<0.28"]),
}
# The first that could poll and stream runs, and some between them and those of today.
PYTHON_SDKS = {"1.21.0": ["httpx<0.28"], "1.57.0": [], "1.109.1": [], "2.0.0": []}
NODE_SDKS = ["4.40.0", "4.104.0", "5.0.0", "6.0.0", "7.57.0"]
NODE = {"openai_node": COUNTED, "vercel_ai": GREETED, "langchain_js": COUNTED}
PACKAGES = ("openai@4.104.0", "ai@4.3.19", "langchain@0.3.30", "@langchain/core@0.3", "@langchain/openai@0.6")


def usual(names: Iterable[str], *kept: str) -> list[Any]:
    """Parameters of which `make test` tries those that are kept, and `make referee` all: each installs its own."""
    every = bool(os.environ.get("NBASSIST_EVERY_PROGRAM"))
    apart = pytest.mark.skipif(not every, reason="in `make referee`: it installs all anew")
    return [pytest.param(name, marks=() if name in kept else apart) for name in names]


@contextmanager
def started(*command: str | Path, **environ: str) -> Iterator[str]:
    """Run a server; give the URL on its first line."""
    server = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env={**os.environ, **environ})
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a program: base URL and key, and that is all."""
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with started(sys.executable, Path(__file__).parent / "scripted_upstream.py") as upstream:
        command = (sys.executable, "-m", "nbassist", "serve", "--upstream", upstream, "--store", store)
        with started(*command, NBASSIST_SERVE_TOKEN="test-token") as url:
            yield {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "test-token"}


def python_of(name: str, packages: list[str]) -> Path:
    """The interpreter of an environment with these packages, which is made once."""
    where = HOME / "programs" / "-".join(packages).replace("/", "_")
    mark = where / "installed"
    with alone(where):
        if not mark.exists():
            run(sys.executable, "-m", "venv", "--clear", where)
            run(where / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
            mark.touch()
    return where / "bin" / "python"


@contextmanager
def alone(where: Path) -> Iterator[None]:
    """Let no other process of the tests make the same environment meanwhile."""
    where.parent.mkdir(parents=True, exist_ok=True)
    with open(where.with_name(f"{where.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def last_line(command: list[str], environ: dict[str, str], folder: Path) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, cwd=folder, env={**kept, **environ}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line.strip()][-1]


@pytest.mark.parametrize("name", usual(PYTHON, "openai_python", "azure_python", "langchain_runnable"))
def test_a_program_in_python_runs_with_another_base_url_and_key(
    name: str, served: dict[str, str], tmp_path: Path
) -> None:
    expected, packages = PYTHON[name]
    command = [str(python_of(name, packages)), str(PROGRAMS / f"{name}.py")]
    assert last_line(command, served, tmp_path) == expected


@pytest.mark.parametrize("version", usual(PYTHON_SDKS, "1.21.0", "2.0.0"))
def test_each_version_of_the_python_sdk_runs_function_tools(
    version: str, served: dict[str, str], tmp_path: Path
) -> None:
    python = python_of("sdk_python", [f"openai=={version}", *PYTHON_SDKS[version]])
    assert last_line([str(python), str(PROGRAMS / "sdk_python.py")], served, tmp_path) == COUNTED


@pytest.mark.parametrize("name", ["openai_python", "azure_python", "sdk_python"])
def test_the_sdk_of_today_does_as_well(name: str, served: dict[str, str], tmp_path: Path) -> None:
    expected, _ = PYTHON.get(name, (COUNTED, []))
    command = [sys.executable, "-W", "ignore", str(PROGRAMS / f"{name}.py")]  # the SDK says that the API is deprecated
    assert last_line(command, served, tmp_path) == expected


def node_command(name: str, folder: str, *packages: str) -> list[str]:
    """How a program is run in a folder that has these packages, which is made once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        # What is tried is a program of npm's own; Debian's package of it is hundreds of others.
        pytest.skip("needs Node.js with npm")
    where = HOME / "programs" / folder
    with alone(where):
        if not (where / "installed").exists():
            run(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", where, *packages)
            (where / "installed").touch()
    program = where / f"{name.replace('/', '-')}.mjs"  # modules are looked for beside the program
    shutil.copyfile(PROGRAMS / f"{name}.mjs", program)
    return [node, str(program)]


@pytest.mark.parametrize("name", NODE)
def test_a_program_in_javascript_runs_with_another_base_url_and_key(
    name: str, served: dict[str, str], tmp_path: Path
) -> None:
    assert last_line(node_command(name, "node", *PACKAGES), served, tmp_path) == NODE[name]


@pytest.mark.parametrize("version", usual(NODE_SDKS, "4.40.0", "7.57.0"))
def test_each_version_of_the_node_sdk_runs_function_tools(version: str, served: dict[str, str], tmp_path: Path) -> None:
    command = node_command("sdk_node", f"node-{version}", f"openai@{version}")
    assert last_line([*command, version], served, tmp_path) == COUNTED
