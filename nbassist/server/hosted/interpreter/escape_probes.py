"""Harmless ways out, tried in a sandbox when the server starts: where one gets through, there is no interpreter.

Each only opens, asks or looks: nothing is written, and nothing is left behind if it succeeds.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

from ....errors import LocalUnavailableError
from .sandbox import Sandbox

_CODE = r'''
import ctypes, json, os, socket, sys

outside, port, secret, server = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
through = []


def tries(name, attempt):
    """Note `name` where `attempt` is not refused; what it returns counts, too."""
    try:
        if attempt() is not False:
            through.append(name)
    except (OSError, ValueError, PermissionError):
        pass


def asks(name, *arguments):
    def attempt():
        if libc.syscall(*(ctypes.c_long(argument) for argument in arguments)) == -1:
            raise OSError(ctypes.get_errno(), name)
    tries(name, attempt)


def said(path):
    try:
        return open(path, errors="replace").read()
    except OSError:
        return ""


def capabilities():
    head, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(head, sets) or any(sets[:2]) or any(sets[3:5]):
        return True
    bounds = [line for line in said("/proc/self/status").splitlines() if line.startswith("CapBnd")]
    return any(int(line.split()[1], 16) for line in bounds)


def environments():
    found = [json.dumps(dict(os.environ))]
    try:
        numbers = [number for number in os.listdir("/proc") if number.isdigit()]
    except OSError:
        numbers = []
    found += [said(f"/proc/{number}/{name}") for number in numbers for name in ("environ", "cmdline")]
    # The secret stands among this process's own arguments; anywhere else it came from the server.
    return any(secret in text.replace(own, "") for text in found)


own = said("/proc/self/cmdline") or secret
libc = ctypes.CDLL(None, use_errno=True)
tries("read a file that is outside", lambda: os.open(outside, os.O_RDONLY))
tries("read the server's environment", environments)
tries("open a port of the machine's", lambda: socket.create_connection(("127.0.0.1", port), 2))
tries("reach another machine", lambda: socket.create_connection(("192.0.2.1", 9), 2))
tries("talk to the kernel by netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tries("write below /usr", lambda: os.access("/usr", os.W_OK))
tries("write to /", lambda: os.access("/", os.W_OK))
tries("open a setting of the kernel's for writing", lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
tries("see the processes of the machine", lambda: len([n for n in os.listdir("/proc") if n.isdigit()]) > 3)
tries("be root", lambda: os.geteuid() == 0 or os.getegid() == 0)
tries("have a capability", capabilities)
tries("get new privileges", lambda: libc.prctl(39, 0, 0, 0, 0) != 1)
tries("be without a filter of system calls", lambda: libc.prctl(21, 0, 0, 0, 0) != 2)
tries("change the times of a file that is outside", lambda: os.utime(outside, (1, 1)) or os.stat(outside).st_mtime == 1)
tries("signal the server", lambda: os.kill(server, 0))
tries("make a queue of messages", lambda: libc.msgget(ctypes.c_int(7), 0) != -1)
number = {"x86_64": {"unshare": 272, "mount": 165, "bpf": 321}, "aarch64": {"unshare": 97, "mount": 40, "bpf": 280}}
number = number[os.uname().machine]
asks("make a user namespace", number["unshare"], 0x10000000)
asks("mount", number["mount"], 0, 0, 0, 0, 0)
asks("load a program into the kernel", number["bpf"], 0, 0, 0)
print(json.dumps({"through": through}))
'''


def check(sandbox: Sandbox) -> None:
    """Try the ways out.

    Raises
    ------
    LocalUnavailableError
        Where one gets through, or no sandbox can be made.
    """
    secret = secrets.token_hex(8)
    # A file of ours that everybody may read, a port that listens, and a word in the environment to look for.
    with _marked(secret), tempfile.NamedTemporaryFile(prefix="nbassist-probe") as file, _listener() as port:
        os.chmod(file.name, 0o644)
        inside = sandbox.start(
            ["-I", "/run/probe.py", file.name, str(port), secret, str(os.getpid())], {"/run/probe.py": _CODE.encode()}
        )
        try:
            outside_user = _user_of(inside.pid)
            said = inside.output.read().decode(errors="replace").strip()
        finally:
            inside.end()
    try:
        through: list[Any] = json.loads(said.splitlines()[-1])["through"]
    except (ValueError, KeyError, IndexError):
        last = said.splitlines()[-1] if said else "it said nothing"
        raise LocalUnavailableError(f"the sandbox can't run {sandbox.python}: {last}") from None
    if outside_user == 0:
        through.append("be root outside")
    if through:
        raise LocalUnavailableError(f"--code-interpreter: the sandbox here does not hold, code could {through[0]}")


def check_kernel(sandbox: Sandbox) -> None:
    """Make sure that the interpreter inside can be a kernel.

    Raises
    ------
    LocalUnavailableError
        Where it has no ipykernel.
    """
    inside = sandbox.start(["-I", "-c", "import ipykernel; print('here')"])
    said = inside.output.read().decode(errors="replace").strip()
    inside.end()
    if not said.endswith("here"):
        raise LocalUnavailableError(
            f"the interpreter {sandbox.python} has no ipykernel: install it there, or name another by "
            "--interpreter-python"
        )


def _user_of(pid: int) -> int:
    """Return which user a process is out here; of one that is gone already, nobody."""
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}").st_uid
    return 65534


@contextlib.contextmanager
def _marked(secret: str) -> Iterator[None]:
    os.environ["NBASSIST_PROBE"] = secret
    try:
        yield
    finally:
        del os.environ["NBASSIST_PROBE"]


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        found.listen()
        yield int(found.getsockname()[1])
