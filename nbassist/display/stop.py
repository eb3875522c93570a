"""Stops the run that a view shows, as the frontend's own interrupt does, when its button is clicked."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from typing import Any


class Stop:
    """Interrupts the cell that made it, while the run goes on; a run that outlives its cell is cancelled as a task.

    A `KeyboardInterrupt` in the main thread ends `ask`; a cell that awaits `aask` is cancelled by the kernel. Of a
    task that goes on when its cell has ended, nothing else on the main thread is touched.

    Attributes
    ----------
    possible : bool
        Whether the run can be stopped from here: it was begun on the main thread.
    """

    def __init__(self, shell: Any) -> None:
        self.possible = threading.current_thread() is threading.main_thread()
        self._lock = threading.Lock()
        self._running = self.possible
        self._depth = 1  # of cells that run one in another, from the one that made it
        self._events = getattr(shell, "events", None)
        try:
            self._task = asyncio.current_task()
        except RuntimeError:
            self._task = None
        if self._events is not None:
            self._events.register("pre_run_cell", self._enter)
            self._events.register("post_run_cell", self._leave)

    def stop(self) -> bool:
        """Stop the run; may be called on any thread. False where it has ended already."""
        with self._lock:
            if not self._running:
                return False
            if self._depth < 1 and self._task is not None:
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            elif hasattr(signal, "pthread_kill"):  # breaks into a system call too, such as a tool's sleep
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                _thread.interrupt_main()
            return True

    def end(self) -> None:
        """The run has ended: nothing is interrupted from here on."""
        with self._lock:
            self._running = False
        if self._events is not None:
            self._events.unregister("pre_run_cell", self._enter)
            self._events.unregister("post_run_cell", self._leave)
            self._events = None

    def _enter(self, *_: Any) -> None:
        if self._depth:
            self._depth += 1

    def _leave(self, *_: Any) -> None:
        if self._depth:
            self._depth -= 1
