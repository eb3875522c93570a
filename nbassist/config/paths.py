"""Where the person's own files lie, and on what; nothing of them is read or made here."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

_REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "afs",
    "9p",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
)
"""File systems of other machines, by the names that Linux has for them."""
_CHANGED = 2.0  # seconds to try to give a file its log, while another does so


def config_file(name: str) -> Path:
    """Return the path of a file of the person's settings: in `NBASSIST_CONFIG_DIR`, else where the system has them."""
    if folder := os.environ.get("NBASSIST_CONFIG_DIR"):
        return Path(folder) / name
    from platformdirs import user_config_path

    return _absolute(user_config_path("nbassist")) / name


def data_file(name: str) -> Path:
    """Return the path of a file that the program keeps: in `NBASSIST_DATA_DIR`, else where the system has them."""
    if folder := os.environ.get("NBASSIST_DATA_DIR"):
        return Path(folder) / name
    from platformdirs import user_data_path

    return _absolute(user_data_path("nbassist")) / name


def is_remote(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether a file lies on another machine, as far as that can be told; what is not known to is taken for near.

    Parameters
    ----------
    path : Path
        Need not exist.
    mounts : Path
        What Linux tells of its mounts: lines of a device, a folder and a file system's name. Elsewhere there is none.
    """
    if str(path).startswith("\\\\"):  # a share, as Windows writes it
        return True
    if os.name == "nt":
        import ctypes

        return on_network_drive(path.absolute(), ctypes.windll.kernel32)  # type: ignore[attr-defined,unused-ignore]
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return False
    # Blanks in the name of a folder are written in octal; a later mount lies over an earlier one.
    held = {line[1].replace("\\040", " "): line[2] for line in lines if len(line) > 2}
    here = path.absolute()
    kind = next((held[str(one)] for one in (here, *here.parents) if str(one) in held), "")
    return kind.startswith(_REMOTE)


def on_network_drive(path: PurePath, kernel32: Any) -> bool:
    """Return whether a file lies on a share that Windows gave a letter, as homes of a company often do.

    Source: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdrivetypew
    """
    return bool(kernel32.GetDriveTypeW(f"{path.drive}\\") == _DRIVE_REMOTE)


_DRIVE_REMOTE = 4


def read_only_uri(path: PurePath) -> str:
    """Return what SQLite takes for a file, an absolute path, that it is to read and not to touch.

    SQLite refuses the name of another machine where a URL has it, so a share of Windows stands in the path instead:
    https://sqlite.org/uri.html
    """
    uri = path.as_uri()
    return f"{uri if uri.startswith('file:///') else uri.replace('file://', 'file:////', 1)}?mode=ro"


def set_log(connection: sqlite3.Connection, *, far: bool) -> None:
    """Let readers of a SQLite file never wait for its writer, by a write-ahead log, where it lies on this machine.

    The log needs memory that all who use it share, which two machines with one home folder do not:
    https://sqlite.org/wal.html, "WAL does not work over a network filesystem".

    Parameters
    ----------
    connection : sqlite3.Connection
        The file, without a transaction.
    far : bool
        Whether it lies on another machine: see `is_remote`.
    """
    import sqlite3

    if far:
        # Another process that has the file open in the other mode goes first; it is changed when that is gone.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=DELETE")
        return
    until = time.monotonic() + _CHANGED
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locking protocol" in str(error):  # a file system without shared memory, which says so
                connection.execute("PRAGMA journal_mode=DELETE")
                return
            # Of two that open a new file at once, one is told so without any wait.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def takes_no_locks(folder: Path) -> bool:
    """Return whether a disk refuses locks, of which SQLite says, after a long wait, that somebody else has them."""
    try:
        import fcntl
        import tempfile

        # Not the file that is meant: to close one lets go of all locks that the process has on it.
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, AttributeError):  # Windows, whose disks have them, and a browser, which has one process
        return False
    except OSError as error:
        return error.errno == errno.ENOLCK
    return False


def _absolute(folder: Path) -> Path:
    """Return the folder, or one that can't be, where there is no home: the working directory is none."""
    return folder if folder.is_absolute() else Path(os.devnull) / "nbassist"
