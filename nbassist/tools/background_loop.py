"""One event loop in a thread of its own, on which coroutine tools run together; and a pool of threads for the rest."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from ..core import runtime_environment
from ..errors import ToolError

T = TypeVar("T")

THREAD = "nbassist-tools"
"""The name of the loop's thread."""

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_pid = 0
_IDLE = 60.0  # seconds
_idle: list[queue.SimpleQueue[Callable[[], None]]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # their threads are not in the child


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the background loop, in the caller's context.

    A tool that runs on that very loop and waits for the result would wait for ever: it gets a loop of its own. Where
    no thread can be started it runs to its end at once, if the place can wait at all; else `ToolError` is the result.
    """
    if not runtime_environment.THREADS:
        return _at_once(coroutine)
    loop = _running_loop()
    try:
        inside = asyncio.get_running_loop() is loop
    except RuntimeError:
        inside = False
    if inside:
        return in_thread(lambda: asyncio.run(coroutine))
    future: Future[T] = Future()
    context = copy_context()
    loop.call_soon_threadsafe(lambda: context.run(_start, loop, coroutine, future))
    return future


def _at_once(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    future: Future[T] = Future()
    if not runtime_environment.can_wait():
        coroutine.close()
        future.set_exception(
            ToolError("this browser can't wait for async code (it has no JSPI): ask with `await aask`")
        )
        return future
    try:
        future.set_result(runtime_environment.wait_for(coroutine))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits, a cancellation too
        future.set_exception(error)
    return future


def in_thread(function: Callable[[], T]) -> Future[T]:
    """Run a function in a thread of the pool, in the caller's context.

    The pool has a thread for each call that runs: one that hangs holds up neither the others nor the exit. A thread
    waits a minute for its next call.
    """
    future: Future[T] = Future()
    context = copy_context()

    def work() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    inbox: queue.SimpleQueue[Callable[[], None]] | None
    with _lock:
        # The one that was used last, so that the others come to their minute and end.
        inbox = _idle.pop() if _idle else None
    if inbox is None:
        inbox = queue.SimpleQueue()
        # Daemons: the pool of `concurrent.futures` is joined at exit, and a call that hangs would keep Python from
        # ending.
        threading.Thread(target=_take_calls, args=(inbox,), name="nbassist-tool", daemon=True).start()
    inbox.put(work)
    return future


def _take_calls(inbox: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        try:
            inbox.get(timeout=_IDLE)()
        except queue.Empty:
            with _lock:
                if inbox in _idle:  # else a call is on its way
                    _idle.remove(inbox)
                    return
        else:
            with _lock:
                _idle.append(inbox)


def _start(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], future: Future[T]) -> None:
    task = loop.create_task(coroutine)

    def finish(task: asyncio.Task[T]) -> None:
        with suppress(InvalidStateError):  # given up in the meantime
            if task.cancelled():
                future.cancel()
            elif (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

    def stop(future: Future[T]) -> None:
        if future.cancelled():
            loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(finish)
    # Both ways: whoever gives the future up cancels the task, too.
    future.add_done_callback(stop)


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop, _pid
    with _lock:
        if _loop is None or _loop.is_closed() or _pid != os.getpid():  # a thread does not live on in a fork
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_serve, args=(_loop,), name=THREAD, daemon=True).start()
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while not loop.is_closed():
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit):  # raised by a task that a tool left behind: the loop goes on
            continue
