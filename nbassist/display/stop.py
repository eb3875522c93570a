"""Stops the run that a view shows, as the frontend's own interrupt does, when its button is clicked."""

from __future__ import annotations

import _thread
import asyncio
import signal
import sys
import threading


class Stop:
    """Interrupts the cell that it is made in; a task that may outlive its cell is cancelled, and no cell touched.

    In the main thread a `KeyboardInterrupt` comes, which ends `ask`; a cell that awaits `aask` is cancelled by the
    kernel, which is what it does with an interrupt of the frontend.

    Attributes
    ----------
    possible : bool
        Whether the run can be stopped from here: it is begun on the main thread.
    """

    def __init__(self) -> None:
        self.possible = threading.current_thread() is threading.main_thread()
        self._running = self.possible
        self._task: asyncio.Task[object] | None = None
        self._lock = threading.Lock()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        if self.possible and self._loop is not None and not _in_cell():
            self._task = asyncio.current_task()

    def stop(self) -> bool:
        """Stop the run; may be called on any thread. False where it has ended already."""
        with self._lock:
            if not self._running:
                return False
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
                return True
            if hasattr(signal, "pthread_kill"):  # breaks into a system call too, such as a tool's sleep
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                _thread.interrupt_main()
            if self._loop is not None:  # the kernel's handler of the signal does not wake a loop that waits
                self._loop.call_soon_threadsafe(lambda: None)
            return True

    def end(self) -> None:
        """The run has ended: nothing is interrupted from here on."""
        with self._lock:
            self._running = False


def _in_cell() -> bool:
    """Whether a cell's own code is being run, called or awaited, and not a task that it has made."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "run_code" and frame.f_globals.get("__name__") == "IPython.core.interactiveshell":
            return True
    return False
