"""`Toolbox`: the tools of one run, and how the model's calls are answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, TypeAlias

from ..core import interrupts
from ..core.events import ApprovalAnswered, ApprovalAsked, ToolFinished
from ..core.messages import ToolCall, ToolSpec
from ..errors import ToolError
from . import background_loop
from .approval import Approvals, Refused, settle, settle_hosted
from .decorator import as_tool
from .definition import Tool
from .execute import Execution, Watch, finished
from .results.bounded_json import to_json
from .results.reprs import LIMIT, clean
from .schema.argument_errors import Mistakes

ToolEvent: TypeAlias = ApprovalAsked | ApprovalAnswered | ToolFinished
Preparing: TypeAlias = Generator[ApprovalAsked | ApprovalAnswered, ApprovalAnswered | None, "Execution | ToolFinished"]

_EDITED = "The person changed the arguments; it was called with"
# Its cancellation may have to close what it holds; a thread can't be cancelled, and gets none.
_GRACE = 2.0  # seconds that a coroutine has, after its time is up, to be cancelled


class Toolbox:
    """Tools by name, and the calling of them.

    Parameters
    ----------
    tools : iterable of Tool or callable
        What `@tool` said of a function holds here, too. Of two of one name, the later counts.
    limit : int
        Characters of a result that the model gets.
    """

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = (), *, limit: int = LIMIT):
        made = [as_tool(tool) for tool in tools]
        self.tools: dict[str, Tool] = {tool.name: tool for tool in made}
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

    @cached_property
    def strict_specs(self) -> tuple[ToolSpec, ...]:
        """The tools for a service that can hold a model to their schemas, strict wherever that can be had."""
        return tuple(tool.strict_spec() for tool in self.tools.values())

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
        return Toolbox(chosen.values(), limit=self.limit)

    def run(
        self, calls: Sequence[ToolCall], approvals: Approvals | None = None, watch: Watch | None = None
    ) -> Iterator[ToolEvent]:
        """Answer calls: one `ToolFinished` for each, in their order, after what was asked about them.

        All arguments are checked and all approvals asked first. Then coroutines start together on one background
        loop, functions marked `thread` in threads, and plain functions run on the calling thread one after another,
        without waiting for the others.

        Parameters
        ----------
        calls : sequence of ToolCall
            All calls of one turn.
        approvals : Approvals, optional
            Of the run; without it a call that needs approval is denied.
        watch : callable, optional
            Told that a call runs now, with what gives what it has shown so far.

        Raises
        ------
        KeyboardInterrupt
            As it comes, after the answers that stand already; what runs elsewhere is cancelled.
        """
        approvals = approvals or Approvals()
        prepared: list[Execution | ToolFinished] = []
        for call in calls:
            steps, answer = self._prepare(call, approvals, watch), None
            while (event := _step(steps, answer, prepared)) is not None:
                yield event
                answer = approvals.answer(event) if isinstance(event, ApprovalAsked) else None
        done = {i: item for i, item in enumerate(prepared) if isinstance(item, ToolFinished)}
        here = deque((i, item) for i, item in _executions(prepared) if not item.is_elsewhere)
        elsewhere: dict[int, _Started] = {}
        try:
            for i, item in _executions(prepared):
                if item.is_elsewhere:
                    # Started before the plain functions, which would hold them up.
                    elsewhere[i] = _Started(item)
            for index in range(len(prepared)):
                while index not in done:
                    # While there is a plain function to run, nothing is waited for.
                    if index in elsewhere and (elsewhere[index].future.done() or not here):
                        done[index] = elsewhere[index].wait()
                    else:
                        first, item = here.popleft()
                        done[first] = item.here()
                yield done.pop(index)
        except KeyboardInterrupt:
            # What has an answer by now gives it: the model is not told "interrupted" of a call that did its work.
            done |= {i: started.wait() for i, started in elsewhere.items() if started.future.done()}
            yield from (done[index] for index in sorted(done))
            raise
        finally:
            for started in elsewhere.values():
                # A coroutine ends by it; a thread runs on, unheard.
                started.future.cancel()

    async def arun(
        self, calls: Sequence[ToolCall], approvals: Approvals | None = None, watch: Watch | None = None
    ) -> AsyncIterator[ToolEvent]:
        """Answer calls as `run` does, with coroutines on the running loop; plain functions hold it up.

        An `ask` that is a coroutine function is awaited; another one holds the loop up, too.
        """
        approvals = approvals or Approvals()
        prepared: list[Execution | ToolFinished] = []
        for call in calls:
            steps, answer = self._prepare(call, approvals, watch), None
            while (event := _step(steps, answer, prepared)) is not None:
                yield event
                answer = await approvals.aanswer(event) if isinstance(event, ApprovalAsked) else None
        done = {i: item for i, item in enumerate(prepared) if isinstance(item, ToolFinished)}
        tasks = {i: asyncio.ensure_future(_elsewhere(item)) for i, item in _executions(prepared) if item.is_elsewhere}
        try:
            for index, item in _executions(prepared):
                if index not in tasks:
                    await asyncio.sleep(0)  # let the coroutines start, and go on between two plain functions
                    done[index] = item.here()
            for index in range(len(prepared)):
                yield done[index] if index in done else await _answer_of(tasks[index], prepared[index])
        finally:
            for task in tasks.values():
                task.cancel()

    def _prepare(self, call: ToolCall, approvals: Approvals, watch: Watch | None) -> Preparing:
        """Check a call, and have it approved: it is ready to run, or its answer stands already."""
        if call.kind == "approval":
            settled = yield from settle_hosted(approvals, call)
            if isinstance(settled, Refused):
                return _refused(call, f"denied: {settled.comment}", f"not allowed: {settled.comment}")
            return ToolFinished(call.id, call.name, "approved")
        tool = self.tools.get(call.name)
        if tool is None:
            return _refused(
                call, f"There is no tool {call.name!r}; {self._known(call.name)}.", f"no tool {call.name!r}"
            )
        arguments = tool.arguments(call.arguments, raw=call.kind == "custom")
        if isinstance(arguments, Mistakes):
            lines = "\n".join(f"- {line}" for line in arguments.lines)
            return _refused(
                call, f"The tool was not run, its arguments are wrong:\n{lines}", f"wrong arguments: {arguments}"
            )
        allowed = yield from settle(approvals, tool, call, arguments)
        if isinstance(allowed, Refused):
            comment = f": {allowed.comment}" if allowed.comment else ""
            return _refused(call, f"This call was not allowed{comment or '.'}", f"not allowed{comment}")
        # By identity: what was not edited is the very same object.
        note = "" if allowed is arguments else f"{_EDITED} {to_json(allowed, 2_000)}"
        return Execution(tool, call, allowed, self.limit, note, watch)

    def _known(self, name: str) -> str:
        if not self.tools:
            return "no tools are known"
        near = get_close_matches(name, self.tools, n=1)
        return f"known tools: {', '.join(self.tools)}" + (f" (did you mean {near[0]}?)" if near else "")


def _refused(call: ToolCall, output: str, error: str) -> ToolFinished:
    return ToolFinished(call.id, call.name, clean(output), clean(error))


def _executions(prepared: Sequence[Execution | ToolFinished]) -> Iterator[tuple[int, Execution]]:
    return ((index, item) for index, item in enumerate(prepared) if isinstance(item, Execution))


def _step(
    steps: Preparing, answer: ApprovalAnswered | None, prepared: list[Execution | ToolFinished]
) -> ApprovalAsked | ApprovalAnswered | None:
    """Go on with one call: what it tells next, or None once it stands in `prepared`."""
    try:
        return steps.send(answer)
    except StopIteration as stop:
        prepared.append(stop.value)
        return None


class _Started:
    """A call that runs beside the calling thread."""

    def __init__(self, item: Execution) -> None:
        self.item = item
        self.started = time.monotonic()
        self.future: Future[ToolFinished]
        if item.is_coroutine:
            self.future = background_loop.submit(item.on_loop())
        else:
            self.future = background_loop.in_thread(item.in_thread)

    def wait(self) -> ToolFinished:
        """Wait for the answer; where the time is up and it can't be stopped, go on without it."""
        timeout = self.item.tool.timeout
        try:
            return self._answer(timeout)
        except CancelledError:  # nobody here cancelled it: it did so itself
            return self.item.was_cancelled(time.monotonic() - self.started)
        except ToolError as error:  # it never began: what a tool raises is in its answer
            return finished(self.item, 0.0, error=error)

    def _answer(self, timeout: float | None) -> ToolFinished:
        if timeout is None:
            return interrupts.result_of(self.future)
        left = self.started + timeout + (_GRACE if self.item.is_coroutine else 0.0) - time.monotonic()
        try:
            return interrupts.result_of(self.future, max(left, 0.0))
        except TimeoutError:
            self.future.cancel()
            return self.given_up()

    def given_up(self) -> ToolFinished:
        """The answer to a call that is left to run on."""
        return self.item.given_up(time.monotonic() - self.started)


async def _answer_of(task: asyncio.Task[ToolFinished], item: Any) -> ToolFinished:
    """Wait for a call; one that was cancelled from within has failed, and the run goes on."""
    started = time.monotonic()
    await asyncio.wait({task})  # raises where whoever waits here is cancelled
    return item.was_cancelled(time.monotonic() - started) if task.cancelled() else task.result()


async def _elsewhere(item: Execution) -> ToolFinished:
    if item.is_coroutine:
        return await item.on_loop()
    started = _Started(item)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(started.future), item.tool.timeout)
    except TimeoutError:
        return started.given_up()
