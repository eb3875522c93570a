"""In the kernel: finds the embedded server of this person, or starts it, and holds it open while the kernel lives.

One server serves all kernels of a person on a machine. It is a process of its own, in a session of its own, so an
interrupt of the kernel does not reach it; it ends by itself when no kernel has held it for a while. Where it is, is
kept in a file that only its owner can read.
"""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ..errors import LocalUnavailableError
from .lease import Lease
from .locks import file_lock
from .model import locate
from .process import Place, start

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


def ensure(*, model: str | None = None, upstream: str = "", idle_seconds: float = 60.0) -> Endpoint:
    """Return the embedded server, which is found, or started and waited for; it stays while this process lives.

    Parameters
    ----------
    model : str, optional
        A model file for the engine, as `nbassist.local.model.locate` takes it; None for ``NBASSIST_MODEL_FILE``, and
        where that is not set, the default model.
    upstream : str
        URL of a Chat Completions endpoint in place of the engine; empty for the engine.
    idle_seconds : float
        How long a server that is started here outlives the last kernel that held it.

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
    place = Place.of("" if upstream else model, upstream)
    holder = _of_this_process()
    with holder.lock:
        held = holder.leases.get(place.name)
        if held is not None:
            if held[1].alive():
                return held[0]
            held[1].close()
            del holder.leases[place.name]
        _check_installed(upstream)
        if not upstream:
            locate(model)
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
        raise LocalUnavailableError("the embedded server is not installed: pip install 'nbassist[local]'")


def _found(place: Place) -> tuple[Endpoint, Lease] | None:
    state = place.read()
    if state is None:
        return None
    lease = Lease.take(state.base_url, state.token)
    if lease is None:
        place.forget()
        return None
    return Endpoint(state.base_url, state.token), lease


def _started(place: Place, idle_seconds: float) -> tuple[Endpoint, Lease]:
    process, state = start(place, idle_seconds)
    lease = Lease.take(state.base_url, state.token)
    if lease is None:
        process.terminate()
        raise LocalUnavailableError(f"the embedded server does not answer; its log: {place.log}")
    place.write(state)
    return Endpoint(state.base_url, state.token), lease


atexit.register(release)
