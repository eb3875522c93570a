"""A sandbox where bubblewrap is not: Landlock for files, network and signals, with seccomp for what that leaves open.

There are no namespaces. The folder of a session stands below `/tmp` on this machine's disk and not in memory; names and
sizes of files outside can be asked for, their contents and all else can't.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import LocalUnavailableError
from . import seccomp
from .sandbox import BUBBLEWRAP, PROGRAMS, Sandbox
from .unsafe import PlainProcess, Unconfined
from .watchdog import SandboxUsage, usage_of_group

_CREATE, _VERSION = 444, 1
_LEAST = 6
"""The version of Landlock, Linux 6.12's, that holds signals and abstract sockets in."""
_READ = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives")
_FIGURES = ("/proc/stat", "/proc/cpuinfo", "/proc/meminfo")
"""Of the machine as a whole, for psutil; of its processes nothing can be read."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random")


def version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    found = ctypes.CDLL(None, use_errno=True).syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    return max(int(found), 0)


def sandbox_here(python: str, user: str = "") -> Sandbox:
    """Return how sandboxes are made on this machine: by bubblewrap, or where it is missing by Landlock."""
    if shutil.which(BUBBLEWRAP, path=PROGRAMS) is None and version() >= _LEAST:
        return Landlocked(python, user)
    return Sandbox(python, user)


@dataclass(frozen=True, slots=True)
class Landlocked(Unconfined):
    """How sandboxes are made by Landlock."""

    is_confined = True

    def wires(self, channels: Sequence[str]) -> dict[str, Any]:
        """Return how its kernel is reached: by sockets beside the folder that it runs in."""
        ports = {f"{channel}_port": number for number, channel in enumerate(channels, 1)}
        return {"transport": "ipc", "ip": "../kernel", **ports}

    def _inner(self, folder: Path, command: Sequence[str], identity: dict[str, Any]) -> list[str]:
        try:
            filter_ = seccomp.program(in_the_open=True)
        except ValueError as error:
            raise LocalUnavailableError(f"--code-interpreter is not here: {error}") from error
        limits, user = self.limits, identity.get("user", os.getuid())
        most = (
            (resource.RLIMIT_AS, limits.address_space),
            # It counts all of this user's, here and elsewhere.
            (resource.RLIMIT_NPROC, _threads_of(user) + limits.processes),
            (resource.RLIMIT_FSIZE, limits.data),
            *((resource.RLIMIT_NOFILE, 512), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_MEMLOCK, 0)),
        )
        read = [*_READ, *_FIGURES, *self._shown(), str(folder / "confine.py")]
        plan = {"read": read, "write": [str(folder), *_DEVICES], "filter": filter_.hex(), "limits": most}
        (folder / "confine.py").write_bytes(Path(__file__).with_name("confine.py").read_bytes())
        (folder / "confine.py").chmod(0o644)
        return [self.python, "-I", str(folder / "confine.py"), json.dumps(plan), self.python, *command]

    def _made(self, process: Any, folder: Path) -> PlainProcess:
        return _Group(process, folder)


class _Group(PlainProcess):
    """A group of processes, which none of them can leave."""

    def path(self, inner: str) -> str:
        """Return a path as its first process means it."""
        return os.path.normpath(os.path.join(self.data, inner))

    def sockets(self) -> int:
        """Return how many sockets of its kernel are there."""
        return len(list(Path(self.data).parent.glob("kernel-*")))

    def usage(self) -> SandboxUsage:
        """Return what all its processes take."""
        return usage_of_group(self.pid)


def _threads_of(user: int) -> int:
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                found += len(os.listdir(f"/proc/{name}/task"))
        except OSError:  # it ended meanwhile
            continue
    return found
