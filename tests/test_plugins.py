"""What another package adds through entry points: a tiny one is built, installed beside, and used."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shouting"
version = "1.0"

[project.entry-points."nbassist.backends"]
echo = "shouting:connect"

[project.entry-points."nbassist.displays"]
loud = "shouting:make_view"

[project.entry-points."nbassist.commands"]
shout = "shouting:shout"

[tool.hatch.build.targets.wheel]
only-include = ["shouting.py"]
"""
MODULE = '''
from nbassist.core.events import RunEnded, TextDelta, TurnEnded, TurnStarted


class Echo:
    name = "echo"

    def __init__(self, base_url, api_key):
        self.where = base_url

    def stream(self, request):
        yield TurnStarted(model="parrot")
        yield TextDelta(f"{request.messages[-1].text} from {self.where}")
        yield TurnEnded("stop")

    async def astream(self, request):
        for event in self.stream(request):
            yield event

    def cancel(self, cursor, *, forget=False):
        return None

    def models(self):
        return ["parrot"]

    def window(self, model):
        return 0

    def open(self, held):
        return [], {}


def connect(base_url, api_key):
    return Echo(base_url, api_key)


class Loud:
    def __init__(self):
        self.text = ""

    def apply(self, event):
        if isinstance(event, TextDelta):
            self.text += event.text
        if isinstance(event, RunEnded):
            print(self.text.upper())

    def ask(self, asked):
        return None

    def close(self):
        pass


def make_view(shell):
    return Loud()


def shout(magics, words):
    """Say the words in capitals."""
    print(" ".join(words).upper())
'''


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the tiny package, this checkout, and what is installed here."""
    folder = tmp_path_factory.mktemp("shouting")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "shouting.py").write_text(MODULE)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    python = folder / "env" / "bin" / "python"
    where = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(where) / "beside.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    quiet = ["-q", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([str(python), "-m", "pip", "install", *quiet, str(folder)], check=True)
    return python


def run(python: Path, code: str, **environ: str) -> str:
    done = subprocess.run(
        [str(python), "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_backend_of_another_package_answers(beside: Path) -> None:
    code = (
        "from nbassist import Assistant\n"
        "print(Assistant(backend='echo', base_url='http://127.0.0.1:1/v1', tools=()).ask('hello').text)"
    )
    assert run(beside, code) == "hello from http://127.0.0.1:1/v1\n"


def test_a_display_and_a_command_of_another_package_work_in_ipython(beside: Path) -> None:
    code = (
        "from IPython.testing.globalipapp import start_ipython\n"
        "shell = start_ipython()\n"
        "shell.run_line_magic('load_ext', 'nbassist')\n"
        "shell.run_line_magic('assistant', 'shout good morning')\n"
        "shell.run_cell_magic('assistant', '--no-tools', 'hello')\n"
    )
    said = run(
        beside, code, NBASSIST_DISPLAY="loud", NBASSIST_BACKEND="echo", NBASSIST_BASE_URL="http://127.0.0.1:1/v1"
    )
    assert "GOOD MORNING" in said
    assert "HELLO FROM HTTP://127.0.0.1:1/V1" in said


def test_what_no_package_adds_is_named_with_what_there_is(beside: Path) -> None:
    code = (
        "from nbassist import Assistant\nfrom nbassist.errors import SettingsError\n"
        "try: Assistant(backend='ecco', base_url='http://127.0.0.1:1/v1')\n"
        "except SettingsError as error: print(error)"
    )
    assert run(beside, code) == "there is no backend 'ecco'; known are assistants, responses, chat, echo\n"
