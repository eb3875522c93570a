"""The calls of one Chat Completions stream, gathered however a server numbers and names their pieces."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events import CallKind, Event, ToolArgumentsDelta, ToolCallReady, ToolCallStarted
from . import reading
from .contents import free_text


@dataclass(slots=True)
class _Call:
    """A call that is being written."""

    call_id: str
    wire_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    started: bool = False
    whole: bool = False

    def is_complete(self) -> bool:
        return self.whole or _is_object("".join(self.arguments))


def _is_object(source: str) -> bool:
    try:
        return isinstance(json.loads(source), dict)
    except (ValueError, RecursionError):
        return False


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
    """

    def __init__(self, custom: Collection[str], new_id: Callable[[], str]) -> None:
        self._custom = frozenset(custom)
        self._new_id = new_id
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}

    @property
    def whole(self) -> bool:
        """Whether the arguments of each stand whole."""
        return all(call.is_complete() for call in self._calls)

    def ready(self) -> list[ToolCallReady]:
        """Return the calls as they stand; those that never got a name are left out."""
        return [self._ready(call) for call in self._calls if call.name]

    def add(self, name: str, arguments: str) -> list[Event]:
        """Take a whole call that was written as text."""
        call = _Call(self._new_id(), name=name, arguments=[arguments], started=True, whole=True)
        self._calls.append(call)
        started = ToolCallStarted(call.call_id, name, self._kind(name))
        return [started, ToolArgumentsDelta(call.call_id, arguments)]

    def feed(self, entry: Mapping[str, Any]) -> list[Event]:
        """Take one entry of a delta's `tool_calls`."""
        events: list[Event] = []
        function = reading.mapping(entry.get("function"))
        name, wire_id, index = reading.text(function.get("name")), reading.text(entry.get("id")), entry.get("index")
        arguments = function.get("arguments")
        is_object = isinstance(arguments, Mapping)
        piece = json.dumps(arguments, ensure_ascii=False) if is_object else reading.text(arguments)
        call = self._current(index, wire_id)
        if call is None or self._begins_anew(call, name, wire_id, piece):
            call = self._open(index, wire_id)
        if name and not call.name:
            call.name = name
        # Arguments as an object, or null beside a name, are never continued.
        call.whole = call.whole or is_object or (bool(name) and "arguments" in function and arguments is None)
        if call.name and not call.started:
            call.started = True
            events.append(ToolCallStarted(call.call_id, call.name, self._kind(call.name)))
            events += [ToolArgumentsDelta(call.call_id, early) for early in call.arguments]
        if piece:
            call.arguments.append(piece)
            if call.started:
                events.append(ToolArgumentsDelta(call.call_id, piece))
        return events

    def _current(self, index: Any, wire_id: str) -> _Call | None:
        if isinstance(index, int):
            return self._slots.get(index)
        if wire_id:
            return next((call for call in reversed(self._calls) if call.wire_id == wire_id), None)
        return self._calls[-1] if self._calls else None

    @staticmethod
    def _begins_anew(call: _Call, name: str, wire_id: str, piece: str) -> bool:
        """Tell a further call from a piece of `call`: servers give one index, or one id, to several calls."""
        if wire_id and call.wire_id and wire_id != call.wire_id:
            return True
        if not name or not call.name:
            return False
        return name != call.name or call.whole or (bool(piece) and call.is_complete())

    def _open(self, index: Any, wire_id: str) -> _Call:
        taken = {call.call_id for call in self._calls}
        call = _Call(wire_id if wire_id and wire_id not in taken else self._new_id(), wire_id)
        self._calls.append(call)
        if isinstance(index, int):
            self._slots[index] = call
        return call

    def _ready(self, call: _Call) -> ToolCallReady:
        arguments = "".join(call.arguments) or "{}"
        if call.name not in self._custom:
            return ToolCallReady(call.call_id, call.name, arguments)
        text = free_text(arguments)
        return ToolCallReady(call.call_id, call.name, arguments if text is None else text, "custom")

    def _kind(self, name: str) -> CallKind:
        return "custom" if name in self._custom else "function"
