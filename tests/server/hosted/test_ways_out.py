"""Ways out of the sandbox, each tried and each harmless if it succeeds: it opens, asks or looks, and writes nothing
outside a folder of the test's own. Where the tests run as root, the sandbox is another user's.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from nbassist.errors import LocalUnavailableError
from nbassist.server.hosted.interpreter import escape_probes, seccomp
from nbassist.server.hosted.interpreter import sandbox as module
from nbassist.server.hosted.interpreter.landlock import Landlocked
from nbassist.server.hosted.interpreter.sandbox import Sandbox, SandboxLimits

SECRET = "nbassist-secret-for-the-test"
# Each is an expression, or statements that set `got`: what is true in the end got out. An error is a refusal.
WAYS = {
    "descriptors left open": "got = [n for n in range(3, 400) if os.path.exists(f'/proc/self/fd/{n}')]",
    "read a file outside": "got = open(OUTSIDE).read()",
    "read a file outside by its parent": "got = open('/mnt/data/../..' + OUTSIDE).read()",
    "read a file outside through /proc/1/root": "got = open('/proc/1/root' + OUTSIDE).read()",
    "read a file outside through /proc/self/cwd": "got = open('/proc/self/cwd/../..' + OUTSIDE).read()",
    "read a file outside by a link": "os.symlink(OUTSIDE, '/tmp/l'); got = open('/tmp/l').read()",
    "link a file from outside": "os.link(OUTSIDE, '/tmp/hard'); got = True",
    "list the folder outside": "got = os.listdir(os.path.dirname(OUTSIDE))",
    "write a file outside": "open(os.path.join(FOLDER, 'written'), 'w').write('x'); got = os.path.exists(OUTSIDE)",
    "read the passwords": "got = 'root' in open('/etc/shadow').read()",
    "see the users of the machine": "got = 'root:' in open('/etc/passwd').read()",
    "see the homes": "got = os.listdir('/home')",
    "see root's home": "got = os.listdir('/root')",
    "see logs": "got = os.listdir('/var/log')",
    "see the machine's /run": "got = set(os.listdir('/run')) - {'k', 'way.py', 'ways.json', 'bootstrap.py'}",
    "see the machine's /tmp": "got = [n for n in os.listdir('/tmp') if not n.startswith(('l', 'hard', 'ipython'))]",
    "see devices": "got = [n for n in os.listdir('/dev') if n.startswith(('sd', 'vd', 'nvme', 'mem', 'kmsg', 'kvm'))]",
    "open the memory": "os.open('/dev/mem', os.O_RDONLY); got = True",
    "open the kernel's messages": "os.open('/dev/kmsg', os.O_RDONLY); got = True",
    "make a device": "os.mknod('/tmp/dev', 0o600 | 0o060000, os.makedev(8, 0)); got = True",
    "docker's socket": "s = socket.socket(socket.AF_UNIX); s.connect('/var/run/docker.sock'); got = True",
    "the bus of the system": "s = socket.socket(socket.AF_UNIX); s.connect('/run/dbus/system_bus_socket'); got = True",
    "an abstract socket outside": "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + ABSTRACT); got = True",
    "the server's secret in the environment": "got = SECRET in str(os.environ)",
    "the secret in /proc/1/environ": "got = SECRET in open('/proc/1/environ').read()",
    "the secret in any environment": (
        "got = any(SECRET in open(f'/proc/{n}/environ').read() for n in os.listdir('/proc') if n.isdigit())"
    ),
    "the secret in any command line": (
        "got = any(SECRET in open(f'/proc/{n}/cmdline').read() for n in os.listdir('/proc') if n.isdigit())"
    ),
    "the server's process": f"os.kill({os.getpid()}, 0); got = 'pytest' in open('/proc/{os.getpid()}/cmdline').read()",
    "processes of the machine": "got = len([n for n in os.listdir('/proc') if n.isdigit()]) > 4",
    "the machine's name": "got = socket.gethostname() == HOST",
    "a port of the machine": "socket.create_connection(('127.0.0.1', PORT), 1); got = True",
    "a port by another address": "socket.create_connection(('0.0.0.0', PORT), 1); got = True",
    "a port by IPv6": "socket.create_connection(('::1', PORT), 1); got = True",
    "the gateway": "socket.create_connection(('10.0.0.1', 80), 1); got = True",
    "the cloud's metadata": "socket.create_connection(('169.254.169.254', 80), 1); got = True",
    "a name server": (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.sendto(b'x', ('192.0.2.1', 53)); "
        "got = True"
    ),
    "a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); got = True",
    "a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW); got = True",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); got = True",
    "a socket of the virtual machine": "socket.socket(40, socket.SOCK_STREAM); got = True",
    "a socket of the kernel's ciphers": "socket.socket(38, socket.SOCK_SEQPACKET); got = True",
    "network interfaces": "got = [n for n in open('/proc/net/dev').read().split('\\n')[2:] if n and ' lo:' not in n]",
    "become root": "os.setuid(0); got = os.getuid() == 0",
    "be root by a program with the bit": "got = subprocess.run(['/usr/bin/su', '-c', 'id -u'], timeout=5, "
    "stdin=subprocess.DEVNULL, capture_output=True).stdout.strip() == b'0'",
    "change the group": "os.setgroups([0]); got = True",
    "have capabilities": "got = int(status('CapEff'), 16) | int(status('CapPrm'), 16) | int(status('CapBnd'), 16)",
    "have new privileges": "got = status('NoNewPrivs') != '1'",
    "be without a filter": "got = status('Seccomp') != '2'",
    "loosen the filter": "got = libc.prctl(22, 0, 0, 0, 0) == 0",
    "a new user namespace": "got = libc.unshare(0x10000000) == 0",
    "a new mount namespace": "got = libc.unshare(0x00020000) == 0",
    "a namespace by clone": "got = libc.syscall(56 if X86 else 220, 0x10000000 | 17, 0, 0, 0, 0) > 0",
    "a namespace by clone3": "got = libc.syscall(435, ctypes.create_string_buffer(88), 88) > 0",
    "enter a namespace": "got = libc.setns(os.open('/proc/1/ns/mnt', os.O_RDONLY), 0) == 0",
    "a mount": "got = libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "unmount": "got = libc.umount2(b'/usr', 2) == 0",
    "the new way to mount": "got = libc.syscall(430, b'tmpfs', 0) >= 0",
    "change the root": "os.chroot('/tmp'); got = True",
    "make the root writable": "got = libc.mount(None, b'/', None, 32 | 4096, None) == 0",
    "trace a process": "got = libc.ptrace(16, 1, 0, 0) == 0",
    "read another's memory": "open('/proc/1/mem', 'rb').read(1); got = True",
    "a program in the kernel": "got = libc.syscall(321 if X86 else 280, 0, 0, 0) >= 0",
    "an io_uring": "got = libc.syscall(425, 1, ctypes.create_string_buffer(120)) >= 0",
    "performance counters": (
        "got = libc.syscall(298 if X86 else 241, ctypes.create_string_buffer(112), 0, -1, -1, 0) >= 0"
    ),
    "userfaultfd": "got = libc.syscall(323 if X86 else 282, 0) >= 0",
    "the kernel's keys": "got = libc.syscall(250 if X86 else 219, 0, -3, 0, 0, 0) >= 0",
    "a file by its handle": "got = libc.open_by_handle_at(-100, ctypes.create_string_buffer(136), 0) >= 0",
    "load a module": "got = libc.syscall(313 if X86 else 273, -1, b'', 0) == 0",
    "write a kernel setting": "os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY); got = True",
    "write another kernel setting": "os.open('/proc/sys/vm/overcommit_memory', os.O_WRONLY); got = True",
    "the magic key": "os.open('/proc/sysrq-trigger', os.O_WRONLY); got = True",
    "a setting of a device": "got = os.listdir('/sys')",
    "its own limits of memory": "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); got = True",
    "its own score for the killer": "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000'); got = True",
    "its own map of users": "os.write(os.open('/proc/self/uid_map', os.O_WRONLY), b'0 0 1'); got = True",
    "write below /usr": "os.open('/usr/nbassist', os.O_WRONLY | os.O_CREAT); got = True",
    "write into /": "os.open('/nbassist', os.O_WRONLY | os.O_CREAT); got = True",
    "write into /etc": "os.open('/etc/nbassist', os.O_WRONLY | os.O_CREAT); got = True",
    "change the system's mode": (
        # To the mode that it has: were it let through, the time of the change alone would tell.
        "was = os.stat('/usr'); os.chmod('/usr', was.st_mode & 0o7777); got = os.stat('/usr').st_ctime != was.st_ctime"
    ),
    "type into the terminal": "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSTI, b'x'); got = True",
    "the host's clock": "got = libc.syscall(227 if X86 else 112, 0, ctypes.create_string_buffer(16)) == 0",
    "the host's name": "got = libc.sethostname(b'sandbox', 7) == 0",
    "more than its folder holds": "open('/mnt/data/big', 'wb').write(bytes(40 * 1024**2)); got = True",
    "more than /tmp holds": "open('/tmp/big', 'wb').write(bytes(20 * 1024**2)); got = True",
    "more processes than it may": (
        "pids = []\n"
        "for _ in range(100):\n"
        "    pid = os.fork()\n"
        "    if pid == 0: time.sleep(5); os._exit(0)\n"
        "    pids.append(pid)\n"
        "got = True"
    ),
    "more memory than one process may": "got = len(bytes(900 * 1024**2))",
    "more open files than it may": "held = [os.open('/dev/null', 0) for _ in range(600)]; got = True",
}
HEAD = """
import ctypes, json, os, platform, socket, subprocess, sys, time
OUTSIDE, FOLDER, PORT, ABSTRACT, HOST = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
SECRET = sys.argv[6][::-1]
X86 = platform.machine() == 'x86_64'
libc = ctypes.CDLL(None, use_errno=True)
def status(name):
    return next(l.split(':\\t')[1] for l in open('/proc/self/status').read().splitlines() if l.startswith(name + ':'))
