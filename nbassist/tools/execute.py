"""One call whose arguments are valid: run it, keep what it shows, and turn every way it can end into one answer."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

from ..core import interrupts, runtime_environment
from ..core.events import MimeBundle, ToolFinished
from ..core.messages import ToolCall
from ..core.mime import in_words, needs_page
from ..core.protocols import Look
from ..errors import NbassistError
from . import background_loop
from .capture import Capture, bundle_of, capturing, has_page
from .definition import Tool
from .guards import TimeUp, can_interrupt, time_limit, within
from .results.bounded_json import draw
from .results.figures import open_figures, take_new
from .results.lazy_values import name_of
from .results.reprs import clean
from .results.result import ToolResult, images_for_model, marked, one_line, printed, to_text, traceback_of

Watch: TypeAlias = Callable[[str, Look], None]
_SECONDS = 5.0  # for what an object says of itself


@dataclass(frozen=True)
class Execution:
    """A call, ready to run; `note` is a word to the model that goes before its output, `watch` is told that it runs."""

    tool: Tool
    call: ToolCall
    arguments: dict[str, Any]
    limit: int
    note: str = ""
    watch: Watch | None = None
    captures: list[Capture] = field(default_factory=list, compare=False)

    @cached_property
    def is_coroutine(self) -> bool:
        """Whether the function is async and so runs on a loop."""
        function = self.tool.function
        # Behind a wrapper, and of an object its `__call__`: `iscoroutinefunction` looks at the outside alone.
        candidates = (function, inspect.unwrap(function), type(function).__call__)
        return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in candidates)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs beside the calling thread; a time limit that no signal can enforce needs that too.

        In a browser, which has no threads, only what is async does; the rest holds it up, without a limit of time.
        """
        unenforced = self.tool.timeout is not None and not can_interrupt()
        return self.is_coroutine or (runtime_environment.THREADS and (self.tool.thread or unenforced))

    def here(self) -> ToolFinished:
        """Run a plain function on this thread; a KeyboardInterrupt passes on."""
        return self._run(self.tool.timeout if can_interrupt() else None, can_ask=True)

    def in_thread(self) -> ToolFinished:
        """Run a plain function on this thread, which is not the person's."""
        return self._run(None, can_ask=False)

    async def on_loop(self) -> ToolFinished:
        """Run a coroutine on the running loop."""
        started = time.monotonic()
        with capturing(can_ask=False) as capture:
            self._begun(capture)
            try:
                async with asyncio.timeout(self.tool.timeout) as limit:
                    value = await _awaited(self.tool.invoke(self.arguments))
                shown = _present(value, self.limit)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # by whoever waits for it, or by the tool: they tell apart
                    raise
                return finished(self, time.monotonic() - started, capture.bundles(), error=error)
            except BaseException as error:  # noqa: BLE001 - SystemExit too is an answer to the model
                # A tool may raise TimeoutError itself, in good time.
                late = isinstance(error, TimeoutError) and limit.expired()
                failure: BaseException | str = self.too_late() if late else error
                return finished(self, time.monotonic() - started, capture.bundles(), error=failure)
        return finished(self, time.monotonic() - started, capture.bundles(), shown=shown)

    def given_up(self, seconds: float) -> ToolFinished:
        """The answer to a call that could not be stopped and is left to run on, with what it showed so far."""
        for capture in self.captures:
            # What it prints from here on is nobody's answer.
            capture.stop()
        shown = tuple(bundle for capture in self.captures for bundle in capture.bundles())
        return finished(self, seconds, shown, error=self.too_late(still_runs=True))

    def was_cancelled(self, seconds: float) -> ToolFinished:
        """The answer to a call whose task was cancelled though nobody who waits for it did that."""
        shown = tuple(bundle for capture in self.captures for bundle in capture.bundles())
        line = f"CancelledError: {self.tool.name} was cancelled from within"
        return finished(self, seconds, shown, error=line)

    def too_late(self, *, still_runs: bool = False) -> str:
        """One line for a call whose time is up."""
        line = f"TimeoutError: {self.tool.name} took longer than {self.tool.timeout:g} seconds"
        return f"{line}; it could not be stopped and may still run" if still_runs else line

    def told(self, output: str) -> str:
        """What the model is told: the output, marked as data where it comes from outside, after the note."""
        if self.tool.untrusted:
            output = marked(output)
        return f"{self.note}\n\n{output}" if self.note else output

    def _begun(self, capture: Capture) -> None:
        """Keep the capture, and let a view look at it from now on."""
        self.captures.append(capture)
        if self.watch is not None:
            self.watch(self.call.id, capture.so_far)

    def _run(self, timeout: float | None, *, can_ask: bool) -> ToolFinished:
        started, figures = time.monotonic(), open_figures()
        with capturing(can_ask=can_ask) as capture:
            self._begun(capture)
            try:
                with time_limit(timeout):
                    value = self.tool.invoke(self.arguments)
                    if inspect.isawaitable(value) or isinstance(value, AsyncIterator):
                        # A plain function that returns a coroutine: it can't be awaited here, where a loop may be
                        # running.
                        value = interrupts.result_of(background_loop.submit(_awaited(value)))
                    shown = _present(value, self.limit)
                    if can_ask:
                        # On the main thread alone: elsewhere another call's figures would be taken for this one's.
                        shown = replace(shown, bundles=(*take_new(figures, value), *shown.bundles))
            except TimeUp:
                return finished(self, time.monotonic() - started, capture.bundles(), error=self.too_late())
            except KeyboardInterrupt:
                if can_ask:
                    raise
                return finished(self, time.monotonic() - started, capture.bundles(), error="KeyboardInterrupt")
            except BaseException as error:  # noqa: BLE001 - SystemExit too is an answer to the model
                return finished(self, time.monotonic() - started, capture.bundles(), error=error)
        return finished(self, time.monotonic() - started, capture.bundles(), shown=shown)


