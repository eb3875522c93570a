"""The calls of one Chat Completions stream, put together however a server numbers and names their pieces.

The index says first which call a piece is of, whatever its id does; a name beside a call that stands whole begins
another, since some servers give one index to all.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ...core.events import CallKind, Event, ToolArgumentsDelta, ToolCallReady, ToolCallStarted
from .. import loose_json
from ..call_names import meant_name
from ..message_content import free_text
from .opaque_state import beside_call

_MARKS = re.compile(r"\S")
_NOTHING = ("", "{}", "null")
"""Arguments that stand where others may still come."""
_LOST = "(the endpoint sent arguments without saying of which call)"


@dataclass(slots=True)
class _Call:
    """A call that is being written; `blank` is a `{}` or `null` in front, which counts where nothing else comes."""

    call_id: str
    wire_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    blank: str = ""
    started: bool = False
    beside: dict[str, Any] = field(default_factory=dict)
    halves: loose_json.Halves = field(default_factory=loose_json.Halves)
    brackets: _Brackets = field(default_factory=lambda: _Brackets())

    def text(self) -> str:
        return one_object("".join(self.arguments)) if self.arguments else self.blank

    def is_complete(self) -> bool:
        return _is_object("".join(self.arguments)) if self.arguments else bool(self.blank)

    def is_whole_so_far(self) -> bool:
        """Like `is_complete`, for as often as pieces come: each piece is looked at once."""
        return self.brackets.hold_object(self.arguments) if self.arguments else bool(self.blank)


class _Brackets:
    """Tells whether pieces that only get more are an object; they are read as JSON only where all brackets close."""

    def __init__(self) -> None:
        self._seen = self._depth = 0
        self._quoted = self._escaped = False
        self._last = ""
        self._is_object = self._is_broken = False

    def hold_object(self, pieces: list[str]) -> bool:
        if self._is_broken or self._seen == len(pieces):
            return self._is_object and not self._is_broken
        for piece in pieces[self._seen :]:
            for mark in _MARKS.findall(piece):
                self._take(mark)
        self._seen = len(pieces)
        closed = self._last == "}" and self._depth <= 0 and not self._quoted
        self._is_object = closed and _is_object("".join(pieces))
        # Closed and no object: a mistake, or two that differ. Whatever comes behind makes it no better.
        self._is_broken = closed and not self._is_object
        return self._is_object

    def _take(self, mark: str) -> None:
        self._last = mark
        if self._quoted:
            self._quoted = self._escaped or mark != '"'
            self._escaped = mark == "\\" and not self._escaped
        elif mark == '"':
            self._quoted = True
        elif mark in "[{":
            self._depth += 1
        elif mark in "]}":
            self._depth -= 1


def _is_object(source: str) -> bool:
    try:
        return isinstance(json.loads(one_object(source)), dict)
    except (ValueError, RecursionError):
        return False


def one_object(source: str) -> str:
    """Return the arguments in `source`, where a server wrote more than one value into it.

    `{}` and `null` in front of an object are no part of it, and one that stands there twice is one; of two different
    objects it can't be said which is meant, so they stay as they are, which is no JSON.
    """
    decoder, at, found = json.JSONDecoder(), 0, []
    text = source.strip()
    try:
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            if value not in ({}, None):
                found.append((value, text[at:end]))
            at = end
            while at < len(text) and text[at].isspace():
                at += 1
    except (ValueError, RecursionError):
        return source
    if not found:
        return "{}" if text else ""
    return found[0][1] if all(value == found[0][0] for value, _ in found) else source


def new_call_id() -> str:
    """Return an id for a call that came without one."""
    return f"call_{secrets.token_hex(12)}"


class Calls:
    """The calls of one stream, in the order in which they began.

    Parameters
    ----------
    custom : collection of str
        The tools whose argument is free text; they were offered as functions of one parameter.
    new_id : callable
        Makes the id of a call that came without one, or with one that was there already.
    tools : collection of str
        The names that were offered, by which a name that comes in pieces is known; empty where none is known.
    """

    def __init__(self, custom: Collection[str], new_id: Callable[[], str], tools: Collection[str] = ()) -> None:
        self._custom = frozenset(custom)
        self._tools = frozenset(tools)
        self._new_id = new_id
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        # To look through the calls for each new one would cost a turn of thousands their number squared.
        self._by_id: dict[str, _Call] = {}  # the last of each id
        self._taken: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def whole(self) -> bool:
        """Whether the arguments of each stand whole."""
        return all(call.is_complete() for call in self._calls)

    @property
    def nameless(self) -> bool:
        """Whether one never got a name; it can't be run."""
        return any(not call.name for call in self._calls)

    def ready(self) -> list[Event]:
        """Return what was not told of the calls, and the calls as they stand; those without a name are left out.

        Where pieces came of which it is not known whose they are, no call is run without arguments in their stead.
        """
        stray = [call for call in self._calls if not call.name and call.arguments]
        bare = [call for call in self._calls if call.name and not call.arguments]
        # One call without arguments and arguments without a call: they belong together. Of more it can't be known, and
        # a guess would run a tool with the arguments of another.
        if len(stray) == 1 and len(bare) == 1:
            bare[0].arguments = stray[0].arguments
        elif stray:
            for call in bare:
                call.arguments = [_LOST]
        events: list[Event] = []
        for call in self._calls:
            if not call.name:
                continue
            if not call.started:
                events.append(self._started(call))
            rest = call.halves.finish() if call.arguments else call.blank.replace("null", "")
            if rest:
                call.arguments.append(rest)
                events.append(ToolArgumentsDelta(call.call_id, rest))
            events.append(self._ready(call))
        return events

    def beside(self) -> dict[str, Any]:
        """Return what stood beside each call that has a name, by its id; see `nbassist.backends.chat.opaque_state`."""
        return {call.call_id: call.beside for call in self._calls if call.name and call.beside}

    def add(self, name: str, arguments: str) -> list[Event]:
        """Take a whole call that was written as text."""
        call = _Call(self._new_id(), name=name, arguments=[arguments], started=True)
        self._calls.append(call)
        self._taken.add(call.call_id)
        started = ToolCallStarted(call.call_id, name, self._kind(name))
        return [started, ToolArgumentsDelta(call.call_id, arguments)]

    def feed(self, entry: Mapping[str, Any]) -> list[Event]:
        """Take one entry of a delta's `tool_calls`."""
        function = loose_json.mapping(entry.get("function") or entry)
        name, wire_id, index = (
            loose_json.text(function.get("name")),
            _id(entry.get("id")),
            loose_json.index(entry.get("index")),
        )
        arguments = function.get("arguments")
        whole = isinstance(arguments, Mapping | list)
        piece = json.dumps(arguments, ensure_ascii=False) if whole else arguments
        call = self._current(index, wire_id, name)
        if call is None or self._begins_anew(call, name, wire_id, piece):
            call = self._open(index, wire_id)
        call.beside |= beside_call(entry)
        if not call.name or (name != call.name and self._is_piece_of_name(call, name)):
            call.name += name
        # A `null` that was said means a call without arguments; a field that is missing says that they are still to
        # come.
        if arguments is None and "arguments" in function and name:
            piece = "null"
        return self._add(call, call.halves.feed(piece))

    def _add(self, call: _Call, piece: str) -> list[Event]:
        events: list[Event] = []
        # Some send `{}` with the name, and the arguments behind it.
        if piece.strip() in _NOTHING and not call.arguments:
            call.blank = call.blank or piece.strip()
            piece = ""
        if piece:
            call.arguments.append(piece)
        if call.started:
            return [ToolArgumentsDelta(call.call_id, piece)] if piece else []
        # A name may come in pieces: it is whole once arguments follow, or a tool is called so. What was told as started
        # can't be taken back.
        if call.name and (piece or call.blank or not self._tools or self._is_offered(call.name)):
            call.started = True
            events.append(self._started(call))
            events += [ToolArgumentsDelta(call.call_id, early) for early in call.arguments]
        return events

    def _current(self, index: int | None, wire_id: str, name: str) -> _Call | None:
        # The index before the id: some versions of vLLM change the id after the first piece.
        if index is not None and index in self._slots:
            return self._slots[index]
        same = self._by_id.get(wire_id) if wire_id else None
        if index is None:
            # Without an index, a piece is of the last call unless it has all that a new one has.
            return same or (self._calls[-1] if self._calls and not (name and wire_id) else None)
        if name or same:
            return None if name else same
        # A piece under an index that nothing began: it is of the call that waits for some, where there is only one.
        waiting = list(islice((call for call in reversed(self._calls) if not call.is_whole_so_far()), 2))
        return waiting[0] if len(waiting) == 1 else None

    def _is_piece_of_name(self, call: _Call, name: str) -> bool:
        return not self._is_offered(call.name) and not call.arguments and self._is_offered(call.name + name)

    def _begins_anew(self, call: _Call, name: str, wire_id: str, piece: Any) -> bool:
        """Tell a further call from a piece of `call`: servers give one index, or one id, to several calls."""
        if not name or not call.name:
            return False
        if name != call.name:
            return not self._is_piece_of_name(call, name)
        if wire_id and wire_id == call.wire_id:
            return False  # a server that repeats both in each piece
        further = isinstance(piece, str) and bool(piece)
        # The same tool again under the same index: two calls in a row differ from a repeated name only in that the
        # first stands whole.
        if call.arguments:
            return (further or bool(wire_id and call.wire_id)) and call.is_whole_so_far()
        if not call.blank:
            return False
        # Behind `{}`: another such is another call, and so is a whole one that has an id of its own.
        return (
            piece is None or str(piece).strip() in _NOTHING or bool(wire_id and call.wire_id and _is_object(str(piece)))
        )

    def _open(self, index: int | None, wire_id: str) -> _Call:
        # An id that comes twice would give two outputs to one call, which strict servers refuse.
        call = _Call(wire_id if wire_id and wire_id not in self._taken else self._new_id(), wire_id)
        self._calls.append(call)
        self._taken.add(call.call_id)
        if wire_id:
            self._by_id[wire_id] = call
        if index is not None:
            self._slots[index] = call
        return call

    def _ready(self, call: _Call) -> ToolCallReady:
        arguments, name = call.text() or "{}", meant_name(call.name, self._tools)
        if name not in self._custom:
            return ToolCallReady(call.call_id, name, "{}" if arguments == "null" else arguments)
        text = free_text(arguments)
        return ToolCallReady(call.call_id, name, arguments if text is None else text, "custom")

    def _started(self, call: _Call) -> ToolCallStarted:
        name = meant_name(call.name, self._tools)
        return ToolCallStarted(call.call_id, name, self._kind(name))

    def _is_offered(self, name: str) -> bool:
        return meant_name(name, self._tools) in self._tools

    def _kind(self, name: str) -> CallKind:
        return "custom" if name in self._custom else "function"


def entries_of(delta: Mapping[str, Any]) -> list[Any]:
    """Return the entries of `tool_calls`: one object is a list of one (TGI), `function_call` is its older name."""
    calls = delta.get("tool_calls")
    if isinstance(calls, Mapping):
        return [calls]
    older = loose_json.mapping(delta.get("function_call"))
    return loose_json.listing(calls) or ([{"index": 0, "function": older}] if older else [])


def _id(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else loose_json.text(value)