with open(sys.argv[7]) as file:
    ways = json.load(file)
for name, code in ways.items():
    space = {'got': False, **globals()}
    try:
        exec(code, space)
        print(json.dumps([name, bool(space['got'])]), flush=True)
    except BaseException as error:
        print(json.dumps([name, False]), flush=True)
print(json.dumps(['done', True]), flush=True)
"""


@pytest.fixture(scope="module")
def got_out(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """What came of each way, all tried in one sandbox; a way that ended it is missing."""
    folder = tmp_path_factory.mktemp("outside")
    folder.chmod(0o777)
    for above in (folder.parent, folder.parent.parent):
        above.chmod(0o755)
    outside = folder / "secret.txt"
    outside.write_text("out")
    outside.chmod(0o644)
    tight = SandboxLimits(
        address_space=800 * 1024**2, data=32 * 1024**2, temporary=16 * 1024**2, processes=64, seconds=60
    )
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as abstract, pytest.MonkeyPatch.context() as patch:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        abstract.bind(f"\0nbassist-{os.getpid()}")
        abstract.listen()
        patch.setenv("NBASSIST_TEST_SECRET", SECRET)
        port, name = str(listener.getsockname()[1]), f"nbassist-{os.getpid()}"
        arguments = ["-I", "/run/way.py", str(outside), str(folder), port, name, socket.gethostname(), SECRET[::-1]]
        arguments.append("/run/ways.json")
        files = {"/run/way.py": HEAD.encode(), "/run/ways.json": json.dumps(WAYS).encode()}
        inside = type(sandbox)(sandbox.python, sandbox.user, tight).start(arguments, files)
        said = inside.output.read().decode()
        inside.end()
    assert [path.name for path in folder.iterdir()] == ["secret.txt"]
    found: dict[str, bool] = {}
    for line in said.splitlines():
        try:
            found.update([json.loads(line)])
        except ValueError:
            continue
    assert found.pop("done", False), said[-2000:]
    return found


def test_there_are_enough_of_them() -> None:
    assert len(WAYS) >= 50


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_out(sandbox: Sandbox, got_out: dict[str, bool], way: str) -> None:
    # Without namespaces a few things can be asked for; `docs/interpreter.md` names them.
    may_be_seen = isinstance(sandbox, Landlocked) and way in ("the machine's name",)
    assert got_out[way] is may_be_seen


def test_what_landlock_leaves_open_is_refused_by_the_filter(sandbox: Sandbox, tmp_path: Path) -> None:
    if not isinstance(sandbox, Landlocked):
        pytest.skip("bubblewrap gives a process namespaces of its own for these")
    code = """if True:
        import os, resource, socket, sys
        outside, server = sys.argv[1], int(sys.argv[2])
        # These say that they did it; whether they did is seen out here.
        os.chmod(outside, 0o600), os.utime(outside, (1, 1)), os.chown(outside, os.getuid(), -1)
        tries = {
            "set an attribute": lambda: os.setxattr(outside, "user.x", b"x"),
            "connect to a socket of files": lambda: socket.socket(socket.AF_UNIX).connect(outside),
            "a socket of datagrams": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
            "signal the server": lambda: os.kill(server, 0),
            "ask for the server's limits": lambda: resource.prlimit(server, resource.RLIMIT_NOFILE),
            "change the server's priority": lambda: os.setpriority(os.PRIO_PROCESS, server, 19),
            "leave the session": os.setsid,
            "leave the group": lambda: os.setpgid(0, 0),
            "write to shared memory": lambda: open("/dev/shm/nbassist-test", "w"),
            "write below /tmp": lambda: open(os.path.dirname(os.path.dirname(os.getcwd())) + "/nbassist-test", "w"),
            "run what it wrote": lambda: (open("run", "w").write("#!/bin/sh"), os.execv("./run", ["run"])),
        }
        for name, attempt in tries.items():
            try:
                attempt()
                print("through:", name)
            except OSError as error:
                # A refusal, and not that there is no such thing.
                assert error.errno in (1, 13, 95), (name, error)
        print("done")
    """
    outside = tmp_path / "outside"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(outside))
        for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            above.chmod(0o755)
        outside.chmod(0o777)
        before = outside.stat()
        inside = sandbox.start(["-I", "-c", code, str(outside), str(os.getpid())])
        said = inside.output.read().decode()
        inside.end()
        after = outside.stat()
    assert said == "done\n"
    assert (after.st_mode, after.st_mtime, after.st_uid) == (before.st_mode, before.st_mtime, before.st_uid)


def test_the_ways_would_be_seen_if_they_led_out(tmp_path: Path) -> None:
    """The same tries, with no wall around them: most get through, so that their refusal above means something."""
    import subprocess
    import sys

    outside = tmp_path / "secret.txt"
    outside.write_text("out")
    (tmp_path / "in").mkdir()
    # One that depends on nothing of the machine for each kind.
    kept = ("read a file outside", "list the folder outside", "see the users of the machine", "the machine's name")
    kept += ("processes of the machine", "a port of the machine", "the server's secret in the environment")
    (tmp_path / "ways.json").write_text(json.dumps({name: WAYS[name] for name in kept}))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        arguments = [str(outside), str(tmp_path / "in"), port, "none", socket.gethostname(), SECRET[::-1]]
        arguments.append(str(tmp_path / "ways.json"))
        done = subprocess.run(
            [sys.executable, "-c", HEAD, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NBASSIST_TEST_SECRET": SECRET},
        )
    assert all(json.loads(line)[1] for line in done.stdout.splitlines()), done.stdout


def test_the_probes_find_that_the_sandbox_holds(sandbox: Sandbox) -> None:
    escape_probes.check(sandbox)
    escape_probes.check_kernel(sandbox)


@pytest.mark.parametrize(
    ("left_out", "found"),
    [
        (["--seccomp"], "netlink|filter|namespace"),
        (["--remount-ro"], "write to /"),
    ],
)
def test_the_probes_refuse_a_sandbox_with_a_hole(
    bubblewrap: Sandbox, monkeypatch: pytest.MonkeyPatch, left_out: list[str], found: str
) -> None:
    plain = Sandbox._arguments

    def without(self: Sandbox, *given: Any) -> list[str]:
        arguments = plain(self, *given)
        for name in left_out:
            at = arguments.index(name)
            del arguments[at : at + 2]
        return arguments

    monkeypatch.setattr(Sandbox, "_arguments", without)
    with pytest.raises(LocalUnavailableError, match=rf"does not hold.*({found})"):
        escape_probes.check(bubblewrap)


def test_the_probes_refuse_a_sandbox_on_the_machines_network(
    bubblewrap: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Sandbox._arguments

    def shared(self: Sandbox, *given: Any) -> list[str]:
        arguments = plain(self, *given)
        arguments.insert(arguments.index("--unshare-all") + 1, "--share-net")
        return arguments

    monkeypatch.setattr(Sandbox, "_arguments", shared)
    with pytest.raises(LocalUnavailableError, match="open a port of the machine's"):
        escape_probes.check(bubblewrap)


def test_without_bubblewrap_there_is_no_interpreter(bubblewrap: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda *_, **__: None)  # type: ignore[attr-defined]
    with pytest.raises(LocalUnavailableError, match="apt install bubblewrap"):
        escape_probes.check(bubblewrap)


# Any other user has no root to give up, and nothing that could be refused.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to run it as root")
def test_root_runs_nothing_as_root(bubblewrap: Sandbox) -> None:
    with pytest.raises(LocalUnavailableError, match="--interpreter-user"):
        escape_probes.check(Sandbox(bubblewrap.python, "root"))
    with pytest.raises(LocalUnavailableError, match="no user"):
        escape_probes.check(Sandbox(bubblewrap.python, "nobody-of-this-name"))


def test_an_interpreter_that_does_not_run_is_refused(bubblewrap: Sandbox) -> None:
    with pytest.raises(LocalUnavailableError, match="does not run"):
        escape_probes.check(Sandbox("/nowhere/python3"))


def test_a_machine_without_a_filter_is_refused() -> None:
    assert len(seccomp.program("x86_64")) % 8 == 0
    assert len(seccomp.program("aarch64")) % 8 == 0
    with pytest.raises(ValueError, match="no filter"):
        seccomp.program("vax")
