"""Test servers that others wrote: each in an environment of its own beside ours, installed once, run on loopback.

Not in our environment: they bring other loops and parsers for uvicorn, which our own server's tests would then use.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant

HOME = Path(sys.prefix) / "referees"
PYTHON = ("llmock==0.2.2", "stubllm==0.1.5")
NODE = "@copilotkit/aimock@1.43.0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.referee)


def run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}", pytrace=False)


@pytest.fixture(scope="session")
def python_referees() -> Path:
    """The folder of the commands of the referees written in Python."""
    where, mark = HOME / "python", HOME / "python" / " ".join(PYTHON)
    if not mark.exists():
        run(sys.executable, "-m", "venv", "--clear", where)
        run(where / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *PYTHON)
        mark.touch()
    return where / "bin"


@pytest.fixture(scope="session")
def aimock_command() -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout if node else ""
    if not npm or tuple(map(int, re.findall(r"\d+", version)[:2])) < (20, 15):
        # Debian's Node.js is older, and hundreds of packages: too much to install for one referee of three.
        pytest.skip("aimock needs Node.js 20.15 or later, with npm")
    script = HOME / "node" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if not script.exists():
        run(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", HOME / "node", NODE)
    return [node, str(script)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, log: Path) -> Iterator[str]:
    """Run a referee until it listens; yield its base URL."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"}
        )
        try:
            for _ in range(600):
                if process.poll() is not None:
                    pytest.fail(f"{command[0]} ended:\n{log.read_text()}", pytrace=False)
                with socket.socket() as probe:
                    probe.settimeout(1)
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
            else:
                pytest.fail(f"{command[0]} does not listen:\n{log.read_text()}", pytrace=False)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


class Llmock:
    """llmock, and its verdict on the client."""

    def __init__(self, url: str) -> None:
        self.url = url

    def plan(self, *behaviors: Any) -> None:
        self._ask("POST", "/_llmock/scenario", {"behaviors": list(behaviors)})

    def reset(self) -> None:
        self._ask("POST", "/_llmock/reset", {})

    def verdict(self) -> Any:
        return self._ask("GET", "/_llmock/verdict")

    def requests(self) -> list[Any]:
        return list(self._ask("GET", "/_llmock/requests")["requests"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, method=method)) as answer:
            return json.loads(answer.read())


@pytest.fixture(scope="module")
def llmock_server(python_referees: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [str(python_referees / "llmock"), "serve", "--port", str(port), "--log-level", "warning"]
    with serving(command, port, tmp_path_factory.mktemp("llmock") / "log") as url:
        yield url


@pytest.fixture
def llmock(llmock_server: str) -> Llmock:
    made = Llmock(llmock_server)
    made.reset()
    return made


@pytest.fixture
def stubllm(python_referees: Path, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return what starts stubllm with a file of fixtures, YAML, and gives its URL."""
    running: list[Any] = []

    def start(source: str) -> str:
        (tmp_path / "f.yaml").write_text(source, encoding="utf-8")
        port = free_port()
        command = [python_referees / "stubllm", "serve", "--port", port, "--fixture-file", tmp_path / "f.yaml"]
        server = serving(list(map(str, command)), port, tmp_path / "log")
        running.append(server)
        return server.__enter__()

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def aimock(aimock_command: list[str], tmp_path: Path) -> Iterator[Callable[[Any], str]]:
    """Return what starts aimock with fixtures and gives its URL."""
    running: list[Any] = []

    def start(fixtures: list[Any]) -> str:
        (tmp_path / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}), encoding="utf-8")
        port = free_port()
        command = [*aimock_command, "-p", str(port), "-f", str(tmp_path / "fixtures.json"), "-c", "7"]
        server = serving(command, port, tmp_path / "log")
        running.append(server)
        return server.__enter__()

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def make() -> Callable[..., Assistant]:
    def make(backend: str, url: str, *tools: Any, **named: Any) -> Assistant:
        return Assistant(
            **{
                "backend": backend,
                "base_url": f"{url}/v1",
                "api_key": "sk-test",
                "model": "gpt-4o",
                "tools": tools,
                **named,
            }
        )

    return make
