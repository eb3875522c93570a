"""What a tool prints and displays, kept in order: the one module of tools that knows IPython.

While a tool runs, `sys.stdout`, `sys.stderr`, `input` and the shell's display publisher are stand-ins that look, at
each use, for the capture of the context in which they are used. So tools that run at the same time, in threads or
on a loop, do not mix, and what runs outside any tool goes where it always went.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..core.events import MimeBundle
from . import guards, stream_redirects
from .descriptors import Descriptors, belong_to_a_kernel
from .results.figures import bundle_of_figure, is_figure, with_picture
from .results.reprs import clean, cut
from .results.result import ToolResult, bounded_bundle, to_bundle

_TEXT_LIMIT = 100_000  # characters of print that are kept of one call
_DISPLAYS = 200  # bundles that are kept of one call

_current: ContextVar[Capture | None] = ContextVar("nbassist_capture", default=None)
_active: list[Capture] = []
# Reentrant: to put the stand-ins in place flushes the streams, which ask whose output it is.
_lock = threading.RLock()
_descriptors: Descriptors | None = None


class Capture:
    """What one call printed and displayed; threads that the tool starts count as the tool."""

    def __init__(self, *, can_ask: bool) -> None:
        self.can_ask = can_ask
        self._parts: list[dict[str, Any] | list[str]] = []
        self._ids: dict[str, int] = {}
        self._size = 0
        self._dropped = 0
        self._wait = False
        # A thread starts with an empty context, so one that a tool starts is known by having begun since.
        self._others = weakref.WeakSet(threading.enumerate())

    def bundles(self) -> tuple[MimeBundle, ...]:
        """Return what was kept, in order: each stretch of print as text/plain, each display as its bundle."""
        if _descriptors is not None:
            _descriptors.drain()
        self._draw_pictures()
        return self.so_far()

    def _draw_pictures(self) -> None:
        """Add a picture to each display that only a page can draw: at the end, for a library may take seconds."""
        with _lock:
            parts = [(at, part) for at, part in enumerate(self._parts) if isinstance(part, dict)]
        for at, part in parts:
            drawn = dict(with_picture(part))
            with _lock:
                # A thread that the tool left behind may have put another in its place.
                if at < len(self._parts) and self._parts[at] is part:
                    self._parts[at] = drawn

    def so_far(self) -> tuple[MimeBundle, ...]:
        """Return what has come in so far, as `bundles` does; for a view that looks on while the call runs."""
        with _lock:
            parts = [part if isinstance(part, dict) else list(part) for part in self._parts]
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

    def may_ask(self) -> bool:
        """Whether a person can answer `input` in the call."""
        return self.can_ask and someone_is_there()

    def stop(self) -> None:
        """Capture no more threads: the call ended, or was given up and runs on unheard."""
        with _lock:
            last = _active == [self]
        if last and _descriptors is not None:
            _descriptors.drain()  # what was written so far is this call's
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


def bundle_of(value: Any, seconds: float | None = None) -> tuple[MimeBundle, ...]:
    """Return what the person sees of a tool's result, as a cell would display it; empty for None.

    Parameters
    ----------
    value : object
        What the tool returned; a `ToolResult` is shown as it says.
    seconds : float, optional
        How long each object may take to say how it is displayed. A picture of it is drawn after that, with a limit
        of its own, and is left out where it takes longer.

    Raises
    ------
    TimeoutError
        Where an object takes longer.
    """
    if isinstance(value, ToolResult):
        shown = value.text if value.show is None else value.show
        return tuple(bundle for part in (shown, *value.images) for bundle in bundle_of(part, seconds))
    if is_figure(value):
        return (bundle_of_figure(value),)
    shell = _shell()
    if shell is None or value is None or isinstance(value, str | bytes):
        bundle = to_bundle(value)
        return () if bundle is None else (bounded_bundle(bundle),)
    if seconds is None:
        bundle, failed = _displayed(value, shell)
    else:
        bundle, failed = guards.within(seconds, lambda: _displayed(value, shell))
    failures = tuple({"text/plain": line} for line in failed)
    # Empty where the object displayed itself.
    return (with_picture(bundle, value), *failures) if bundle else failures


def _displayed(value: Any, shell: Any) -> tuple[MimeBundle, list[str]]:
    """Return how IPython displays an object, and what failed on the way."""
    with _failures_of_formatters(shell) as failed:
        data, _ = shell.display_formatter.format(value)
    text = data.get("text/plain")
    if isinstance(text, str):
        data = {**data, "text/plain": cut(clean(text), 20_000)}
    return bounded_bundle(data) if data else {}, failed


@contextmanager
def _failures_of_formatters(shell: Any) -> Iterator[list[str]]:
    """Collect in a line each what IPython would publish as an error of the cell: a `_repr_html_` that raises."""
    if not isinstance(shell.__dict__.get("showtraceback"), _Noted):
        shell.showtraceback = _Noted(shell.showtraceback)
    outer, _displays.failed = getattr(_displays, "failed", None), list[str]()
    try:
        yield _displays.failed
    finally:
        _displays.failed = outer


_displays = threading.local()


class _Noted:
    """In the place of a shell's `showtraceback`: IPython's formatters report a failure by it, and have no other hook.

    It stays, and whatever is not displayed here goes on to the shell. Taken away at the end of a display it would be
    missing beside another one, and one that takes too long and is left to itself would keep all errors of cells.
    """

    def __init__(self, shows: Callable[..., Any]) -> None:
        self._shows = shows

    def __call__(self, *args: Any, **named: Any) -> Any:
        failed = getattr(_displays, "failed", None)
        if failed is None:
            return self._shows(*args, **named)
        error = sys.exception()
        failed.append(f"its display raised {type(error).__name__}: {clean(str(error))}")
        return None


def _found() -> Capture | None:
    capture = _current.get()
    if capture is not None or not _active:
        return capture
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return None
    with _lock:  # a thread that a tool started has an empty context
        owners = [capture for capture in _active if capture.owns_thread(thread)]
    # Of several the last that began: a thread does not say who started it.
    return owners[-1] if owners else None


def _shell() -> Any:
    """The running IPython shell; None without one. IPython is not imported for it."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def _ready() -> Capture | None:
    """Return where the output of this context belongs, after what a subprocess wrote before it."""
    capture = _found()
    if capture is not None and _descriptors is not None and _descriptors.is_waiting():
        _descriptors.drain()
    return capture


def _written(text: str) -> None:
    """Keep what a subprocess wrote: it belongs to the call that began last."""
    owners = list(_active)
    if text and owners:
        owners[-1].write(text)


def _install() -> None:
    """Put the stand-ins in place, and take what is written below Python's streams."""
    global _descriptors
    shell = _shell()
    stream_redirects.put(_ready, uncaptured, shell)
    guards.guard(lambda: _found() is not None, shell)
    if _descriptors is None and belong_to_a_kernel():
        # What was printed before the call goes where it went, before the descriptors are another's.
        sys.stdout.flush()
        sys.stderr.flush()
        _descriptors = Descriptors(_written)


def _remove() -> None:
    global _descriptors
    if _descriptors is not None:
        _descriptors.end()
        _descriptors = None
    guards.unguard(_shell())
    stream_redirects.take_away(_shell())


def has_page() -> bool:
    """Whether what is displayed here can be shown to a person: in a kernel's notebook."""
    return hasattr(_shell(), "kernel")


def someone_is_there() -> bool:
    """Whether a person can answer `input` on this thread."""
    # A kernel answers `input` on the main thread alone.
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
