"""`--code-interpreter=unsafe`: the model's code in a plain process, which nothing holds.

It has the rights of whoever runs it: all that this user can read, write and reach, it can. What is left of the sandbox
is an environment without the server's keys, a folder of its own, and the limit of a call's time. For machines that have
no sandbox, and people who say so each time they start the server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import LocalUnavailableError
from .sandbox import Inside, Sandbox
from .watchdog import SandboxUsage

WARNING = (
    "warning: --code-interpreter=unsafe runs the model's code without a sandbox: it can read, change and send whatever "
    "the user can who runs it"
)
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COMSPEC", "PATHEXT")
"""Variables that a program needs to run at all; Windows starts no socket without SYSTEMROOT."""


@dataclass(frozen=True, slots=True)
class Unconfined(Sandbox):
    """How code is run where nothing holds it; where the server is root, as the sandbox's user all the same."""

    is_confined = False

    def start(self, command: Sequence[str], files: Mapping[str, bytes] | None = None) -> Inside:
        """Start a command of the interpreter; files are put into its folder, and their paths replaced in the command.

        Raises
        ------
        LocalUnavailableError
            Where it can't be started.
        """
        folder = Path(tempfile.mkdtemp(prefix="nbassist-code-"))
        data = folder / "data"
        data.mkdir()
        places = {path: str(folder / Path(path).name) for path in files or {}}
        for path, content in (files or {}).items():
            Path(places[path]).write_bytes(content)
        identity = self._identity()
        inner = [places.get(argument, argument) for argument in command]
        try:
            inner = self._inner(folder, inner, identity)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for place in (folder, data, *map(Path, places.values())) if identity else ():
            os.chown(place, identity["user"], identity["group"])
        try:
            process = subprocess.Popen(
                inner,
                env=self._variables(folder),
                cwd=data,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
                **identity,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise LocalUnavailableError(f"the interpreter {self.python} can't be started: {error}") from error
        return self._made(process, folder)

    def _inner(self, folder: Path, command: Sequence[str], identity: dict[str, Any]) -> list[str]:
        """Return the whole command."""
        return [self.python, *command]

    def _made(self, process: subprocess.Popen[bytes], folder: Path) -> PlainProcess:
        return PlainProcess(process, folder)

    def wires(self, channels: Sequence[str]) -> dict[str, Any]:
        """Return how its kernel is reached: by the loopback, since Windows has no sockets of files."""
        with contextlib.ExitStack() as held:
            ports = {}
            # All bound at once, or two channels might be given one port.
            for channel in channels:
                taken = held.enter_context(socket.socket())
                taken.bind(("127.0.0.1", 0))
                ports[f"{channel}_port"] = taken.getsockname()[1]
        return {"transport": "tcp", "ip": "127.0.0.1", **ports}

    def _variables(self, folder: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {name: str(folder) for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")}
        for name, inner in (("IPYTHONDIR", "ipython"), ("MPLCONFIGDIR", "matplotlib")):
            own[name] = str(folder / inner)
        return {**kept, **own, "JUPYTER_PLATFORM_DIRS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


class PlainProcess(Inside):
    """A process that nothing holds, with its folder, which goes with it."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        super().__init__(process, process.pid)
        self._folder = folder

    @property
    def data(self) -> str:
        """The folder that stands for `/mnt/data`."""
        return (self._folder / "data").as_posix()

    def path(self, inner: str) -> str:
        """Return the path itself."""
        return inner

    def sockets(self) -> int:
        """Return how many sockets of its kernel are there; ports are waited for by who asks them."""
        return sys.maxsize

    def usage(self) -> SandboxUsage:
        """Return nothing: what it takes is not counted."""
        return SandboxUsage()

    def end(self) -> None:
        """End it, and what it started in its own session; remove its folder."""
        if os.name != "nt":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        super().end()
        shutil.rmtree(self._folder, ignore_errors=True)
