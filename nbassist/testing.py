"""Test tools and prompts without a model: a backend that plays a script, and fails where the run leaves it.

    from nbassist import Assistant
    from nbassist.testing import Call, Say, ScriptedBackend

    def test_the_orders_are_counted():
        with ScriptedBackend(
            Call("row_count", table="orders").expect("12"),
            Say("There are 12 orders."),
        ) as model:
            reply = Assistant(backend=model, tools=[row_count]).ask("How many orders?")
        assert reply.text == "There are 12 orders."

What is scripted is what the model does; the tools are the real ones. A call of a tool that is not offered, a call that
fails unexpectedly, an output that is not the expected one, a request past the end of the script and a turn of the
script that was never asked for: each is a `ScriptError`, an AssertionError that says what came in place of what.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import TracebackType
from typing import Any, TypeAlias

from .core.events import (
    Event,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
)
from .core.messages import Message, Request, ToolCall, ToolOutput
from .errors import ConversationError

__all__ = ["Call", "Cut", "Prompt", "Say", "ScriptError", "ScriptedBackend", "call_tool"]

Expected: TypeAlias = str | re.Pattern[str] | Callable[[str], bool]
"""A text that has to be there exactly, a pattern that has to be found in it, or a function that says whether it will
do."""


class ScriptError(AssertionError):
    """The run left the script."""


@dataclass(frozen=True)
class Say:
    """A turn in which the model answers with a text."""

    text: str


@dataclass(frozen=True)
class Cut:
    """A turn whose stream breaks off after a text."""

    text: str = ""


@dataclass(frozen=True)
class Prompt:
    """What the person's prompt has to be, at this place in the script."""

    text: Expected


@dataclass(frozen=True, init=False)
class Call:
    """A call of a tool by the model; several that stand in one list are one turn.

    Parameters
    ----------
    name : str
        Of the tool.
    **arguments
        As JSON has them. `Call.raw` takes them as text, for what a model gets wrong.
    """

    name: str
    arguments: str
    expected: Expected | None = None
    error: Expected | None = None

    def __init__(self, name: str, /, **arguments: Any) -> None:
        # An own `__init__`, since keywords are the call's arguments; being frozen, it has to set its fields this way.
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", json.dumps(arguments))

    @classmethod
    def raw(cls, name: str, arguments: str) -> Call:
        """Return a call whose arguments are this very text."""
        return cls(name)._with(arguments=arguments)

    def expect(self, output: Expected) -> Call:
        """Return the call, with what the model has to be told about it."""
        return self._with(expected=output)

    def expect_error(self, error: Expected) -> Call:
        """Return the call, with the one line of the error that it has to end in."""
        return self._with(error=error)

    def _with(self, **fields: Any) -> Call:
        made = Call(self.name)
        for name in ("arguments", "expected", "error"):
            object.__setattr__(made, name, fields.get(name, getattr(self, name)))
        return made


Step: TypeAlias = Say | Cut | Prompt | Call | Sequence[Call] | Exception


@dataclass
class _State:
    """Where in the script a run stands; `open` are the calls whose outputs have not come yet, by id."""

    steps: list[Step]
    open: dict[str, Call] = field(default_factory=dict)
    turns: int = 0


