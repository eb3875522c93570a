"""`Toolbox`: the tools of one run, and how the model's calls are answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from ..errors import ToolError
from ..events import ToolFinished
from ..messages import ToolCall, ToolSpec
from . import background
from .definition import Approval, Ask, Tool
from .execute import Execution
from .mistakes import Mistakes
from .reprs import LIMIT, clean

_GRACE = 2.0  # seconds that a coroutine has, after its time is up, to be cancelled


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

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = (), ask: Ask | None = None, *, limit: int = LIMIT):
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
        loop, functions marked `thread` in threads, and plain functions run on the calling thread one after another,
        without waiting for the others.

        Raises
        ------
        KeyboardInterrupt
            As it comes, after the answers that stand already; what runs elsewhere is cancelled.
        """
        prepared = [self._prepare(call) for call in calls]
        done = {i: item for i, item in enumerate(prepared) if isinstance(item, ToolFinished)}
        here = deque((i, item) for i, item in _executions(prepared) if not item.is_elsewhere)
        elsewhere: dict[int, _Started] = {}
        try:
            for i, item in _executions(prepared):
                if item.is_elsewhere:
                    elsewhere[i] = _Started(item)
            for index in range(len(prepared)):
                while index not in done:
                    if index in elsewhere and (elsewhere[index].future.done() or not here):
                        done[index] = elsewhere[index].wait()
                    else:
                        first, item = here.popleft()
                        done[first] = item.here()
                yield done.pop(index)
        except KeyboardInterrupt:
            done |= {i: started.wait() for i, started in elsewhere.items() if started.future.done()}
            yield from (done[index] for index in sorted(done))
            raise
        finally:
            for started in elsewhere.values():
                started.future.cancel()

    async def arun(self, calls: Sequence[ToolCall]) -> AsyncIterator[ToolFinished]:
        """Answer calls as `run` does, with coroutines on the running loop; plain functions hold it up."""
        prepared = [self._prepare(call) for call in calls]
        done = {i: item for i, item in enumerate(prepared) if isinstance(item, ToolFinished)}
        tasks = {i: asyncio.ensure_future(_elsewhere(item)) for i, item in _executions(prepared) if item.is_elsewhere}
        try:
            for index, item in _executions(prepared):
                if index not in tasks:
                    await asyncio.sleep(0)  # let the coroutines start, and go on between two plain functions
                    done[index] = item.here()
            for index in range(len(prepared)):
                yield done[index] if index in done else await tasks[index]
        finally:
            for task in tasks.values():
                task.cancel()

    def _prepare(self, call: ToolCall) -> Execution | ToolFinished:
        """Check a call: it is ready to run, or its answer stands already."""
        tool = self.tools.get(call.name)
        if tool is None:
            return _refused(
                call, f"There is no tool {call.name!r}; {self._known(call.name)}.", f"no tool {call.name!r}"
            )
        arguments = tool.arguments(call.arguments)
        if not isinstance(arguments, Mistakes) and _needs_approval(tool, arguments):
            approval = self.ask(tool, call, arguments) if self.ask else Approval(False, "no one is here to allow it")
            if not approval.allowed:
                comment = f": {approval.comment}" if approval.comment else ""
                return _refused(call, f"This call was not allowed{comment or '.'}", f"not allowed{comment}")
            if approval.arguments is not None:
                arguments = tool.arguments(approval.arguments)
        if isinstance(arguments, Mistakes):
            lines = "\n".join(f"- {line}" for line in arguments.lines)
            return _refused(
                call, f"The tool was not run, its arguments are wrong:\n{lines}", f"wrong arguments: {arguments}"
            )
        return Execution(tool, call, arguments, self.limit)

    def _known(self, name: str) -> str:
        if not self.tools:
            return "no tools are known"
        near = get_close_matches(name, self.tools, n=1)
        return f"known tools: {', '.join(self.tools)}" + (f" (did you mean {near[0]}?)" if near else "")


def _refused(call: ToolCall, output: str, error: str) -> ToolFinished:
    return ToolFinished(call.id, call.name, clean(output), clean(error))


def _executions(prepared: Sequence[Execution | ToolFinished]) -> Iterator[tuple[int, Execution]]:
    return ((index, item) for index, item in enumerate(prepared) if isinstance(item, Execution))


def _needs_approval(tool: Tool, arguments: dict[str, Any]) -> bool:
    if not callable(tool.approve):
        return bool(tool.approve)
    try:
        return bool(tool.approve(**arguments))
    except Exception:  # noqa: BLE001 - the person's own code; where it can't say, the person is asked
        return True


class _Started:
    """A call that runs beside the calling thread."""

    def __init__(self, item: Execution) -> None:
        self.item = item
        self.started = time.monotonic()
        self.future: Future[ToolFinished]
        if item.is_coroutine:
            self.future = background.submit(item.on_loop())
        else:
            self.future = background.in_thread(item.in_thread)

    def wait(self) -> ToolFinished:
        """Wait for the answer; where the time is up and it can't be stopped, go on without it."""
        timeout = self.item.tool.timeout
        if timeout is None:
            return self.future.result()
        left = self.started + timeout + (_GRACE if self.item.is_coroutine else 0.0) - time.monotonic()
        try:
            return self.future.result(max(left, 0.0))
        except TimeoutError:
            self.future.cancel()
            return self.given_up()

    def given_up(self) -> ToolFinished:
        """The answer to a call that is left to run on."""
        return self.item.given_up(time.monotonic() - self.started)


async def _elsewhere(item: Execution) -> ToolFinished:
    if item.is_coroutine:
        return await item.on_loop()
    started = _Started(item)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(started.future), item.tool.timeout)
    except TimeoutError:
        return started.given_up()
