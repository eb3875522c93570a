"""`Toolbox`: the tools of one run, and how the model's calls are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from ..errors import ToolError
from ..events import ToolFinished
from ..messages import ToolCall, ToolSpec
from . import background
from .definition import Approval, Ask, Mistakes, Tool
from .execute import Execution, finished
from .results import LIMIT

_GRACE = 2.0  # seconds that a coroutine has, after its time is up, to be cancelled


@dataclass(frozen=True)
class _Refused:
    """A call that does not run: `output` tells the model, `error` the person."""

    output: str
    error: str


class Toolbox:
    """Tools by name, and the calling of them.

    Parameters
    ----------
    tools : iterable of Tool or callable
        Functions are described by `Tool.from_function`. Of two of one name, the later counts.
    ask : Ask, optional
        Asks the person about calls that need approval; without it they are denied, and the model is told.
    limit : int
        Characters of a result that the model gets.
    """

    def __init__(
        self, tools: Iterable[Tool | Callable[..., Any]] = (), ask: Ask | None = None, *, limit: int = LIMIT
    ):
        made = [tool if isinstance(tool, Tool) else Tool.from_function(tool) for tool in tools]
        self.tools: dict[str, Tool] = {tool.name: tool for tool in made}
        self.ask = ask
        self.limit = limit

    def __len__(self) -> int:
        return len(self.tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools.values())

    @cached_property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as a model sees them.

        Raises
        ------
        ToolError
            Where an annotation of one still names what is not defined.
        """
        return tuple(tool.spec for tool in self.tools.values())

    def select(self, patterns: Iterable[str] | str) -> Toolbox:
        """Return a toolbox of those whose names match a name or glob, in the order of the patterns.

        Raises
        ------
        ToolError
            Where a pattern matches none.
        """
        chosen: dict[str, Tool] = {}
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            found = {name: tool for name, tool in self.tools.items() if fnmatchcase(name, pattern)}
            if not found:
                raise ToolError(f"no tool matches {pattern!r}; {self._known(pattern)}")
            chosen |= found
        return Toolbox(chosen.values(), self.ask, limit=self.limit)

    def run(self, calls: Sequence[ToolCall]) -> Iterator[ToolFinished]:
        """Answer calls: one `ToolFinished` for each, in their order.

        All arguments are checked and all approvals asked first. Then coroutines start together on one background
        loop, functions marked `thread` in threads, and plain functions run on the calling thread one after another.

        Raises
        ------
        KeyboardInterrupt
            As it comes; what runs elsewhere is cancelled, and the calls not yet answered stay so.
        """
        prepared = [self._prepare(call) for call in calls]
        elsewhere = {i: _start(item) for i, item in enumerate(prepared) if _is_elsewhere(item)}
        try:
            for index, (call, item) in enumerate(zip(calls, prepared, strict=True)):
                if isinstance(item, _Refused):
                    yield ToolFinished(call.id, call.name, item.output, item.error)
                elif index in elsewhere:
                    yield _wait(item, *elsewhere[index])
                else:
                    yield item.here()
        finally:
            for future, _ in elsewhere.values():
                future.cancel()

    async def arun(self, calls: Sequence[ToolCall]) -> AsyncIterator[ToolFinished]:
        """Answer calls as `run` does, with coroutines on the running loop; plain functions hold it up."""
        prepared = [self._prepare(call) for call in calls]
        tasks: dict[int, asyncio.Future[ToolFinished]] = {}
        for index, item in enumerate(prepared):
            if isinstance(item, Execution) and item.is_coroutine:
                tasks[index] = asyncio.ensure_future(item.on_loop())
            elif isinstance(item, Execution) and _is_elsewhere(item):
                tasks[index] = asyncio.ensure_future(_waited(item))
        try:
            for index, (call, item) in enumerate(zip(calls, prepared, strict=True)):
                if isinstance(item, _Refused):
                    yield ToolFinished(call.id, call.name, item.output, item.error)
                elif index in tasks:
                    yield await tasks[index]
                else:
                    yield item.here()
        finally:
            for task in tasks.values():
                task.cancel()

    def _prepare(self, call: ToolCall) -> Execution | _Refused:
        tool = self.tools.get(call.name)
        if tool is None:
            return _Refused(f"There is no tool {call.name!r}; {self._known(call.name)}.", f"no tool {call.name!r}")
        arguments = tool.arguments(call.arguments)
        if isinstance(arguments, Mistakes):
            return _mistaken(arguments)
        if _needs_approval(tool, arguments):
            approval = self.ask(tool, call, arguments) if self.ask else Approval(False, "no one is here to allow it")
            if not approval.allowed:
                comment = f": {approval.comment}" if approval.comment else "."
                return _Refused(f"This call was not allowed{comment}", f"not allowed{comment}".rstrip("."))
            if approval.arguments is not None:
                arguments = tool.arguments(approval.arguments)
                if isinstance(arguments, Mistakes):
                    return _mistaken(arguments)
        return Execution(tool, call, arguments, self.limit)

    def _known(self, name: str) -> str:
        if not self.tools:
            return "no tools are known"
        near = get_close_matches(name, self.tools, n=1)
        return f"known tools: {', '.join(self.tools)}" + (f" (did you mean {near[0]}?)" if near else "")


def _mistaken(mistakes: Mistakes) -> _Refused:
    lines = "\n".join(f"- {line}" for line in mistakes.lines)
    return _Refused(f"The tool was not run, its arguments are wrong:\n{lines}", f"wrong arguments: {mistakes}")


def _needs_approval(tool: Tool, arguments: dict[str, Any]) -> bool:
    if not callable(tool.approve):
        return bool(tool.approve)
    try:
        return bool(tool.approve(**arguments))
    except Exception:  # noqa: BLE001 - the person's own code; where it can't say, the person is asked
        return True


def _is_elsewhere(item: Execution | _Refused) -> bool:
    return isinstance(item, Execution) and item.is_elsewhere


def _start(item: Execution | _Refused) -> tuple[Future[ToolFinished], float]:
    assert isinstance(item, Execution)
    future = background.submit(item.on_loop()) if item.is_coroutine else background.in_thread(item.in_thread)
    return future, time.monotonic()


def _wait(item: Execution, future: Future[ToolFinished], started: float) -> ToolFinished:
    timeout = item.tool.timeout
    if timeout is None:
        return future.result()
    left = started + timeout + (_GRACE if item.is_coroutine else 0.0) - time.monotonic()
    try:
        return future.result(max(left, 0.0))
    except TimeoutError:
        future.cancel()
        return finished(item, time.monotonic() - started, error=item.too_late(still_runs=True))


async def _waited(item: Execution) -> ToolFinished:
    future, started = _start(item)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), item.tool.timeout)
    except TimeoutError:
        return finished(item, time.monotonic() - started, error=item.too_late(still_runs=True))