class ScriptedBackend:
    """A model that does what a script says; give it to `Assistant(backend=…)`.

    Parameters
    ----------
    *steps : Say, Call, list of Call, Cut, Prompt or Exception
        One turn each, in order; an exception of `nbassist.errors` is raised in its place. A `Prompt` is no turn: it
        says what the person's prompt has to be that the next turn answers.

    Attributes
    ----------
    requests : list of Request
        What the model was sent, in order.

    Raises
    ------
    ScriptError
        While the run goes on, and at the end of a ``with`` block where turns are left over.
    """

    name = "scripted"

    def __init__(self, *steps: Step) -> None:
        self.requests: list[Request] = []
        self._state = _State(list(steps))

    def __enter__(self) -> ScriptedBackend:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Behind an exception there is always something left of the script: the exception says more.
        if error is None:
            self.finish()

    def finish(self) -> None:
        """Fail where turns of the script were never asked for, or outputs never came."""
        if self._state.open:
            raise ScriptError(f"the outputs of {_names(self._state.open.values())} never reached the model")
        if self._state.steps:
            left = self._state.steps
            raise ScriptError(f"the run ended before its script: {len(left)} more, the next is {left[0]!r}")

    def stream(self, request: Request) -> Iterator[Event]:
        """Play the next turn."""
        self.requests.append(request)
        state = self._state
        # Before the next turn is looked up: a wrong output is why a run goes another way, and is to be told first.
        _check_outputs(state, request)
        while state.steps and isinstance(state.steps[0], Prompt):
            step = state.steps.pop(0)
            assert isinstance(step, Prompt)
            _check("the prompt", _prompt(request), step.text)
        if not state.steps:
            raise ScriptError(f"an unexpected request: the script has ended. {_last_words(request)}")
        step = state.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        state.turns += 1
        yield TurnStarted(model="scripted")
        if isinstance(step, Say | Cut):
            if step.text:
                yield TextDelta(step.text)
            yield TurnEnded("cut" if isinstance(step, Cut) else "stop", Usage(0, 0, known=True))
            return
        yield from self._calls([step] if isinstance(step, Call) else _all_calls(step), request)
        yield TurnEnded("tool_calls", Usage(0, 0, known=True))

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        """Play the next turn, on an event loop."""
        for event in self.stream(request):
            yield event

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]:
        """Do nothing: there is nothing to cancel."""
        return {}

    def models(self) -> list[str]:
        """Return the one model that there is."""
        return ["scripted"]

    def window(self, model: str) -> int:
        """Return 0: a script has no limit."""
        return 0

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Raise ConversationError: a script keeps no threads."""
        raise ConversationError(f"there is no thread {held} to open: a script keeps none")

    def _calls(self, calls: Sequence[Call], request: Request) -> Iterator[Event]:
        offered = {tool.name: tool for tool in request.tools}
        for number, call in enumerate(calls):
            if call.name not in offered:
                near = get_close_matches(call.name, offered, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                known = ", ".join(offered) or "none"
                raise ScriptError(f"the script calls {call.name!r}, which is not offered; these are: {known}{hint}")
            call_id = f"call_{self._state.turns}_{number}"
            self._state.open[call_id] = call
            yield ToolCallStarted(call_id, call.name, offered[call.name].kind)
            yield ToolArgumentsDelta(call_id, call.arguments)
            yield ToolCallReady(call_id, call.name, call.arguments, offered[call.name].kind)


def call_tool(function: Any, /, **arguments: Any) -> ToolFinished:
    """Call one function as a model would, and return what came of it: `output` is what the model is told.

    Parameters
    ----------
    function : callable or Tool
        What would be marked with `@tool`; approval is not asked for.
    **arguments
        As JSON has them.
    """
    from .tools import Approvals, Toolbox, as_tool

    made = as_tool(function)
    box = Toolbox([replace(made, approve=False)])
    call = ToolCall("call_1", made.name, json.dumps(arguments))
    [finished] = [event for event in box.run([call], Approvals()) if isinstance(event, ToolFinished)]
    return finished


def _all_calls(step: Any) -> list[Call]:
    calls = list(step)
    if not calls or not all(isinstance(call, Call) for call in calls):
        raise ScriptError(f"a turn is a Say, a Cut, a Call or a list of Call, not {step!r}")
    return calls


def _check_outputs(state: _State, request: Request) -> None:
    """Hold the outputs that came to what the calls of the turn before expect."""
    outputs = {part.call_id: part for m in request.messages for part in m.parts if isinstance(part, ToolOutput)}
    for call_id, call in list(state.open.items()):
        output = outputs.get(call_id)
        if output is None:
            continue
        del state.open[call_id]
        if call.error is not None:
            _check(f"the error of {call.name}", output.error or "", call.error)
        elif output.error is not None:
            raise ScriptError(f"{call.name}({call.arguments}) failed: {output.output}")
        if call.expected is not None:
            _check(f"the output of {call.name}", output.output, call.expected)


def _check(what: str, text: str, expected: Expected) -> None:
    if isinstance(expected, str):
        fine = text == expected
    elif isinstance(expected, re.Pattern):
        fine = expected.search(text) is not None
    else:
        fine = bool(expected(text))
    if not fine:
        wanted = f"the pattern {expected.pattern!r}" if isinstance(expected, re.Pattern) else repr(expected)
        raise ScriptError(f"{what} is {text!r}, expected {wanted}")


def _prompt(request: Request) -> str:
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")


def _last_words(request: Request) -> str:
    outputs = [part for part in request.messages[-1].parts if isinstance(part, ToolOutput)] if request.messages else []
    if outputs:
        return "It brings " + "; ".join(f"{output.name}: {output.output!r}" for output in outputs)
    return f"It asks {_prompt(request)!r}"


def _names(calls: Any) -> str:
    return ", ".join(call.name for call in calls)
