"""Runs a sweep on a thread of its own, while the thread that waits paints what happens and hears interrupts."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..core import runtime_environment
from ..errors import UsageError
from .run_list import Update

_LOOK = 0.04  # seconds
_TURN = 0.0005  # seconds


class SweepView(Protocol):
    """Shows a sweep while it runs."""

    def begin(self, runs: Any) -> None: ...
    def apply(self, update: Update) -> None: ...
    def close(self) -> None: ...


def check_threads() -> None:
    """Refuse to begin where no thread can be started.

    Raises
    ------
    UsageError
        Where it is so.
    """
    if not runtime_environment.THREADS:
        raise UsageError("many variants of a prompt need threads, and a browser has none: ask them one by one")


def run_on_thread(
    make: Callable[[Callable[[Update], None]], Coroutine[Any, Any, None]], view: SweepView | None = None
) -> None:
    """Run what `make` gives, which is told where updates go, to its end; an interrupt cancels it.

    Raises
    ------
    BaseException
        What it raised.
    """
    updates: deque[Update] = deque()
    ended = threading.Event()
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task = loop.create_task(make(updates.append))

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass  # what is done stays
        except BaseException as error:  # noqa: BLE001 - it is raised on the thread that waits
            failed.append(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            ended.set()

    thread = threading.Thread(target=work, name="nbassist-sweep", daemon=True)
    thread.start()
    try:
        _show(updates, ended, view, lambda: loop.call_soon_threadsafe(task.cancel))
    finally:
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def taking_turns() -> Iterator[None]:
    """Let threads take turns more often: the journal's writer would hold the loop up for 5 ms at each of its waits."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _show(updates: deque[Update], ended: threading.Event, view: SweepView | None, cancel: Callable[[], Any]) -> None:
    """Paint what happens until the runs end; an interrupt cancels them, and a second one does no harm."""
    going = True
    while going:
        try:
            going = not ended.wait(_LOOK)  # looked at now and then: waking at each piece of text would slow the runs
            while updates:
                update = updates.popleft()
                if view is not None:
                    view.apply(update)
        except KeyboardInterrupt:
            going = True
            if not ended.is_set():
                cancel()
