"""What a tool prints and displays, kept in order: the one module of tools that knows IPython.

While a tool runs, `sys.stdout`, `sys.stderr`, `input` and the shell's display publisher are stand-ins that look, at
each use, for the capture of the context in which they are used. So tools that run at the same time, in threads or
on a loop, do not mix, and what runs outside any tool goes where it always went.
"""

from __future__ import annotations

import builtins
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..events import MimeBundle
from .figures import bundle_of_figure, is_figure
from .reprs import clean, cut
from .results import ToolResult, bounded_bundle, to_bundle

_TEXT_LIMIT = 100_000  # characters of print that are kept of one call
_DISPLAYS = 200  # bundles that are kept of one call

_current: ContextVar[Capture | None] = ContextVar("nbassist_capture", default=None)
_active: list[Capture] = []
_lock = threading.RLock()


class Capture:
    """What one call printed and displayed; threads that the tool starts count as the tool."""

    def __init__(self, *, can_ask: bool) -> None:
        self.can_ask = can_ask
        self._parts: list[dict[str, Any] | list[str]] = []
        self._ids: dict[str, int] = {}
        self._size = 0
        self._dropped = 0
        self._wait = False
        self._others = weakref.WeakSet(threading.enumerate())

    def bundles(self) -> tuple[MimeBundle, ...]:
        """Return what was kept, in order: each stretch of print as text/plain, each display as its bundle."""
        with _lock:
            parts = list(self._parts)
        kept: list[MimeBundle] = []
        for part in parts:
            if isinstance(part, dict):
                kept.append(part)
            elif text := _as_terminal(clean("".join(part))):
                kept.append({"text/plain": text})
        if self._dropped:
            kept.append({"text/plain": f"[… {self._dropped:,} more characters or displays left out …]"})
        return tuple(kept)

    def write(self, text: str) -> None:
        """Keep a piece of print."""
        with _lock:
            self._cleared()
            room = max(_TEXT_LIMIT - self._size, 0)
            self._dropped += max(len(text) - room, 0)
            text = text[:room]
            self._size += len(text)
            if text and self._parts and isinstance(self._parts[-1], list):
                self._parts[-1].append(text)
            elif text:
                self._parts.append([text])

    def publish(self, data: Mapping[str, Any], display_id: str = "", *, update: bool = False) -> None:
        """Keep a display, or put it in the place of the one with its id."""
        bundle = dict(bounded_bundle(data))
        with _lock:
            self._cleared()
            at = self._ids.get(display_id, -1)
            if update and at >= 0:
                self._parts[at] = bundle
            elif len(self._parts) >= _DISPLAYS:
                self._dropped += 1
            else:
                if display_id:
                    self._ids[display_id] = len(self._parts)
                self._parts.append(bundle)

    def clear(self, wait: bool) -> None:
        """Forget what was kept, at once or as soon as something new comes."""
        with _lock:
            self._wait = True
            if not wait:
                self._cleared()

    def _cleared(self) -> None:
        if self._wait:
            self._wait, self._size = False, 0
            self._parts.clear()
            self._ids.clear()

    def stop(self) -> None:
        """Capture no more threads: the call ended, or was given up and runs on unheard."""
        with _lock:
            if self in _active:
                _active.remove(self)
                if not _active:
                    _remove()

    def owns_thread(self, thread: threading.Thread) -> bool:
        """Whether a thread without a context of its own began after the call did."""
        return thread not in self._others


@contextmanager
def capturing(*, can_ask: bool = True) -> Iterator[Capture]:
    """Capture what is printed and displayed in this context.

    Parameters
    ----------
    can_ask : bool
        Whether `input` may ask the person; where not, it raises EOFError at once in place of waiting for ever.
    """
    capture = Capture(can_ask=can_ask)
    with _lock:
        _active.append(capture)
        _install()
    token = _current.set(capture)
    try:
        yield capture
    finally:
        _current.reset(token)
        capture.stop()


