"""In the kernel: finds the embedded server of this person, or starts it, and holds it open while the kernel lives.

One server serves all kernels of a person on a machine. It is a process of its own, in a session of its own, so an
interrupt of the kernel does not reach it; it ends by itself when no kernel has held it for a while. Where it is, is
kept in a file that only its owner can read. A kernel holds it by an open connection, which also shows when it is gone.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import urllib.parse
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ..core.installing import install_engine
from ..errors import LocalUnavailableError
from .engine.model import locate
from .file_lock import file_lock
from .process import StateFolder, start

NEEDED = ("starlette", "uvicorn", "sqlalchemy", "xllamacpp")
"""What the extra `local` installs, as far as the server can't do without it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a running server is; `base_url` goes up to and with ``/v1``, `token` is its key."""

    base_url: str
    token: str = field(repr=False)


class _Holder:
    """The lease that this process holds, for one server each."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.leases: dict[str, tuple[Endpoint, Lease]] = {}


_holder = _Holder()


def ensure(
    *, model: str | None = None, upstream: str = "", idle_seconds: float = 60.0, vectors: bool = False
) -> Endpoint:
    """Return the embedded server, which is found, or started and waited for; it stays while this process lives.

    Parameters
    ----------
    model : str, optional
        A model file for the engine, as `nbassist.server.engine.model.locate` takes it; None for
        ``NBASSIST_MODEL_FILE``, and where that is not set, the default model.
    upstream : str
        URL of a Chat Completions endpoint in place of the engine; empty for the engine.
    idle_seconds : float
        How long a server that is started here outlives the last kernel that held it.
    vectors : bool
        Whether it is asked for `/embeddings` alone, so that the model for these has to be here, and no other.

    Raises
    ------
    ModelFileError
        Where the model is not on this machine.
    LocalUnavailableError
        Where the extra `local` is not installed, or the server does not start.
    """
    if model is None:
        model = os.environ.get("NBASSIST_MODEL_FILE", "")
    if model and not model.startswith("hf:"):
        model = str(Path(model).expanduser().absolute())
    place = StateFolder.of("" if upstream else model, upstream)
    holder = _of_this_process()
    with holder.lock:
        held = holder.leases.get(place.name)
        if held is not None:
            # Looked at each time: the server may have been killed since.
            if held[1].alive():
                return held[0]
            held[1].close()
            del holder.leases[place.name]
        _check_installed(upstream)
        if not upstream:
            # What is missing is told here, with how to get it, and not by the log of a server that could not start.
            locate("embeddings" if vectors else model)
        # Held until the new server's state is written: a kernel that starts at the same moment finds it.
        with file_lock(place.lock):
            endpoint, lease = _found(place) or _started(place, idle_seconds)
        holder.leases[place.name] = endpoint, lease
        return endpoint


def release() -> None:
    """Let go of every server that this process holds; each ends when nobody else holds it."""
    with _holder.lock:
        for _, lease in _holder.leases.values():
            lease.close()
        _holder.leases.clear()


def _of_this_process() -> _Holder:
    """The holder; a forked child begins with none, since its parent's sockets are not its own."""
    global _holder
    if _holder.pid != os.getpid():
        for _, lease in _holder.leases.values():
            lease.close()
        _holder = _Holder()
    return _holder


def _check_installed(upstream: str) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None and not (upstream and name == "xllamacpp")]
    if missing:
        raise LocalUnavailableError(f"the embedded server is not installed: {install_engine()}")


def _found(place: StateFolder) -> tuple[Endpoint, Lease] | None:
    state = place.read()
    if state is None:
        return None
    # The lease is the test as well: what answers there may be another program that got the port since.
    lease = Lease.take(state.base_url, state.token)
    if lease is None:
        place.forget()
        return None
    return Endpoint(state.base_url, state.token), lease


def _started(place: StateFolder, idle_seconds: float) -> tuple[Endpoint, Lease]:
    process, state = start(place, idle_seconds)
    lease = Lease.take(state.base_url, state.token)
    if lease is None:
        process.terminate()
        raise LocalUnavailableError(f"the embedded server does not answer; its log: {place.log}")
    place.write(state)
    return Endpoint(state.base_url, state.token), lease


atexit.register(release)


_TIMEOUT = 5.0  # seconds


class Lease:
    """`GET /lease`, whose answer never ends; made by `take`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def take(cls, base_url: str, token: str) -> Lease | None:
        """Ask the server for one; None where no server of ours answers, or it refuses the token."""
        address = urllib.parse.urlsplit(base_url)
        try:
            # A bare socket: it is to stay open for hours without a thread that reads it, and be looked at without
            # waiting.
            connection = socket.create_connection((address.hostname, address.port or 80), _TIMEOUT)
        except OSError:
            return None
        try:
            request = f"GET /lease HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
            connection.sendall(request.encode("ascii"))
            head = b""
            while b"\r\n" not in head and len(head) < 4096:
                piece = connection.recv(4096)
                if not piece:
                    break
                head += piece
            if head.split(b" ", 2)[1:2] == [b"200"]:
                # From here on a read says at once whether the other end is still there.
                connection.setblocking(False)
                return cls(connection)
        except OSError:
            pass
        connection.close()
        return None

    def alive(self) -> bool:
        """Whether the server still holds its end; it sends nothing more until it stops, and then ends the answer."""
        tail = b""
        try:
            while piece := self._connection.recv(4096):
                tail = (tail + piece)[-5:]
                if tail == b"0\r\n\r\n":
                    return False
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Give it back."""
        self._connection.close()
