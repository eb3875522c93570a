"""What keeps a tool from ending or holding up the process: exits end the call instead, and there is a limit of time."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from ..core import runtime_environment
from . import background_loop

# What ends or replaces the process without an exception that could be caught.
_ENDING = ("_exit", "abort", "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe")
_SIGNALS = ("SIGKILL", "SIGTERM", "SIGSTOP", "SIGQUIT", "SIGABRT", "SIGHUP", "SIGSEGV", "SIGBUS")  # not an interrupt
of_a_model: ContextVar[bool] = ContextVar("nbassist_model_code", default=False)
"""Whether what runs is code that a model wrote."""
_MARK = "__nbassist_real__"


def guard(is_a_call: Callable[[], bool], shell: Any) -> None:
    """Put the stand-ins in place; they refuse where `is_a_call` says that a tool runs, in this process."""
    process = os.getpid()

    def refused() -> bool:  # a process that the tool forked may end itself
        return os.getpid() == process and is_a_call()

    for name in _ENDING:
        real = getattr(os, name, None)
        if real is not None and not hasattr(real, _MARK):
            setattr(os, name, _instead_of(real, lambda *_: refused(), f"os.{name}"))
    if not hasattr(os.kill, _MARK):  # a person's own tool may mean it
        ends = {getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)}

        def kills(pid: int, sent: int) -> bool:
            return of_a_model.get() and pid in (0, process) and sent in ends and refused()

        os.kill = _instead_of(os.kill, kills, "os.kill of its own process")
    # The shell of a kernel in a browser has none.
    if hasattr(shell, "ask_exit") and not hasattr(shell.ask_exit, _MARK):
        shell.ask_exit = _instead_of(shell.ask_exit, lambda *_: refused(), "exit()")


def unguard(shell: Any) -> None:
    """Take them away."""
    for name in (*_ENDING, "kill"):
        real = getattr(getattr(os, name, None), _MARK, None)
        if real is not None:
            setattr(os, name, real)
    if shell is not None and hasattr(vars(shell).get("ask_exit"), _MARK):
        del shell.ask_exit  # the class's own is there again


def _instead_of(real: Callable[..., Any], refused: Callable[..., bool], shown: str) -> Callable[..., Any]:
    @wraps(real)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if refused(*args):
            # As `sys.exit` does: the call has failed, and the kernel lives.
            raise SystemExit(shown)
        return real(*args, **kwargs)

    setattr(stand_in, _MARK, real)
    return stand_in


T = TypeVar("T")


class TimeUp(BaseException):
    """The time is up; not an Exception, so that handlers of the code itself let it pass."""


def can_interrupt() -> bool:
    """Whether a signal can break into what runs on this thread."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeUp` in this, the main thread, after a time: it breaks into a blocking call too.

    Limits stand in one another; an outer one that ends sooner rings first.
    """
    if seconds is None:
        yield
        return

    over = False

    def ring(number: int, frame: Any) -> None:
        if not over:  # one that rings while things are put back would leave this handler in place for good
            raise TimeUp

    outer, _ = signal.getitimer(signal.ITIMER_REAL)
    if outer and outer <= seconds:  # its own handler rings in time
        yield
        return
    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    started = time.monotonic()
    try:
        try:
            yield
        finally:
            over = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # before the handler changes, or it would ring the outer one's
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
        if outer:
            # A process has one such timer: the outer limit is set again, with what is left of it.
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - started), 0.001))


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` gives, if it does so in time.

    On the main thread it is broken off; elsewhere, where no signal can do that, it is left to itself.

    Raises
    ------
    TimeoutError
        Where it does not. What `work` raises passes on.
    """
    if can_interrupt():
        outer, _ = signal.getitimer(signal.ITIMER_REAL)
        try:
            with time_limit(seconds):
                return work()
        except TimeUp:
            if outer and outer <= seconds:
                raise  # the limit around this one
            raise TimeoutError from None
    if not runtime_environment.THREADS:  # in a browser nothing can break it off
        return work()
    future = background_loop.in_thread(work)
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # its own
            raise
        future.cancel()
        raise TimeoutError from None
