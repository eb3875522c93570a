"""Interrupts: those that come close together are one, and each is heard soon, whatever waits.

Python raises `KeyboardInterrupt` wherever the main thread is, so between the first one and the line that the person
sees there would be many places where a second one leaves things half done.

One is heard when Python runs its next line. A wait in a system call goes on to its end first, where the signal came
just before it, and on Windows always; an event loop that waits goes on waiting although the signal's handler has run,
for nothing wakes it. So what may take long is waited for in steps.

Where it comes in the middle of an import of ours it is put off until that is whole: one that is broken off leaves
parts of a package behind, and the next import of it finds attributes missing, for as long as the kernel lives.

What an interrupt means for a run and its conversation stands in `nbassist.run.endings`.
"""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar

from . import runtime_environment

STEP = 0.2
"""Seconds until an interrupt of what waits is heard at the latest."""
_TOGETHER = 1.0  # seconds in which further interrupts are the same one
_ENDING = 5.0  # seconds that the end of a run may take, before an interrupt breaks off that, too
_IMPORTING = 10.0  # seconds for which one is put off while something is imported, at most
_AGAIN = 0.02  # seconds until it is looked at again
_IMPORT = "<frozen importlib._bootstrap>"
_open: list[Interrupts] = []
T = TypeVar("T")


class Interrupts:
    """While it is entered on the main thread, SIGINT raises `KeyboardInterrupt` once, and not again at once."""

    def __init__(self) -> None:
        self._before: Any = None
        self._raised = float("-inf")
        self._together = _TOGETHER
        self._left = False
        self._put_off_at: float | None = None
        self._coming = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is not threading.main_thread():
            return self
        heard = signal.getsignal(signal.SIGINT)
        # What one before left behind for its last moments is not to swallow the first of this one.
        while isinstance(owner := getattr(heard, "__self__", None), Interrupts) and owner._left:
            heard = owner._before
        # Not callable where SIGINT is ignored, or handled by C; bound methods are made anew at each look, and equal all
        # the same.
        if callable(heard) and not (_open and heard == _open[-1]._hear):  # of two, the outer one does for both
            self._before = heard
            signal.signal(signal.SIGINT, self._hear)
            _open.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        self._left = True
        _open.remove(self)
        # Who raised the interrupt has yet to show it, so the handler goes when its time is over.
        if time.monotonic() - self._raised >= self._together:
            self._give_back()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._raised < self._together or self._puts_off(frame, now):
            return
        # This interrupt is of the cell that runs now, and none of ours: the handler goes as it is answered.
        if self._left:
            self._give_back()
        self._raised = now
        self._before(number, frame)

    def _puts_off(self, frame: FrameType | None, now: float) -> bool:
        """Return whether an interrupt is to come again a little later."""
        if self._left or not _imports_for_us(frame):
            self._put_off_at = None
            return False
        self._put_off_at = self._put_off_at or now
        if now - self._put_off_at > _IMPORTING:
            return False
        if not self._coming:
            self._coming = True
            # Not by `threading`, whose locks the main thread may hold just now.
            _thread.start_new_thread(self._come_again, ())
        return True

    def _come_again(self) -> None:
        time.sleep(_AGAIN)
        self._coming = False
        if not self._left:
            _thread.interrupt_main()

    def _give_back(self) -> None:
        if signal.getsignal(signal.SIGINT) == self._hear:  # the kernel sets its own for each cell
            signal.signal(signal.SIGINT, self._before)

    def ending(self) -> None:
        """Say that the interrupt has been heard, and that what it ends is being put in order."""
        self._together = _ENDING


def _imports_for_us(frame: FrameType | None) -> bool:
    """Return whether the main thread imports something in that frame, and not for code of the notebook's own."""
    imports = False
    while frame is not None:
        imports = imports or frame.f_code.co_filename == _IMPORT
        name = str(frame.f_globals.get("__name__", ""))
        if name == "__main__" or (imports and name.startswith("nbassist.")):
            return imports and name != "__main__"
        frame = frame.f_back
    return False


def ending() -> None:
    """Say of the innermost that its interrupt has been heard; nothing where there is none, as on another thread."""
    if _open and threading.current_thread() is threading.main_thread():
        _open[-1].ending()


def result_of(future: Future[T], timeout: float | None = None) -> T:
    """Return a future's result as its own `result` does.

    Raises
    ------
    TimeoutError
        Where it has none after `timeout` seconds.
    """
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = STEP if end is None else max(0.0, min(STEP, end - time.monotonic()))
        try:
            # The future's own wait: that of `concurrent.futures` does not take a cancelled one for done.
            return future.result(left)
        except TimeoutError:
            # A future may have failed with a time-out of its own.
            if future.done() or (end is not None and time.monotonic() >= end):
                raise


def sleep(seconds: float) -> None:
    """Sleep, as `time.sleep` does."""
    while seconds > 0:
        time.sleep(min(STEP, seconds))
        seconds -= STEP


@contextmanager
def waking_loop() -> Iterator[None]:
    """Wake the running event loop now and then, so that the cancellation which an interrupt asks for is carried out.

    Signals are the main thread's, so a loop of another one is left alone.
    """
    if not runtime_environment.THREADS or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    ticks: list[asyncio.TimerHandle] = []

    def tick() -> None:
        ticks[:] = [loop.call_later(STEP, tick)]

    tick()
    try:
        yield
    finally:
        ticks[0].cancel()
