"""The embedded server as a process: where its state and log are, and how it is started."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from ctypes import c_ulong
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_data_path, user_state_path

from .. import __version__
from ..config.paths import data_file
from ..core.files import put_in_place
from ..errors import LocalUnavailableError

_STORE = "assistants.sqlite3"
_START_SECONDS = 60.0
_POLL = 0.02  # seconds
_LOOPBACK = "127.0.0.1,localhost"
_LEFT_OUT = ("OPENAI_", "NBASSIST_API_KEY", "NBASSIST_SERVE_")
"""Keys that the embedded server has no use for, and the options of a server that is run by hand."""

_children: list[tuple[int, subprocess.Popen[bytes]]] = []
"""Servers that were started here, each with the process that did: a fork can't wait for its parent's children."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server that was started."""

    pid: int
    base_url: str
    token: str = field(repr=False)
    version: str = __version__


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Where one server's state is kept: of one version, on one machine, with one model or upstream."""

    name: str
    model: str
    upstream: str

    @classmethod
    def of(cls, model: str, upstream: str) -> StateFolder:
        """Return the place for a model and upstream; either may be empty."""
        # A later version may speak another way or need another store, so kernels of two versions have two servers.
        key = "\0".join([__version__, model, upstream])
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:8]
        host = "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname())
        return cls(f"server-{host}-{digest}", model, upstream)

    @property
    def state(self) -> Path:
        """The file that says where the server is, and its token."""
        return state_folder() / f"{self.name}.json"

    @property
    def lock(self) -> Path:
        """Held while a server is looked for and started."""
        return state_folder() / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        """What the server says of itself."""
        return state_folder() / f"{self.name}.log"

    def read(self) -> ServerState | None:
        """Return the state of the server that was started last; None where there is none, or it is gone."""
        try:
            state = ServerState(**json.loads(self.state.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return state if _lives(state.pid) else None

    def write(self, state: ServerState) -> None:
        """Keep the state, readable by its owner alone."""
        write_private(self.state, json.dumps(asdict(state)))

    def forget(self) -> None:
        """Remove the state; where Windows does not let it go, for somebody reads it just then, it is written over."""
        with suppress(PermissionError):
            self.state.unlink(missing_ok=True)


def kept_files() -> list[Path]:
    """Return what servers have left on this machine, and those that run keep: states, logs, the token, the store."""
    folder = user_state_path("nbassist", appauthor=False)
    names = [f"server-*.{ending}" for ending in ("json", "lock", "log", "out")]
    found = [file for name in (*names, "serve.token") for file in sorted(folder.glob(name))]
    stores = {path for file in (usual_store(), _store_of_before()) for path in file.parent.glob(f"{_STORE}*")}
    return [*found, *sorted(stores)]


def usual_store() -> Path:
    """Return the file of the Assistants server's store where none is named; it need not exist.

    It lies in `NBASSIST_DATA_DIR`. Early versions took no notice of that variable: where they have left a store, and
    there is none in the folder, theirs goes on, since programs hold ids that are in it.
    """
    before = _store_of_before()
    # Not `data_file` for both: on Windows this store has always lain one folder higher than the journal.
    file = data_file(_STORE) if os.environ.get("NBASSIST_DATA_DIR") else before
    return before if before.exists() and not file.exists() else file


def _store_of_before() -> Path:
    return user_data_path("nbassist", appauthor=False) / _STORE


def state_folder() -> Path:
    """Return the folder of states, tokens and logs; it is made, for its owner alone."""
    folder = user_state_path("nbassist", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    put_in_place(temporary, path)


def start(place: StateFolder, idle_seconds: float) -> tuple[subprocess.Popen[bytes], ServerState]:
    """Start the server and wait until it listens.

    Raises
    ------
    LocalUnavailableError
        Where it ends before that, with the last line of its log, or takes too long.
    """
    # `poll` takes leave of those that ended: as zombies they would seem to live.
    _children[:] = [entry for entry in _children if entry[0] != os.getpid() or entry[1].poll() is None]
    token = secrets.token_urlsafe(32)
    # A file and not a pipe: the server outlives this process, and would write to nobody.
    said = place.log.with_suffix(".out")
    with open(_opened(said), "wb") as output, open(_opened(place.log), "wb") as log:
        process = subprocess.Popen(
            _command(place, idle_seconds),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            cwd=state_folder(),
            env=_environment(os.environ, token),
            # The kernel's interrupt goes to its whole group of processes.
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
            | getattr(subprocess, "DETACHED_PROCESS", 0),
        )
    _children.append((os.getpid(), process))
    try:
        return process, ServerState(process.pid, _wait(process, said, place.log), token)
    except BaseException:
        process.terminate()
        raise
    finally:
        with suppress(PermissionError):  # on Windows while the server has it open: the next one writes over it
            said.unlink(missing_ok=True)


def _command(place: StateFolder, idle_seconds: float) -> list[str]:
    # -P: what lies in the working folder is not imported in place of a module of the standard library
    command = [sys.executable, "-P", "-m", "nbassist", "serve", "--exit-when-idle", f"{idle_seconds:g}"]
    if place.upstream:
        command += ["--upstream", place.upstream]
    if place.model:
        command += ["--model-file", place.model]
    return command


def _environment(environ: Mapping[str, str], token: str) -> dict[str, str]:
    """The kernel's own, without keys that the server has no use for, and with its token."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_LEFT_OUT)}
    home = Path(__file__).resolve().parents[2]
    if home.name not in ("site-packages", "dist-packages"):  # a checkout that is on the path, but not installed
        kept["PYTHONPATH"] = os.pathsep.join([str(home), *filter(None, [kept.get("PYTHONPATH")])])
    # the engine is asked over loopback, which no proxy is to see
    kept["NO_PROXY"] = kept["no_proxy"] = ",".join(
        filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), _LOOPBACK])
    )
    return {**kept, "NBASSIST_SERVE_TOKEN": token, "PYTHONUNBUFFERED": "1"}


def _wait(process: subprocess.Popen[bytes], said: Path, log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        # Looked at after the process was: what it said last before it ended is in the file by then.
        first, newline, _ = said.read_text(encoding="utf-8", errors="replace").partition("\n")
        # The whole line, since a file may be read while half of it is written.
        if newline and first.startswith("http"):
            return first.strip()
        if ended:
            raise LocalUnavailableError(f"the embedded server did not start: {_last_line(log)} (its log: {log})")
        time.sleep(_POLL)
    raise LocalUnavailableError(f"the embedded server took over {_START_SECONDS:.0f} seconds to start; its log: {log}")


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def _lives(pid: int) -> bool:
    for parent, child in _children:
        if child.pid == pid and parent == os.getpid():
            return child.poll() is None
    if os.name == "nt":  # a signal of 0 would end it there
        import ctypes

        return lives_on_windows(pid, ctypes.windll.kernel32)  # type: ignore[attr-defined,unused-ignore]
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def lives_on_windows(pid: int, kernel32: Any) -> bool:
    """Whether a process lives, by the functions of Windows' own library.

    Source: https://learn.microsoft.com/windows/win32/api/processthreadsapi, `OpenProcess` and `GetExitCodeProcess`.
    """
    handle = kernel32.OpenProcess(_QUERY, False, pid)
    if not handle:
        return bool(kernel32.GetLastError() == _ACCESS_DENIED)  # it is there, and another person's
    try:
        code = (c_ulong * 1)()
        return bool(kernel32.GetExitCodeProcess(handle, code)) and code[0] == _STILL_ACTIVE
    finally:
        kernel32.CloseHandle(handle)


_QUERY, _ACCESS_DENIED, _STILL_ACTIVE = 0x1000, 5, 259
