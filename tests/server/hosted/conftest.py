"""A sandbox for the tests; where they run as root, it is another user's, with Debian's interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from nbassist.server.hosted.interpreter import landlock
from nbassist.server.hosted.interpreter.sandbox import Sandbox, SandboxLimits

LIMITS = SandboxLimits(seconds=5, memory=400 * 1024**2, data=32 * 1024**2, idle_seconds=600)


@pytest.fixture(scope="session", params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox of each kind, with short limits."""
    if request.param == "bubblewrap":
        found: Sandbox = request.getfixturevalue("bubblewrap")
        return found
    if landlock.version() < 6:
        # The kernel is the machine's own: no test can bring another.
        pytest.skip("this kernel has no Landlock, or one that holds no signals in (Linux 6.12 has)")
    return landlock.Landlocked(_python(), limits=LIMITS)


@pytest.fixture(scope="session")
def bubblewrap() -> Sandbox:
    """A sandbox by bubblewrap, with short limits."""
    if shutil.which("bwrap") is None:
        # Linux's own, and installed as root: `make unit` asks for nothing but Python.
        pytest.skip("bubblewrap is not installed: `make unit` goes without, `make test` installs it")
    return Sandbox(_python(), limits=LIMITS)


def _python() -> str:
    # Root's own interpreter may stand where nobody else may look.
    python = "/usr/bin/python3" if os.geteuid() == 0 else sys.executable
    asked = [python, "-I", "-c", "import ipykernel"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        # As root this is Debian's Python, and its ipykernel a package of Debian's, too.
        pytest.skip(f"{python} has no ipykernel: `make test` installs it")
    return python
