"""One call whose arguments are valid: run it, keep what it shows, and turn every way it can end into one answer."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import TracebackType
from typing import Any

from ..errors import NbassistError
from ..events import MimeBundle, ToolFinished
from ..messages import ToolCall
from . import background
from .capture import Capture, bundle_of, capturing
from .definition import Tool
from .figures import open_figures, take_new
from .images import images_for_model
from .plain import draw
from .reprs import clean, cut
from .results import ToolResult, to_text
from .untrusted import marked

_ERROR_LIMIT = 2_000  # characters of an error's message that the model gets


class _TimeUp(BaseException):
    """The tool's time is up; not an Exception, so that the tool's own handlers let it pass."""


@dataclass(frozen=True)
class Execution:
    """A call, ready to run; `note` is a word to the model that goes before its output."""

    tool: Tool
    call: ToolCall
    arguments: dict[str, Any]
    limit: int
    note: str = ""
    captures: list[Capture] = field(default_factory=list, compare=False)

    @cached_property
    def is_coroutine(self) -> bool:
        """Whether the function is async and so runs on a loop."""
        function = self.tool.function
        candidates = (function, inspect.unwrap(function), type(function).__call__)
        return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in candidates)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs beside the calling thread; a time limit that no signal can enforce needs that too."""
        unenforced = self.tool.timeout is not None and not _can_interrupt()
        return self.is_coroutine or self.tool.thread or unenforced

    def here(self) -> ToolFinished:
        """Run a plain function on this thread; a KeyboardInterrupt passes on."""
        return self._run(self.tool.timeout, can_ask=True)

    def in_thread(self) -> ToolFinished:
        """Run a plain function on this thread, which is not the person's."""
        return self._run(None, can_ask=False)

    async def on_loop(self) -> ToolFinished:
        """Run a coroutine on the running loop."""
        started = time.monotonic()
        with capturing(can_ask=False) as capture:
            self.captures.append(capture)
            try:
                async with asyncio.timeout(self.tool.timeout) as limit:
                    value = await _awaited(self.tool.invoke(self.arguments))
                shown = _present(value, self.limit)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - SystemExit too is an answer to the model
                late = isinstance(error, TimeoutError) and limit.expired()
                failure: BaseException | str = self.too_late() if late else error
                return finished(self, time.monotonic() - started, capture.bundles(), error=failure)
        return finished(self, time.monotonic() - started, capture.bundles(), shown=shown)

    def given_up(self, seconds: float) -> ToolFinished:
        """The answer to a call that could not be stopped and is left to run on, with what it showed so far."""
        for capture in self.captures:
            capture.stop()
        shown = tuple(bundle for capture in self.captures for bundle in capture.bundles())
        return finished(self, seconds, shown, error=self.too_late(still_runs=True))

    def too_late(self, *, still_runs: bool = False) -> str:
        """One line for a call whose time is up."""
        line = f"TimeoutError: {self.tool.name} took longer than {self.tool.timeout:g} seconds"
        return f"{line}; it could not be stopped and may still run" if still_runs else line

    def told(self, output: str) -> str:
        """What the model is told: the output, marked as data where it comes from outside, after the note."""
        if self.tool.untrusted:
            output = marked(output)
        return f"{self.note}\n\n{output}" if self.note else output

    def _run(self, timeout: float | None, *, can_ask: bool) -> ToolFinished:
        started, figures = time.monotonic(), open_figures()
        with capturing(can_ask=can_ask) as capture:
            self.captures.append(capture)
            try:
                with _time_limit(timeout):
                    value = self.tool.invoke(self.arguments)
                    if inspect.isawaitable(value) or isinstance(value, AsyncIterator):
                        value = background.submit(_awaited(value)).result()
                    shown = _present(value, self.limit)
                    if can_ask:
                        shown = replace(shown, bundles=(*take_new(figures, value), *shown.bundles))
            except _TimeUp:
                return finished(self, time.monotonic() - started, capture.bundles(), error=self.too_late())
            except KeyboardInterrupt:
                if can_ask:
                    raise
                return finished(self, time.monotonic() - started, capture.bundles(), error="KeyboardInterrupt")
            except BaseException as error:  # noqa: BLE001 - SystemExit too is an answer to the model
                return finished(self, time.monotonic() - started, capture.bundles(), error=error)
        return finished(self, time.monotonic() - started, capture.bundles(), shown=shown)


@dataclass(frozen=True)
class Shown:
    """What a tool returned: text for the model, and what a person looks at."""

    text: str = ""
    bundles: tuple[MimeBundle, ...] = ()
    images: tuple[Any, ...] | None = None  # what its ToolResult says; None to take the images among the bundles


def finished(
    item: Execution,
    seconds: float,
    display: tuple[MimeBundle, ...] = (),
    *,
    shown: Shown = Shown(),
    error: BaseException | str | None = None,
) -> ToolFinished:
    """Make the answer to a call; an error is a line, or what the tool raised."""
    call = item.call
    if error is None:
        display = (*display, *shown.bundles)
        sources = display if shown.images is None else tuple(b for image in shown.images for b in bundle_of(image))
        images, left_out = images_for_model(sources)
        output = item.told(f"{shown.text}\n{left_out}" if left_out else shown.text)
        return ToolFinished(call.id, call.name, output, None, seconds, display, images=images)
    if isinstance(error, str):
        return ToolFinished(call.id, call.name, item.told(error), error, seconds, display)
    if isinstance(error, NbassistError):  # says in one line what happened and what to do
        line = clean(str(error))
        return ToolFinished(call.id, call.name, item.told(line), line, seconds, display)
    line = clean(_one_line(error))
    return ToolFinished(
        call.id, call.name, item.told(line), _first_line(line), seconds, display, clean(_traceback(error))
    )


def _present(value: Any, limit: int) -> Shown:
    value = draw(value)
    return Shown(to_text(value, limit), bundle_of(value), value.images if isinstance(value, ToolResult) else None)


async def _awaited(value: Any) -> Any:
    if isinstance(value, AsyncIterator):
        items = []
        async for item in value:
            items.append(item)
            if len(items) == 1_000:
                items.append("… and perhaps more: only the first 1,000 were taken")
                break
        return items
    return await value if inspect.isawaitable(value) else value


def _one_line(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - the error's own code
        said = ""
    name = type(error).__name__
    return cut(f"{name}: {said}" if said else name, _ERROR_LIMIT)


def _first_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _traceback(error: BaseException) -> str:
    """The traceback from the tool's own first frame on."""
    at: TracebackType | None = error.__traceback__
    while at is not None and at.tb_frame.f_globals.get("__name__", "").startswith("nbassist.tools"):
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at))


def _can_interrupt() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `_TimeUp` in this, the main thread, after a time: it breaks into a blocking call too."""
    if seconds is None:
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise _TimeUp

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, ring)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    started = time.monotonic()
    try:
        yield
    finally:
        left = max(outer - (time.monotonic() - started), 0.001) if outer else 0.0
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
