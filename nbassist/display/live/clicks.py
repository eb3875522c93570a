"""Hear a click while the cell's own code keeps the main thread busy, and stop the run when it is the Stop button's.

ipykernel 7 reads its shell channel on a thread of its own; a tap there sees each comm message as it arrives. This is
private to ipykernel (seen in 7.1, 7.3 and 7.4), so each step is guarded: where it can't be installed, messages are
heard only when the cell has ended, and everything that uses this works without it.
"""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

from ..static.saved_form import in_cell

_taps: dict[str, Callable[[Any], None]] = {}
_installed: set[int] = set()


def possible(kernel: Any) -> bool:
    """Whether messages can be heard here; where it is the first time, put the tap in."""
    return id(kernel) in _installed or _install(kernel)


def listen(comm_id: str, heard: Callable[[Any], None]) -> None:
    """Call `heard` with the content of each custom message to `comm_id`, where that is `possible`.

    `heard` is called on the shell-channel thread: it sets a flag or an event and nothing more.
    """
    _taps[comm_id] = heard


def forget(comm_id: str) -> None:
    """Listen no longer to `comm_id`."""
    _taps.pop(comm_id, None)


def _install(kernel: Any) -> bool:
    thread = getattr(kernel, "shell_channel_thread", None)
    original = getattr(kernel, "shell_channel_thread_main", None)
    # The loop of the thread that reads the shell channel. The main thread's own stands still while a cell blocks it.
    loop = getattr(thread, "io_loop", None)
    stream = getattr(kernel, "shell_stream", None)
    if loop is None or original is None or stream is None:
        return False

    async def main(message: Any) -> Any:
        # Without a view there is nothing to hear, and no message is read twice.
        if _taps:
            try:
                _hear(kernel, message)
            # The message has to reach the kernel, whatever became of our look at it.
            except Exception:
                kernel.log.debug("nbassist could not read a comm message", exc_info=True)
        # Passed on untouched, clicks too: the kernel hands each to its widget when the cell has ended.
        return await original(message)

    # On the loop's own thread, since a ZMQ stream is not to be touched from another. This takes the place of the
    # kernel's callback, which `main` calls.
    loop.add_callback(lambda: stream.on_recv(main, copy=False))
    _installed.add(id(kernel))
    return True


def _hear(kernel: Any, message: Any) -> None:
    # The parts are signature, header, parent, metadata, content. The header alone is read of what is no click.
    _, parts = kernel.session.feed_identities(message, copy=False)
    if kernel.session.unpack(bytes(parts[1].buffer))["msg_type"] != "comm_msg":
        return
    # This holds the signature against the kernel's key: who has no key allows no call. It takes no note of the
    # message, which the kernel itself reads after this.
    signed = kernel.session.deserialize(parts, content=False, copy=False)
    content = kernel.session.unpack(signed["content"])
    data = content.get("data", {})
    heard = _taps.get(content.get("comm_id"))
    if heard is not None and data.get("method") == "custom":
        heard(data.get("content"))


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
        # A task that a cell made goes on after it: an interrupt would hit whichever cell runs by then.
        if self.possible and self._loop is not None and not in_cell():
            self._task = asyncio.current_task()

    def stop(self) -> bool:
        """Stop the run; may be called on any thread. False where it has ended already."""
        # Held while the signal is sent: once `end` has the lock, none follows.
        with self._lock:
            if not self._running:
                return False
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
                return True
            if hasattr(signal, "pthread_kill"):  # breaks into a system call too, such as a tool's sleep
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            else:
                # Windows has no signal for one thread; there a system call is waited out.
                _thread.interrupt_main()
            if self._loop is not None:  # the kernel's handler of the signal does not wake a loop that waits
                self._loop.call_soon_threadsafe(lambda: None)
            return True

    def end(self) -> None:
        """The run has ended: nothing is interrupted from here on."""
        with self._lock:
            self._running = False
