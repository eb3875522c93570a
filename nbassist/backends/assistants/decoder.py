"""The Assistants v2 stream, decoded: `thread.*` events in, ours out.

Facts of the wire are from recordings of the hosted service (2025-10-30) and from its OpenAPI description.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...core.events import (
    CallKind,
    Event,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    TurnReason,
    TurnStarted,
    Usage,
    Warned,
)
from ...errors import BackendError, NotAnEndpointError, ServerFailedError
from .. import loose_json
from ..call_names import meant_name
from ..error_bodies import told_error
from ..message_content import free_text
from .items import HostedCall, Texts

_GRACE = 0.5
_NOTES = ("nbassist_model", "nbassist_tools")
_ENDED: Mapping[str, TurnReason] = {
    "completed": "stop",
    "incomplete": "length",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
}


@dataclass(slots=True)
class _Call:
    call_id: str
    name: str = ""
    arguments: str = ""
    started: bool = False


class AssistantsDecoder:
    """Turn the chunks of one stream into events; one decoder for each stream.

    It takes whole objects as well as deltas and tells only what is new in them, so that what a client reads by
    polling after a stream was cut can be fed to it in the same way.

    Parameters
    ----------
    cursor : mapping of str to str
        `thread_id` and `run_id`, where they are known before the stream begins.
    custom : collection of str
        The tools whose argument is free text; they were offered as functions of one parameter.
    tools : collection of str
        The names that were offered, by which a call is known whose name has something around it.
    """

    def __init__(
        self,
        cursor: Mapping[str, str] | None = None,
        custom: Collection[str] = (),
        tools: Collection[str] = (),
    ) -> None:
        self._tools = tools
        self._custom = frozenset(custom)
        self.cursor = dict(cursor or {})
        self._seen = False
        self.started = False
        """Whether the endpoint took the request, as its first event about the run shows."""
        self.ended = False
        self.status = ""
        """The run's status as last heard."""
        self.pending: list[Event] = []
        """Pictures and citations that name a file by its id alone; the flow tells them, with what it finds."""
        self.end: TurnEnded | None = None
        """The end of a turn with something pending, held back: nothing may follow it."""
        self._texts = Texts(self.pending)
        self._noted: dict[str, str] = {}
        self._hosted: dict[str, HostedCall] = {}
        self._run: Mapping[str, Any] = {}
        self._started: set[str] = set()
        """The ids of the calls that were told."""
        self._calls: dict[tuple[str, int], _Call] = {}
        self._handlers: dict[str, Callable[[Mapping[str, Any], list[Event]], None]] = {
            "thread.created": self._on_thread,
            "thread.message.delta": self._on_message_delta,
            "thread.message.completed": self._on_message,
            "thread.message.incomplete": self._on_message,
            "thread.run.step.delta": self._on_step_delta,
            "thread.run.step.completed": self._on_step_end,
            "thread.run.step.failed": self._on_step_end,
        }

    @property
    def done(self) -> bool:
        """Never before the stream's own end: what follows the last event of a run is `done` alone."""
        return False

    @property
    def grace(self) -> float | None:
        """Seconds for which the stream is read on, since the turn ended in it; None before that."""
        return _GRACE if self.ended else None

    def feed(self, chunk: Any) -> list[Event]:
        """Take one chunk: `{"event": ..., "data": ...}`.

        Raises
        ------
        ServerFailedError
            For an error event, which carries no `thread.` name. What came before it stands.
        """
        self._seen = True
        body = loose_json.mapping(chunk)
        kind, data = loose_json.text(body.get("event")), loose_json.mapping(body.get("data"))
        if not kind.startswith("thread."):
            raise told_error(data or body)
        if self.ended:
            return []
        # The stream that answers tool outputs begins in the middle of a run that is known.
        events = self._begin() if self.cursor.get("run_id") else []
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(data, events)
        elif kind.startswith("thread.run.") and not kind.startswith("thread.run.step."):
            self._on_run(data, events)
        self.started = self.started or bool(events)
        return events

    def finish(self, *, marked: bool = False) -> list[Event]:
        """Take the end of the stream. A turn that has not ended by then is still open: see `ended`.

        Raises
        ------
        NotAnEndpointError
            Where nothing came at all.
        """
        if not self._seen:
            raise NotAnEndpointError("the endpoint answered with an empty stream: it does not speak Assistants v2")
        return []

    def broken(self, error: BackendError | str) -> list[Event]:
        """Take the break of the stream: an error that the endpoint told ends the turn, a cut leaves it open."""
        if self.ended or not isinstance(error, ServerFailedError):
            return []
        return self._finish_turn(TurnEnded("failed", cursor=self._thread(), detail=str(error)))

    def give_up(self, detail: str) -> list[Event]:
        """End a turn that was cut and could not be read on."""
        if self.ended:
            return []
        return [*self._begin(), *self._finish_turn(TurnEnded("cut", cursor=self._thread(), detail=detail))]

    def _begin(self) -> list[Event]:
        if self.started:
            return []
        self.started = True
        return [TurnStarted(dict(self.cursor), loose_json.text(self._run.get("model")))]

    def _thread(self) -> dict[str, str]:
        return {key: value for key, value in self.cursor.items() if key != "run_id"}

    def _on_thread(self, data: Mapping[str, Any], events: list[Event]) -> None:
        self.cursor["thread_id"] = loose_json.text(data.get("id"))

    def _on_run(self, run: Mapping[str, Any], events: list[Event]) -> None:
        if self.ended:
            return
        self._run = run
        self.cursor["run_id"] = loose_json.text(run.get("id")) or self.cursor.get("run_id", "")
        self.cursor["thread_id"] = loose_json.text(run.get("thread_id")) or self.cursor.get("thread_id", "")
        events += self._begin()
        events += self._notes(run)
        # The status counts, not the event's name: `thread.run.completed` came with the status "incomplete".
        self.status = loose_json.text(run.get("status"))
        if self.status == "requires_action":
            self._on_requires_action(run, events)
            events += self._finish_turn(TurnEnded("tool_calls", cursor=dict(self.cursor)))
        elif self.status in _ENDED:
            events += self._finish_turn(self._end(run))

    def _notes(self, run: Mapping[str, Any]) -> list[Event]:
        """Return what our own server says in a run's metadata of how it answers, each once."""
        metadata = loose_json.mapping(run.get("metadata"))
        new = {
            name: text for name in _NOTES if (text := loose_json.text(metadata.get(name))) and name not in self._noted
        }
        self._noted.update(new)
        return [Warned(text) for text in new.values()]

    def _finish_turn(self, end: TurnEnded) -> list[Event]:
        self.ended = True
        if not self.pending:
            return [end]
        self.end = end
        return []

    def _end(self, run: Mapping[str, Any]) -> TurnEnded:
        why = loose_json.text(loose_json.mapping(run.get("incomplete_details")).get("reason"))
        reason: TurnReason = "content_filter" if why == "content_filter" else _ENDED[self.status]
        detail = loose_json.text(loose_json.mapping(run.get("last_error")).get("message"))
        usage = loose_json.usage(run.get("usage")) if run.get("usage") else Usage()
        return TurnEnded(reason, usage, self._thread(), detail)

    def _on_requires_action(self, run: Mapping[str, Any], events: list[Event]) -> None:
        """Tell each call whole: only here are the arguments known to be finished."""
        action = loose_json.mapping(loose_json.mapping(run.get("required_action")).get("submit_tool_outputs"))
        known = {call.call_id: call for call in self._calls.values()}
        told: set[str] = set()
        for item in loose_json.listing(action.get("tool_calls")):
            item = loose_json.mapping(item)
            function, call_id = loose_json.mapping(item.get("function")), loose_json.text(item.get("id"))
            if not call_id or call_id in told:
                continue  # it can't be answered, or is answered with the first of that id
            told.add(call_id)
            call = known.get(call_id) or _Call(call_id)
            call.name = self._name(function) or call.name
            # The whole counts, not what its deltas made of it.
            call.arguments = loose_json.arguments(function.get("arguments"))
            if call_id not in self._started:
                events.append(ToolCallStarted(call_id, call.name, self._kind(call.name)))
            text = free_text(call.arguments) if call.name in self._custom else None
            arguments = call.arguments if text is None else text
            events.append(ToolCallReady(call_id, call.name, arguments, self._kind(call.name)))

    def _name(self, function: Mapping[str, Any]) -> str:
        return meant_name(loose_json.text(function.get("name")), self._tools)

    def _kind(self, name: str) -> CallKind:
        return "custom" if name in self._custom else "function"

    def _on_message_delta(self, data: Mapping[str, Any], events: list[Event]) -> None:
        events += [*self._begin(), *self._texts.delta(data)]

    def _on_message(self, data: Mapping[str, Any], events: list[Event]) -> None:
        events += [*self._begin(), *self._texts.whole(data)]

    def _on_step_delta(self, data: Mapping[str, Any], events: list[Event]) -> None:
        step_id = loose_json.text(data.get("id"))
        details = loose_json.mapping(loose_json.mapping(data.get("delta")).get("step_details"))
        for item in loose_json.listing(details.get("tool_calls")):
            item = loose_json.mapping(item)
            events += self._begin()
            # The index counts within a step, and only the first delta has the id.
            call = self._calls.setdefault((step_id, loose_json.count(item.get("index"))), _Call(""))
            call.call_id = loose_json.text(item.get("id")) or call.call_id
            kind = loose_json.text(item.get("type"))
            if kind == "function" or "function" in item:
                self._tell_call(call, loose_json.mapping(item.get("function")), events)
            elif kind:
                hosted = self._hosted.setdefault(call.call_id, HostedCall())
                told, images = hosted.delta(call.call_id, kind, loose_json.mapping(item.get(kind)))
                events += told
                self.pending += images

    def _tell_call(self, call: _Call, function: Mapping[str, Any], events: list[Event]) -> None:
        call.name = self._name(function) or call.name
        if call.name and call.call_id and call.call_id not in self._started:
            self._started.add(call.call_id)
            call.started = True
            events.append(ToolCallStarted(call.call_id, call.name, self._kind(call.name)))
            if call.arguments:
                events.append(ToolArgumentsDelta(call.call_id, call.arguments))
        piece = loose_json.arguments(function.get("arguments"))
        call.arguments += piece
        if piece and call.started:
            events.append(ToolArgumentsDelta(call.call_id, piece))

    def _on_step_end(self, data: Mapping[str, Any], events: list[Event]) -> None:
        state: Literal["completed", "failed"] = "completed" if data.get("status") == "completed" else "failed"
        for item in loose_json.listing(loose_json.mapping(data.get("step_details")).get("tool_calls")):
            item = loose_json.mapping(item)
            kind, call_id = loose_json.text(item.get("type")), loose_json.text(item.get("id"))
            if kind and kind != "function":
                events += self._begin()
                hosted = self._hosted.setdefault(call_id, HostedCall())
                told, images = hosted.end(call_id, kind, loose_json.mapping(item.get(kind)), state)
                if kind == "file_search" and told:
                    results = loose_json.listing(loose_json.mapping(item.get(kind)).get("results"))
                    self._texts.searches.append([loose_json.mapping(result) for result in results])
                events += told
                self.pending += images