@contextmanager
def uncaptured() -> Iterator[None]:
    """Let what is printed and asked here go where it always went, whatever captures around it."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def captured() -> tuple[MimeBundle, ...]:
    """Return what the call that runs here printed and displayed so far; empty outside of one."""
    capture = _current.get()
    return () if capture is None else capture.bundles()


def bundle_of(value: Any) -> tuple[MimeBundle, ...]:
    """Return what the person sees of a tool's result, as a cell would display it; empty for None."""
    if isinstance(value, ToolResult):
        shown = value.text if value.show is None else value.show
        return tuple(bundle for part in (shown, *value.images) for bundle in bundle_of(part))
    if is_figure(value):
        return (bundle_of_figure(value),)
    shell = _shell()
    if shell is None or value is None or isinstance(value, str | bytes):
        bundle = to_bundle(value)
        return () if bundle is None else (bounded_bundle(bundle),)
    data, _ = shell.display_formatter.format(value)
    if not data:  # the object displayed itself
        return ()
    text = data.get("text/plain")
    return (bounded_bundle({**data, "text/plain": cut(clean(text), 20_000)} if isinstance(text, str) else data),)


def _found() -> Capture | None:
    capture = _current.get()
    if capture is not None or not _active:
        return capture
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return None
    with _lock:  # a thread that a tool started has an empty context
        owners = [capture for capture in _active if capture.owns_thread(thread)]
    return owners[-1] if owners else None


def _shell() -> Any:
    """The running IPython shell; None without one. IPython is not imported for it."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


class _Stream:
    """Stands in for `sys.stdout` or `sys.stderr`."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        capture = _found()
        if capture is None:
            return int(self.stream.write(text) or 0)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        capture.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _found() is None and self.stream is not None:
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Publisher:
    """Stands in for the shell's display publisher."""

    def __init__(self, publisher: Any) -> None:
        self.__dict__["publisher"] = publisher

    def publish(self, data: Any, metadata: Any = None, *args: Any, **kwargs: Any) -> None:
        capture = _found()
        if capture is None:
            self.publisher.publish(data, metadata, *args, **kwargs)
            return
        display_id = str((kwargs.get("transient") or {}).get("display_id", ""))
        capture.publish(data, display_id, update=bool(kwargs.get("update")))

    def clear_output(self, wait: bool = False) -> None:
        capture = _found()
        if capture is None:
            self.publisher.clear_output(wait)
        else:
            capture.clear(wait)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.publisher, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.publisher, name, value)


class _Input:
    """Stands in for `input`."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __call__(self, prompt: object = "", /) -> str:
        capture = _found()
        if capture is not None and not (capture.can_ask and someone_is_there()):
            raise EOFError("no one can answer input() here")
        with uncaptured():  # the question belongs to the person, not to the call's panel
            return str(self.real(prompt))


def _install() -> None:
    """Put the stand-ins in place, each where it does not stand yet: a call given up may have left its own."""
    if not isinstance(sys.stdout, _Stream):
        sys.stdout = _Stream(sys.stdout)
    if not isinstance(sys.stderr, _Stream):
        sys.stderr = _Stream(sys.stderr)
    if not isinstance(builtins.input, _Input):
        builtins.input = _Input(builtins.input)
    shell = _shell()
    if shell is not None and not isinstance(shell.display_pub, _Publisher):
        shell.display_pub = _Publisher(shell.display_pub)


def _remove() -> None:
    """Take the stand-ins away; what a tool put in their place and left there stays."""
    if isinstance(sys.stdout, _Stream):
        sys.stdout = sys.stdout.stream
    if isinstance(sys.stderr, _Stream):
        sys.stderr = sys.stderr.stream
    if isinstance(builtins.input, _Input):
        builtins.input = builtins.input.real
    shell = _shell()
    if shell is not None and isinstance(shell.display_pub, _Publisher):
        shell.display_pub = shell.display_pub.publisher


def someone_is_there() -> bool:
    """Whether a person can answer `input` on this thread."""
    if threading.current_thread() is not threading.main_thread():
        return False
    shell = _shell()
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", True))
    return bool(sys.stdin and not sys.stdin.closed and sys.stdin.isatty())


def _as_terminal(text: str) -> str:
    """Let each carriage return overwrite its line, as a progress bar means it."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
