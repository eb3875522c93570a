"""Hear a message of a widget while the cell's own code keeps the main thread busy.

ipykernel 7 reads its shell channel on a thread of its own; a tap there sees each comm message as it arrives. This is
private to ipykernel (seen in 7.1, 7.3 and 7.4), so each step is guarded: where it can't be installed, messages are
heard only when the cell has ended, and everything that uses this works without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    loop = getattr(thread, "io_loop", None)
    stream = getattr(kernel, "shell_stream", None)
    if loop is None or original is None or stream is None:
        return False

    async def main(message: Any) -> Any:
        if _taps:
            try:
                _hear(kernel, message)
            except Exception:
                kernel.log.debug("nbassist could not read a comm message", exc_info=True)
        return await original(message)

    loop.add_callback(lambda: stream.on_recv(main, copy=False))
    _installed.add(id(kernel))
    return True


def _hear(kernel: Any, message: Any) -> None:
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
