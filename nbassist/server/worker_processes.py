"""Several processes that serve on one socket and one store: for more clients than one core can answer.

The parent opens the socket and keeps it; each child accepts from it and works on runs of its own (see `store.leases`).
A child that dies is replaced; a signal to the parent ends them all, each in order.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress

from ..errors import LocalUnavailableError, UsageError
from .config import ServerConfig
from .serve import base_url, listen, loop_factory, serve_on

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SHORTEST_LIFE = 5.0
"""Seconds that a child lives which is replaced at once; after a shorter life its successor waits."""
_POLL = 0.1
_PAUSE = 1.0


def serve(
    config: ServerConfig,
    host: str,
    port: int,
    ready: Callable[[str], None],
    *,
    log_level: str = "warning",
    log_format: str = "text",
) -> None:
    """Serve with `config.workers` processes until SIGTERM or SIGINT; the parameters are those of `serve.serve`.

    Raises
    ------
    OSError
        Where it can't listen there.
    LocalUnavailableError
        Where the children do not start.
    UsageError
        Where the system can't fork.
    """
    if not hasattr(os, "fork"):
        raise UsageError("--workers needs a system with fork, which this one is not")
    with listen(host, port) as listener, tempfile.TemporaryDirectory(prefix="nbassist-metrics") as folder:
        if config.metrics:
            os.environ.setdefault(_FOLDER, folder)

        def child(told: int) -> None:
            def tell(_: str) -> None:
                with suppress(BrokenPipeError):  # of one that takes another's place, nobody waits to hear it
                    os.write(told, b"1")

            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(serve_on(config, listener, tell, log_level=log_level, log_format=log_format))

        group = _Group(config.workers, child)
        group.start()
        ready(base_url(listener))
        group.watch()


class _Group:
    """The children of one parent."""

    def __init__(self, number: int, work: Callable[[int], None]) -> None:
        self._number = number
        self._work = work
        self._children: dict[int, float] = {}
        self._ending = False

    def start(self) -> None:
        """Fork the children and wait until each listens."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        reads = [self._fork() for _ in range(self._number)]
        for read in reads:
            with open(read, "rb") as told:
                if not told.read(1):
                    self._end()
                    self._reap()
                    raise LocalUnavailableError("the server did not start; its log says why")

    def watch(self) -> None:
        """Replace children that die, until told to end; return once all have ended."""
        while self._children:
            try:
                died, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not died:
                time.sleep(_POLL)
                continue
            began = self._children.pop(died, None)
            if began is not None and not self._ending:
                if time.monotonic() - began < _SHORTEST_LIFE:
                    time.sleep(_PAUSE)
                os.close(self._fork())

    def _fork(self) -> int:
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write)
            self._children[pid] = time.monotonic()
            return read
        code = 1
        try:
            os.close(read)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._work(write)
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's is to be cleaned up here

    def _end(self, *_: object) -> None:
        self._ending = True
        for pid in self._children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        for pid in self._children:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
