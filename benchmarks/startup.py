"""What `%load_ext nbassist` costs beside others, each in fresh processes: python benchmarks/startup.py

Prints medians in milliseconds, measured inside IPython, and fails where ours is 100 ms or more. jupyter-ai's magics and
chatlab, which have dependencies of their own, are installed once into environments beside this one; without a network
their rows say so.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

LIMIT = 100  # milliseconds
HOME = Path(sys.prefix) / "beside"

CODE = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
{what}
print("took", (time.perf_counter() - began) * 1000)
"""
OURS = "%load_ext nbassist"
SIDES = {
    OURS: "shell.extension_manager.load_extension('nbassist')",
    "import openai": "import openai",
    "import chatlas": "import chatlas",
    "import chatlab": "import chatlab",
    "%load_ext jupyter_ai_magics": "shell.extension_manager.load_extension('jupyter_ai_magics')",
}
APART = {
    "import chatlab": ("chatlab>=2.1", "pydantic<2.11", "ipykernel"),
    "%load_ext jupyter_ai_magics": ("jupyter-ai-magics>=2.31,<3", "langchain-openai<1", "ipykernel"),
}
"""What is installed beside, and with what: chatlab registers no function with a later pydantic."""


def milliseconds(python: str, what: str) -> float:
    """Return how long one thing took in a new process."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([python, "-c", CODE.format(what=what)], capture_output=True, text=True, check=True, env=kept)
    return float(done.stdout.rpartition("took ")[2])


def beside(packages: tuple[str, ...]) -> str:
    """Return the interpreter of an environment that has the packages; empty where they can't be installed."""
    home = HOME / packages[0].partition(">")[0]
    python = home / "bin" / "python"
    if (home / "ready").exists():
        return str(python)
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
    for command in ([sys.executable, "-m", "venv", "--clear", str(home)], install):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return ""
    (home / "ready").touch()
    return str(python)


def interpreters() -> dict[str, str]:
    """Return the interpreter for each side; empty where it is not installed."""
    found = dict.fromkeys(SIDES, sys.executable)
    found["import chatlas"] = sys.executable if find_spec("chatlas") else ""
    return found | {side: beside(packages) for side, packages in APART.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 processes a side in place of 15")
    rounds = 3 if parser.parse_args().quick else 15
    pythons = interpreters()
    times: dict[str, list[float]] = {side: [] for side in SIDES if pythons[side]}
    for side in times:
        milliseconds(pythons[side], SIDES[side])  # Python keeps what it compiles
    for _ in range(rounds):  # alternately, so that all sides meet the same noise
        for side in times:
            times[side].append(milliseconds(pythons[side], SIDES[side]))
    for side in SIDES:
        figure = f"{statistics.median(times[side]):8.1f} ms (median of {rounds})" if side in times else "not installed"
        print(f"{side:<30} {figure}")
    return 1 if statistics.median(times[OURS]) >= LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
