"""A run, from a prompt to its answer, as a pure generator: no IO, no clock, no display.

`run_flow` says what to do next (`Submit` a request, `CallTools`) and is told what came of it; sync and async drivers
in `nbassist.assistant` do it. Automatic resubmission is this loop and nothing else, whatever the protocol.

What events a run may tell, and in which order, stands as a table in `nbassist.order`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from .conversation import Conversation
from .errors import RequestRefusedError
from .events import Finish, TurnEnded, Usage
from .messages import OutputSchema, Request, Text, ToolCall, ToolSpec
from .window import Fitted, fit, refused_as_too_long, tokens_of_request


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a run that does not end by itself.

    Parameters
    ----------
    max_turns : int
        Requests to the model in one run. The last is asked to answer without tools.
    nudge_after, stop_after : int
        How often the same call with the same arguments may stand in one run before the model is told so, and before
        the run is stopped.
    """

    max_turns: int = 10
    nudge_after: int = 3
    stop_after: int = 5


@dataclass(frozen=True, slots=True)
class Submit:
    """Send `request` and fold its events; answer with its `TurnEnded`."""

    request: Request


@dataclass(frozen=True, slots=True)
class CallTools:
    """Run `calls` and fold their results; answer with None.

    `notes` maps the id of a call to what is to be added to its output, for the model.
    """

    calls: tuple[ToolCall, ...]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; `detail` is one line for the person, empty for a run that is complete beyond doubt."""

    finish: Finish
    usage: Usage = Usage()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the person `text`, one line; answer with None."""

    text: str


Flow: TypeAlias = Generator[Submit | CallTools | Tell, TurnEnded | None, Outcome]

_LAST = "This was the last tool call that is allowed here. Answer now, without tools, from what you have."
_WRONG = "Your reply can't be used as it is:\n{mistakes}\nSend the whole reply again, as JSON and nothing else."
_ROOM = 0.8
"""Of the window for the request; the rest is for the reply, and for what the estimate is off by."""
_AGAIN = "You have made this very call {count} times, and its output does not change. Use it, or try something else."
_FINISHES: dict[str, tuple[Finish, str]] = {
    "stop": ("completed", ""),
    "unmarked": ("completed", "the stream ended without a finish reason: possibly cut short"),
    "length": ("incomplete", "the reply reached its limit of tokens"),
    "content_filter": ("incomplete", "the endpoint's content filter ended the reply"),
    "cut": ("incomplete", "the stream was cut: the reply is not complete"),
    "cancelled": ("interrupted", "the run was cancelled at the endpoint"),
    "expired": ("failed", "the run expired at the endpoint before its tool outputs came"),
    "failed": ("failed", "the run failed at the endpoint"),
}


def run_flow(
    conversation: Conversation,
    *,
    tools: tuple[ToolSpec, ...] = (),
    limits: Limits = Limits(),
    model: str = "",
    instructions: str = "",
    parameters: Mapping[str, Any] | None = None,
    reasoning: str = "",
    output: OutputSchema | None = None,
    mistakes: Callable[[str], str] = lambda text: "",
    window: int = 0,
) -> Flow:
    """Go from the prompt, the last message of `conversation`, to its answer.

    Parameters
    ----------
    mistakes : callable
        Says what is wrong with the text of an answer, empty for nothing; the model is then asked once more.
    window : int
        Tokens that a request may take; older turns that do not fit are left out, and that is told. 0 where it is not
        known: then an endpoint that refuses a history as too long is sent a shorter one, once.

    Yields
    ------
    Submit, CallTools or Tell
        What to do next. The driver folds every event into `conversation` before it sends the answer, and throws in
        what an endpoint refused.

    Returns
    -------
    Outcome
        How it ended, with the usage of all turns.
    """
    usage = Usage()
    asked_again = False
    sender = _Sender(conversation, window)
    repeats: Counter[tuple[str, str]] = Counter()
    template = Request(
        (),
        model=model,
        instructions=instructions,
        tools=tools,
        parameters=parameters or {},
        reasoning=reasoning,
        output=output,
    )
    for turn in range(1, limits.max_turns + 1):
        last = turn == limits.max_turns
        ended = yield from sender.send(replace(template, tool_choice="none" if last and turn > 1 else "auto"))
        usage += ended.usage
        calls = conversation.open_calls
        if not calls:
            finish, detail = _FINISHES.get(ended.reason, ("completed", ""))
            wrong = mistakes(conversation.messages[-1].text) if finish == "completed" and conversation.messages else ""
            if wrong and not asked_again and not last:
                asked_again = True
                yield Tell(f"the reply does not have the shape that was asked for, and is asked for again: {wrong}")
                conversation.add_user(Text(_WRONG.format(mistakes=wrong)))
                continue
            if wrong:
                return Outcome("incomplete", usage, f"the reply does not have the shape that was asked for: {wrong}")
            return Outcome(finish, usage, ended.detail or detail)
        repeats.update(_same(call) for call in calls)
        worst = max(repeats[_same(call)] for call in calls)
        if worst >= limits.stop_after:
            return Outcome("stopped", usage, f"stopped: the model made the same call {worst} times")
        if last:
            break
        yield CallTools(calls, _notes(calls, repeats, limits, before_last=turn == limits.max_turns - 1))
    return Outcome("stopped", usage, f"stopped after {limits.max_turns} turns; raise max_turns to let it go on")


class _Sender:
    """Sends a conversation, or as much of it as fits."""

    def __init__(self, conversation: Conversation, window: int) -> None:
        self._conversation = conversation
        self._limit = int(window * _ROOM)
        self._told = 0

    def send(self, template: Request) -> Generator[Submit | Tell, TurnEnded | None, TurnEnded]:
        conversation = self._conversation
        whole = replace(
            template, messages=tuple(conversation.messages), since=conversation.since, cursor=conversation.cursor
        )
        for attempt in range(2):
            fitted = fit(whole, self._limit, conversation.rate)
            if fitted.dropped > self._told:
                self._told = fitted.dropped
                yield Tell(_left_out(fitted, self._limit))
            request = replace(whole, messages=fitted.messages, since=0, cursor={}) if fitted.dropped else whole
            try:
                ended = yield Submit(request)
            except RequestRefusedError as error:
                allowed = refused_as_too_long(error)
                if attempt or allowed is None or len(conversation.turns) < 2:
                    raise
                self._limit = int((allowed or fitted.tokens) * (_ROOM if allowed else 0.5))
                continue
            assert ended is not None
            conversation.count(tokens_of_request(request), ended.usage)
            return ended
        raise AssertionError("the second attempt returns or raises")


def _left_out(fitted: Fitted, limit: int) -> str:
    turns = "turn does" if fitted.dropped == 1 else f"{fitted.dropped} turns do"
    return f"the first {turns} not fit into the model's context of about {limit:,} tokens: left out of this request"


def _same(call: ToolCall) -> tuple[str, str]:
    """Return what makes two calls the same: the name, and the arguments whatever their order and spacing."""
    try:
        return call.name, json.dumps(json.loads(call.arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return call.name, call.arguments


def _notes(
    calls: tuple[ToolCall, ...], repeats: Counter[tuple[str, str]], limits: Limits, *, before_last: bool
) -> dict[str, str]:
    notes = {}
    for call in calls:
        count = repeats[_same(call)]
        if before_last:
            notes[call.id] = _LAST
        elif count >= limits.nudge_after:
            notes[call.id] = _AGAIN.format(count=count)
    return notes
