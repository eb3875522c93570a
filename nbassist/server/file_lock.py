"""A lock between processes, on a file; the system lets it go when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL = 0.1  # seconds


@contextmanager
def file_lock(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock that no other process, and no other thread, holds at the same time.

    Parameters
    ----------
    path : Path
        The file; its folder is made. It stays there.
    waiting : callable, optional
        Called once where another holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try(descriptor):
            if waiting is not None:
                waiting()
                waiting = None
            time.sleep(_POLL)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            # `flock` and not `lockf`: its lock belongs to the open file, and so holds between threads of one process,
            # too.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
