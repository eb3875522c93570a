"""A run, from a prompt to its answer, as a pure generator: no IO, no clock, no display.

`run_flow` says what to do next (`Submit` a request, `CallTools`) and is told what came of it; sync and async drivers
in `nbassist.run.driver` do it. Automatic resubmission is this loop and nothing else, whatever the protocol.

What events a run may tell, and in which order, stands as a table in `nbassist.core.event_order`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ..core.conversation import Conversation
from ..core.events import Finish, TurnEnded, Usage
from ..core.messages import Image, Refusal, Request, Text, ToolCall
from ..errors import RequestRefusedError
from .context_window import Fitted, fit, refused_as_too_long, tokens_of_request


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
    # Twice may be a second look, after something changed; a third time is a circle. Two more calls are left for the
    # model to take the hint.
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

# Told with the last outputs as well: `tool_choice` alone is not heeded by every engine.
_LAST = "This was the last tool call that is allowed here. Answer now, without tools, from what you have."
_WRONG = "Your reply can't be used as it is:\n{mistakes}\nSend the whole reply again, as JSON and nothing else."
_TOO_LONG = (
    "this prompt with what it shows and its tools' outputs is more than the model can read: show less of it, let the "
    "tools return less, or choose a model with a larger context by -m"
)
_ROOM = 0.8
"""Of the window for the request; the rest is for the reply, and for what the estimate is off by."""
_AGAIN = "You have made this very call {count} times, and its output does not change. Use it, or try something else."
_FINISHES: dict[str, tuple[Finish, str]] = {
    "stop": ("completed", ""),
    "unmarked": ("completed", "the stream ended without a finish reason: possibly cut short"),
    "tool_calls": ("completed", ""),  # without a call it is an answer, too
    "unknown": ("incomplete", "the endpoint did not say that the reply is whole"),
    "length": ("incomplete", "the reply reached its limit of tokens"),
    "content_filter": ("incomplete", "the endpoint's content filter ended the reply"),
    "cut": ("incomplete", "the stream was cut: the reply is not complete"),
    "cancelled": ("interrupted", "the run was cancelled at the endpoint"),
    "expired": ("failed", "the run expired at the endpoint before its tool outputs came"),
    "failed": ("failed", "the run failed at the endpoint"),
}


def run_flow(
    conversation: Conversation,
    template: Request,
    limits: Limits = Limits(),
    *,
    mistakes: Callable[[str], str] = lambda text: "",
    window: int = 0,
) -> Flow:
    """Go from the prompt, the last message of `conversation`, to its answer.

    Parameters
    ----------
    conversation : Conversation
        What the driver folds each event into.
    template : Request
        What all requests of the run share; their messages are the conversation's.
    limits : Limits
        What ends a run that does not end by itself.
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
    # The loop ends at an answer, at a call over and over, or at the limit; nothing else resubmits, for any protocol.
    for turn in range(1, limits.max_turns + 1):
        last = turn == limits.max_turns
        # In a run of one turn the tools stay allowed: the limit is on requests, and no output is there to answer from.
        ended = yield from sender.send(replace(template, tool_choice="none" if last and turn > 1 else "auto"))
        usage += ended.usage
        # Not the finish reason: servers say `stop` beside calls, or `tool_calls` without one.
        calls = conversation.open_calls
        if not calls:
            finish, detail = _FINISHES[ended.reason]
            wrong = mistakes(conversation.messages[-1].text) if finish == "completed" and conversation.messages else ""
            if wrong and not asked_again and not last:
                asked_again = True
                yield Tell(f"the reply does not have the shape that was asked for, and is asked for again: {wrong}")
                conversation.add_user(Text(_WRONG.format(mistakes=wrong)))
                continue
            if wrong:
                return Outcome("incomplete", usage, f"the reply does not have the shape that was asked for: {wrong}")
            if finish == "completed":
                detail = _nothing_said(conversation) or detail
            return Outcome(finish, usage, ended.detail or detail)
        # Two equal calls of one turn are two: a model that asks ten times at once is in the same circle.
        repeats.update(_same(call) for call in calls)
        worst = max(repeats[_same(call)] for call in calls)
        if worst >= limits.stop_after:
            return Outcome("stopped", usage, f"stopped: the model made the same call {worst} times")
        if last:
            break
        # The calls past the limits are not run: they stay open here, and the end of the run answers them.
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
            # What the endpoint holds can't be shortened there, so what fits goes to it as a thread of its own.
            request = replace(whole, messages=fitted.messages, since=0, cursor={}) if fitted.dropped else whole
            try:
                ended = yield Submit(request)
            except RequestRefusedError as error:
                allowed = refused_as_too_long(error)
                if allowed is None:
                    raise
                if attempt or len(conversation.turns) < 2:
                    raise RequestRefusedError(f"{error}; {_TOO_LONG}", status=error.status, code=error.code) from error
                self._limit = int((allowed or fitted.tokens) * (_ROOM if allowed else 0.5))
                continue
            assert ended is not None
            # Against what was sent, not against the whole history.
            conversation.count(tokens_of_request(request), ended.usage)
            return ended
        raise AssertionError("the second attempt returns or raises")


def _left_out(fitted: Fitted, limit: int) -> str:
    turns = "turn does" if fitted.dropped == 1 else f"{fitted.dropped} turns do"
    return f"the first {turns} not fit into the model's context of about {limit:,} tokens: left out of this request"


def _nothing_said(conversation: Conversation) -> str:
    """Return what to tell where an answer has nothing in it for the person; empty for any other."""
    last = conversation.messages[-1] if conversation.messages else None
    if last is None or last.role != "assistant":
        return "the model answered with nothing: ask again, or in other words"
    for part in last.parts:
        if isinstance(part, Image) or (isinstance(part, Text | Refusal) and part.text.strip()):
            return ""
    return "the model thought, and answered with nothing: ask again, or allow more tokens"


def _same(call: ToolCall) -> tuple[str, str]:
    """Return what makes two calls the same: the name, and the arguments whatever their order and spacing."""
    try:
        # A model that is stuck shuffles keys and blanks.
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