@dataclass(frozen=True)
class ToolDisplay:
    """What a tool returned: text for the model, and what a person looks at."""

    text: str | None = None  # None where it returned nothing: the model gets what it printed
    bundles: tuple[MimeBundle, ...] = ()
    images: tuple[Any, ...] | None = None  # what its ToolResult says; None to take the images among the bundles


def finished(
    item: Execution,
    seconds: float,
    display: tuple[MimeBundle, ...] = (),
    *,
    shown: ToolDisplay = ToolDisplay(),
    error: BaseException | str | None = None,
) -> ToolFinished:
    """Make the answer to a call; an error is a line, or what the tool raised."""
    call = item.call
    if error is None:
        display, bundles = _allowed(item, display), _allowed(item, shown.bundles)
        text = printed(display, item.limit) if shown.text is None else shown.text
        display = (*display, *bundles)
        text = with_what_is_shown(text, display) or "done, no result"
        sources = display if shown.images is None else tuple(b for image in shown.images for b in bundle_of(image))
        images, left_out = images_for_model(sources)
        output = item.told(f"{text}\n{left_out}" if left_out else text)
        return ToolFinished(call.id, call.name, output, None, seconds, display, images=images)
    if isinstance(error, str):
        return ToolFinished(call.id, call.name, item.told(error), error, seconds, display)
    if isinstance(error, NbassistError):  # says in one line what happened and what to do
        line = clean(str(error))
        return ToolFinished(call.id, call.name, item.told(line), line, seconds, display)
    line = clean(one_line(error))
    first = " ".join(line.split())[:300]
    return ToolFinished(call.id, call.name, item.told(line), first, seconds, display, clean(traceback_of(error)))


def _allowed(item: Execution, bundles: tuple[MimeBundle, ...]) -> tuple[MimeBundle, ...]:
    """What comes from outside runs no script in the page: it is shown in words."""
    if not item.tool.untrusted:
        return bundles
    return tuple({"text/plain": f"{in_words(one)}, not shown"} if needs_page(one) else one for one in bundles)


def with_what_is_shown(text: str, bundles: tuple[MimeBundle, ...]) -> str:
    """Add to what the model reads what only a page can show, and whether it does."""
    seen = dict.fromkeys(in_words(one) for one in bundles if needs_page(one))
    if not seen:
        return text
    said = "shown to the person" if has_page() else "not shown, there is no page here"
    return f"{text}\n[{', '.join(seen)}: {said}]".lstrip("\n")


def _present(value: Any, limit: int) -> ToolDisplay:
    """Say what a tool returned; its own code has a limit of time for it."""
    value = draw(value)
    if value is None:
        return ToolDisplay()
    images = value.images if isinstance(value, ToolResult) else None
    try:
        # The repr of a large object may take minutes, and the tool itself is done.
        text = within(_SECONDS, lambda: to_text(value, limit))
    except TimeoutError:
        text = f"{name_of(value)}, whose repr takes longer than {_SECONDS:g} s"
        return ToolDisplay(text, ({"text/plain": text},), images)
    try:
        return ToolDisplay(text, bundle_of(value, _SECONDS), images)
    except TimeoutError:
        said = f"{name_of(value)}, whose display takes longer than {_SECONDS:g} s"
        return ToolDisplay(text, ({"text/plain": said},), images)


async def _awaited(value: Any) -> Any:
    if inspect.isawaitable(value):
        value = await value
        # An async function may return a coroutine or a task. No other awaitable: some give themselves, without end.
        while inspect.iscoroutine(value) or isinstance(value, asyncio.Future):
            value = await value
    if isinstance(value, AsyncIterator):
        items = []
        async for item in value:
            items.append(item)
            # An async iterator may never end.
            if len(items) == 1_000:
                items.append("… and perhaps more: only the first 1,000 were taken")
                break
        return items
    return value
