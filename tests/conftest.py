"""What all tests share: no request leaves this machine, no setting of the developer's leaks in, a scripted endpoint."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine and of what else runs there, and nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Hundreds of processes are started here that import the package: it is compiled once, whatever the machine's habit.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell without job control has what it starts in the background ignore interrupts, kernels among it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data" / "assistants"
_LOOPBACK = ("127.", "::1", "localhost")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is for `make torture`, and what an older version of a package does not have.

    Of the second `doctor.installed` says so to the person.
    """
    from nbassist.doctor.installed import fits

    if item.get_closest_marker("torture") and not os.environ.get("NBASSIST_TORTURE"):
        # What takes long, or shows once more what another test shows: `make test` is to stay short.
        pytest.skip("in `make torture`")
    for marker in item.iter_markers("since"):
        package, needed = marker.args
        if not fits(installed := version(package), f">={needed}"):
            # Reached by `make test-oldest` alone: the versions that `make test` installs have all of it.
            pytest.skip(f"{package} {installed} has it not; from {needed} on it is there")


@pytest.fixture(autouse=True)
def no_real_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at once where a test would connect to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def no_state_of_mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what outlives a test, such as a JupyterLab that several share, out of the developer's own files."""
    mine = tmp_path_factory.mktemp("mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBASSIST_CONFIG_DIR", str(mine / "config"))
        patch.setenv("NBASSIST_DATA_DIR", str(mine / "data"))
        yield


@pytest.fixture(autouse=True)
def no_settings_of_mine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith(("NBASSIST_", "OPENAI_")) and name not in ("NBASSIST_SHOTS", "NBASSIST_TEST_MODEL"):
            monkeypatch.delenv(name)
    mine = tmp_path_factory.mktemp("mine")
    monkeypatch.setenv("NBASSIST_CONFIG_DIR", str(mine / "config"))
    monkeypatch.setenv("NBASSIST_DATA_DIR", str(mine / "data"))


@pytest.fixture(autouse=True)
def a_new_session() -> None:
    """Forget what the person was told once: each test is a session of its own."""
    from nbassist.core import notices

    notices.forget_all()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded exchanges with the hosted Assistants API."""
    folder = SHARED / "recorded"
    if not folder.is_dir():
        # They are not this project's to give on, so a checkout may stand alone.
        pytest.skip("the recordings of the hosted API are not beside this checkout")
    return folder


Served: TypeAlias = tuple[str, subprocess.Popen[str]]


@dataclass
class Answer:
    """What the scripted endpoint says to one request; `cut` breaks the connection after the last piece."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    kind: str = "text/event-stream"
    cut: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[int], None] | None = None  # called with the number of each piece before it is sent


@dataclass
class Asked:
    method: str
    path: str
    body: Any
    headers: dict[str, str]


class Endpoint:
    """An HTTP server on loopback that answers from a script and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.asked: list[Asked] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length)
                path = self.path.partition("?")[0].removeprefix("/v1")
                endpoint.asked.append(
                    Asked(self.command, self.path.removeprefix("/v1"), json.loads(raw or b"null"), dict(self.headers))
                )
                script = endpoint.answers.get((self.command, path), [])
                answer = script.pop(0) if len(script) > 1 else script[0] if script else Answer(status=404)
                endpoint._send(self, answer)

            do_GET = do_POST = do_DELETE = do_OPTIONS = _answer  # noqa: N815  the names that http.server looks for

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                if not isinstance(sys.exception(), ConnectionError):  # the client left, as some tests have it do
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Script the answers to a path, in order; the last one is given again and again."""
        self.answers[(method, path)] = list(answers)

    def json(self, method: str, path: str, *bodies: Any, status: int = 200) -> None:
        self.on(method, path, *(Answer([json.dumps(b).encode()], status, "application/json") for b in bodies))

    def bodies(self, path: str) -> list[Any]:
        return [asked.body for asked in self.asked if asked.path.partition("?")[0] == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        handler.send_header("content-type", answer.kind)
        handler.send_header("transfer-encoding", "chunked")
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            for number, piece in enumerate(answer.pieces):
                if answer.before:
                    answer.before(number)
                if piece:
                    handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    handler.wfile.flush()
            if not answer.cut:
                handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client left, as some tests have it do
        if answer.cut:
            handler.close_connection = True


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def serve(
    endpoint: Endpoint, tmp_path: Path
) -> Callable[[], AbstractContextManager[tuple[str, subprocess.Popen[str]]]]:
    """Runs `nbassist serve` in front of the scripted endpoint: gives its first line and the process."""

    @contextmanager
    def serving() -> Iterator[tuple[str, subprocess.Popen[str]]]:
        store = f"sqlite:///{tmp_path}/s.db"
        process = subprocess.Popen(
            [sys.executable, "-m", "nbassist", "serve", "--upstream", endpoint.url, "--store", store],
            env={**os.environ, "NBASSIST_SERVE_TOKEN": "token"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline(), process
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()

    return serving


def chat_stream(*chunks: Any, done: bool = True) -> list[bytes]:
    """Return the bytes of a Chat Completions stream, one piece for each chunk."""
    pieces = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return [*pieces, b"data: [DONE]\n\n"] if done else pieces


def chat_delta(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def chat_call(call_id: str, name: str, arguments: str, index: int = 0) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return chat_delta(tool_calls=[{"index": index, "id": call_id, "type": "function", "function": function}])


@pytest.fixture
def wire() -> Any:
    """The helpers that write a wire by hand, as one object: tests import nothing from here."""

    class Wire:
        answer = Answer
        stream = staticmethod(chat_stream)
        delta = staticmethod(chat_delta)
        call = staticmethod(chat_call)

    return Wire


# As a file system answers that has none: the kernel refuses them, by a filter of system calls.
_NO_LOCKS = """
import ctypes, errno, platform, struct

FCNTL, FLOCK, SECCOMP = {"x86_64": (72, 73, 317), "aarch64": (25, 32, 277)}[platform.machine()]
LOAD, EQUAL, RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000 | errno.ENOLCK
LOCKS = (5, 6, 7, 36, 37, 38)  # F_GETLK and its like, and those of open files
program = [
    (LOAD, 0, 0, 0),  # the number of the call
    (EQUAL, len(LOCKS) + 3, 0, FLOCK),
    (EQUAL, 0, len(LOCKS) + 1, FCNTL),
    (LOAD, 0, 0, 24),  # what fcntl is asked for
    *((EQUAL, len(LOCKS) - place, 0, lock) for place, lock in enumerate(LOCKS)),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, REFUSE),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
given = Program(len(program), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges, without which only root may
assert libc.syscall(SECCOMP, 1, 1, ctypes.byref(given)) == 0, ctypes.get_errno()  # of all threads
import fcntl, tempfile
with tempfile.TemporaryFile() as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX)
        print("locked")
    except OSError as error:
        print(error)
"""


@pytest.fixture
def refusing_locks() -> str:
    """Code that has this process and its threads find a disk without locks, and prints what it then finds."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        # The numbers of the calls are those of the two machines that are named.
        pytest.skip("filters of system calls are Linux's")
    return _NO_LOCKS
