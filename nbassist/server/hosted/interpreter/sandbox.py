"""A process that can reach nothing of this machine but what it is given: bubblewrap, a filter of system calls, limits.

What holds it, from the outside in: it runs as a user who is not root, with an empty environment around it; in
namespaces of its own for users, processes, network, mounts, IPC and host name, and it can make no further ones;
without any capability, and with no way to new privileges; with the system's programs, read-only, and otherwise
nothing but folders in memory, of limited size; behind `seccomp`; within limits of memory, processes, file size
and open files; and under a watchdog (see `kernel`), for what the system's limits don't count: all its memory
together, and its time.

The kernel of the operating system is shared: a hole in it is a way out. This is no wall between tenants who are
hostile.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

from ....errors import LocalUnavailableError
from . import seccomp
from .watchdog import SandboxUsage, usage_of

DATA = "/mnt/data"
BUBBLEWRAP, PROGRAMS = "bwrap", "/usr/bin:/usr/local/bin:/bin"
SOCKETS = "/run/k"
_BOOTSTRAP = "/run/bootstrap.py"
_MIB = 1024 * 1024
_START_SECONDS = 20.0
_USER_INSIDE = 1000
_SYSTEM = ("/usr",)
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives")
_PRIVATE = ("/", "/home", "/root", "/etc", "/var", "/tmp", "/run", "/mnt", "/srv", "/opt", "/usr/local")
"""Folders that are never shown whole, whatever Python is installed in them."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one sandbox may take.

    Parameters
    ----------
    memory : int
        Bytes of all its processes together.
    address_space : int
        Bytes of one process; Python's libraries ask for far more than they use.
    data, temporary : int
        Bytes of `/mnt/data`, and of `/tmp`; both are kept in memory.
    processes : int
        Processes and threads.
    seconds : float
        How long one call may take; it is interrupted then, and ended 5 s later.
    cpu_seconds : float
        Seconds of the processor that one call may take.
    output : int
        Bytes of what one call prints.
    idle_seconds : float
        After how long without a call it ends.
    kernels : int
        How many of them a server has at a time.
    """

    memory: int = 1024 * _MIB
    address_space: int = 4096 * _MIB
    data: int = 256 * _MIB
    temporary: int = 64 * _MIB
    processes: int = 128
    seconds: float = 60.0
    cpu_seconds: float = 120.0
    output: int = 256 * 1024
    idle_seconds: float = 900.0
    kernels: int = 8


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How sandboxes are made here.

    Parameters
    ----------
    python : str
        The interpreter inside; it needs ipykernel, and the user who runs it has to be able to read it.
    user : str
        Who runs it where the server is root; empty for nobody.
    limits : SandboxLimits
        See there.
    """

    python: str = field(default_factory=lambda: sys.executable)
    user: str = ""
    limits: SandboxLimits = SandboxLimits()

    is_confined: ClassVar[bool] = True

    def start(self, command: Sequence[str], files: Mapping[str, bytes] | None = None) -> Inside:
        """Start a command of the interpreter in a new sandbox; `files` are put into it, by their paths inside.

        Raises
        ------
        LocalUnavailableError
            Where it can't be made; its words say what to do.
        """
        held = contextlib.ExitStack()
        with held:
            descriptors: list[int] = []
            arguments = self._arguments(dict(files or {}), held, descriptors)
            read, write = os.pipe()
            held.callback(os.close, read)
            arguments += ["--info-fd", str(write)]
            limits = self.limits
            numbers = (limits.address_space, limits.processes, limits.data)
            inner = [self.python, "-I", _BOOTSTRAP, *map(str, numbers), self.python, *command]
            try:
                process = subprocess.Popen(
                    [*arguments, "--", *inner],
                    env={},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(*descriptors, write),
                    **self._identity(),
                )
            except OSError as error:
                raise LocalUnavailableError(f"the sandbox can't be started: {error}") from error
            finally:
                os.close(write)
            pid = _child_pid(read, process)
        return Inside(process, pid)

    def wires(self, channels: Sequence[str]) -> dict[str, Any]:
        """Return how a kernel inside is reached, as its connection file says it: by sockets in the sandbox's memory."""
        ports = {f"{channel}_port": number for number, channel in enumerate(channels, 1)}
        return {"transport": "ipc", "ip": f"{SOCKETS}/kernel", **ports}

    def _identity(self) -> dict[str, Any]:
        """Return how the process is started as somebody who is not root."""
        if os.geteuid() != 0:
            return {}
        entry = _entry(self.user or "nobody")
        if entry.pw_uid == 0:
            raise LocalUnavailableError(
                "the interpreter is not run as root: --interpreter-user NAME names another user"
            )
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _arguments(self, files: dict[str, bytes], held: contextlib.ExitStack, descriptors: list[int]) -> list[str]:
        program = shutil.which(BUBBLEWRAP, path=PROGRAMS)
        if program is None:
            what = (
                "Linux with bubblewrap"
                if sys.platform != "linux"
                else "bubblewrap: apt install bubblewrap (or Linux 6.12, for its Landlock)"
            )
            raise LocalUnavailableError(
                f"--code-interpreter needs what holds the code in, {what}; without any, where you trust the model's "
                "code with all that you can do: --code-interpreter=unsafe"
            )
        try:
            filter_ = seccomp.program()
        except ValueError as error:
            raise LocalUnavailableError(f"--code-interpreter is not here: {error}") from error
        limits, user = self.limits, str(_USER_INSIDE)
        found = [program, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
        found += ["--cap-drop", "ALL", "--uid", user, "--gid", user, "--hostname", "sandbox"]
        found += [part for path in self._shown() for part in ("--ro-bind-try", path, path)]
        found += self._links()
        found += ["--proc", "/proc", "--dev", "/dev"]
        for path, size in ((DATA, limits.data), ("/tmp", limits.temporary), (SOCKETS, _MIB)):
            found += ["--size", str(size), "--tmpfs", path]
        files[_BOOTSTRAP] = Path(__file__).with_name("bootstrap.py").read_bytes()
        files["/etc/passwd"] = f"user:x:{user}:{user}:user:{DATA}:/bin/sh\n".encode()
        for path, content in files.items():
            descriptor = _holding(content, held)
            descriptors.append(descriptor)
            found += ["--file", str(descriptor), path]
        descriptor = _holding(filter_, held)
        descriptors.append(descriptor)
        # Last, so that what was mounted over is read-only, too.
        found += ["--remount-ro", "/", "--seccomp", str(descriptor), "--chdir", DATA]
        for name, value in self.environment.items():
            found += ["--setenv", name, value]
        return found

    @property
    def environment(self) -> dict[str, str]:
        """All variables that there are inside."""
        return {
            "PATH": f"{Path(self.python).parent}:/usr/bin:/bin",
            "HOME": DATA,
            "USER": "user",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "IPYTHONDIR": "/tmp/ipython",
            "MPLCONFIGDIR": "/tmp/matplotlib",
            "JUPYTER_PLATFORM_DIRS": "1",
            "OPENBLAS_NUM_THREADS": "2",
            "OMP_NUM_THREADS": "2",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def _shown(self) -> list[str]:
        """Return what is shown read-only: the system's programs, and the interpreter's own folders."""
        found = [*_SYSTEM, *_ETC]
        # Where the interpreter is a virtual environment, its base stands elsewhere.
        asked = [self.python, "-I", "-c", "import sys; print(sys.prefix); print(sys.base_prefix)"]
        try:
            said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30, env={}, cwd="/").stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise LocalUnavailableError(f"the interpreter {self.python} does not run: {error}") from error
        for prefix in dict.fromkeys(said.split("\n")[:2]):
            if prefix in _PRIVATE and prefix != "/usr/local":
                raise LocalUnavailableError(f"the interpreter's folder {prefix} can't be shown in a sandbox whole")
            if not any(prefix == path or prefix.startswith(f"{path}/") for path in found):
                found.append(prefix)
        return found

    def _links(self) -> list[str]:
        found: list[str] = []
        for name in _LINKS:
            path = Path("/", name)
            if path.is_symlink():
                found += ["--symlink", os.readlink(path), f"/{name}"]
            elif path.is_dir():
                found += ["--ro-bind", f"/{name}", f"/{name}"]
        return found


class Inside:
    """A sandbox that runs; `pid` is the number, out here, of the first process in it."""

    def __init__(self, process: subprocess.Popen[bytes], pid: int) -> None:
        self.process = process
        self.pid = pid

    @property
    def output(self) -> IO[bytes]:
        """What it writes to standard output and standard error."""
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def data(self) -> str:
        """The folder of the thread's files, by its path inside."""
        return DATA

    def sockets(self) -> int:
        """Return how many sockets of its kernel are there."""
        with contextlib.suppress(OSError):
            return len(os.listdir(self.path(SOCKETS)))
        return 0

    def usage(self) -> SandboxUsage:
        """Return what all its processes take."""
        return usage_of(self.pid)

    def path(self, inner: str) -> str:
        """Return how a path inside is reached from here; of what stands there nothing may be trusted."""
        return f"/proc/{self.pid}/root{inner}"

    def end(self) -> None:
        """End it with all that runs in it."""
        if self.pid != self.process.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        if self.process.stdout is not None:
            self.process.stdout.close()


def _entry(user: str) -> Any:
    import pwd  # which Windows has not

    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise LocalUnavailableError(
            f"there is no user {user!r} on this machine: --interpreter-user names one"
        ) from None


def _holding(content: bytes, held: contextlib.ExitStack) -> int:
    file = held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115, closed with the others
    file.write(content)
    file.seek(0)
    return file.fileno()


def _child_pid(read: int, process: subprocess.Popen[bytes]) -> int:
    """Return the number of the first process inside, as bubblewrap tells it."""
    said, deadline = b"", time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        piece = os.read(read, 4096)
        said += piece
        with contextlib.suppress(ValueError, KeyError):
            return int(json.loads(said)["child-pid"])
        if not piece:
            break
    process.kill()
    assert process.stdout is not None
    why = process.stdout.read(2000).decode(errors="replace").strip() or "it did not say why"
    process.stdout.close()
    process.wait()
    raise LocalUnavailableError(
        f"bubblewrap can't make a sandbox here: {why.splitlines()[-1]}. It needs user namespaces "
        "(kernel.unprivileged_userns_clone, user.max_user_namespaces, or AppArmor's rule for bwrap)"
    )
