"""What subprocesses and C code write while a tool runs: it goes past `sys.stdout`, to the process's own descriptors.

In a kernel these are pipes of the kernel's, which nobody else of this process writes to: while tools run they are
ours. In a terminal they are the terminal, and stay.
"""

from __future__ import annotations

import codecs
import os
import secrets
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from ..core import runtime_environment

_CHUNK = 65_536
_PATIENCE = 2.0  # seconds for what was written to be read


class Descriptors:
    """Takes what is written to descriptors 1 and 2.

    Parameters
    ----------
    take : callable
        Gets the text, on a thread of its own.
    """

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        # A mark in the pipe itself tells how far the reader is; nobody else can write it by chance.
        self._mark = secrets.token_bytes(16)
        self._drained = threading.Event()
        self._ended = False
        self._taking = False
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._saved = os.dup(1), os.dup(2)
        self._out, self._into = os.pipe()
        os.dup2(self._into, 1)
        os.dup2(self._into, 2)
        threading.Thread(target=self._read, name="nbassist-output", daemon=True).start()

    def is_waiting(self) -> bool:
        """Return whether something was written that is not taken yet; never in a forked process: it has no reader."""
        import fcntl
        import termios

        if os.getpid() != self._process:
            return False
        waiting = fcntl.ioctl(self._out, termios.FIONREAD, b"\0\0\0\0")
        # In this order: what is in the pipe no more was read by a reader that has said before that it is at it.
        return any(waiting) or self._taking

    def drain(self) -> None:
        """Wait until what was written so far is taken."""
        with self._lock:
            self._drained.clear()
            with suppress(OSError):
                os.write(self._into, self._mark)
                self._drained.wait(_PATIENCE)

    def end(self) -> None:
        """Give the descriptors back, once what was written to them is taken."""
        for saved, descriptor in zip(self._saved, (1, 2), strict=True):
            # First the descriptors, then the draining: nothing is written between the two that would be lost.
            os.dup2(saved, descriptor)
        self.drain()
        # The reader goes on for processes that outlive the call, and ends when the last of them closes its end.
        self._ended = True
        os.close(self._into)
        os.close(self._saved[1])  # the first is for what processes that live on may write

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        kept = b""
        while chunk := self._next():
            if self._ended:  # a process that the tool left running: its words go where they went before
                with suppress(OSError):
                    os.write(self._saved[0], chunk)
                continue
            *heads, kept = (kept + chunk).split(self._mark)
            for head in heads:
                self._take(decoder.decode(head))
                self._drained.set()
            # The end may be the beginning of a mark: it waits for the next chunk.
            begun = next((n for n in range(len(self._mark) - 1, 0, -1) if kept.endswith(self._mark[:n])), 0)
            whole = len(kept) - begun  # a mark may come in two pieces
            self._take(decoder.decode(kept[:whole]))
            kept = kept[whole:]
        os.close(self._out)
        os.close(self._saved[0])

    def _next(self) -> bytes:
        """Wait for what is written next, and read it; empty when the last process closed its end."""
        self._taking = False  # what was read before is taken
        waiting = select.poll()
        waiting.register(self._out, select.POLLIN)
        waiting.poll()
        self._taking = True
        return os.read(self._out, _CHUNK)


def belong_to_a_kernel() -> bool:
    """Whether the descriptors are pipes of a kernel's that can be read, and no one writes there by `sys.stdout`."""
    stream = getattr(sys.stdout, "stream", sys.stdout)
    return os.name == "posix" and runtime_environment.THREADS and type(stream).__module__.startswith("ipykernel.")
