"""One turn of a run, told and written: the events of the decoder become those of the Assistants API.

The order is that of the recordings. What ends or begins is written first and told then; a delta is only told, and the
text that it belongs to is written now and then, so that a client that polls sees it grow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping

from ..events import Event, RefusalDelta, TextDelta, ToolArgumentsDelta, ToolCallReady, ToolCallStarted, TurnEnded
from . import wire
from .store import messages, turns
from .store.database import Database
from .store.endings import End, Ending, end_run
from .store.ids import new_id
from .stream import Channel
from .text import clean


@dataclass(slots=True)
class _OpenMessage:
    """The message that is being written; `parts` are kinds and pieces of text."""

    id: str
    step_id: str
    parts: list[tuple[str, list[str]]] = field(default_factory=list)
    grew: bool = False

    def content(self) -> list[dict[str, Any]]:
        joined = [(kind, "".join(pieces)) for kind, pieces in self.parts] or [("text", "")]
        return [wire.text_part(text) if kind == "text" else {"type": kind, kind: text} for kind, text in joined]


@dataclass(slots=True)
class _OpenCalls:
    """The step of tool calls that is being written; `calls` are as the wire shows them, without outputs."""

    step_id: str
    calls: list[dict[str, Any]] = field(default_factory=list)

    def index(self, call_id: str) -> int:
        return next(index for index, call in enumerate(self.calls) if call["id"] == call_id)


class Turn:
    """Takes the events of one turn, in order, and ends the run or leaves it waiting for tool outputs.

    Parameters
    ----------
    run : row
        As `turns.begin` gave it.
    owner : str
        This server, which holds the run's lease.
    """

    def __init__(self, database: Database, channel: Channel, run: RowMapping, owner: str) -> None:
        self._database = database
        self._channel = channel
        self._run = run
        self._owner = owner
        self._message: _OpenMessage | None = None
        self._calls: _OpenCalls | None = None

    async def take(self, event: Event) -> None:
        """Tell one event; `TurnEnded` is for `ask_for_outputs` or `end`.

        Raises
        ------
        LeaseLostError
            Where the run is no longer this server's.
        """
        match event:
            case TextDelta(text):
                await self._add_text("text", text)
            case RefusalDelta(text):
                await self._add_text("refusal", text)
            case ToolCallStarted(call_id, name):
                await self._add_call(call_id, name)
            case ToolArgumentsDelta(call_id, text):
                self._add_arguments(call_id, text)
            case ToolCallReady(call_id, _, arguments) if self._calls:
                self._calls.calls[self._calls.index(call_id)]["function"]["arguments"] = clean(arguments)

    def unwritten(self) -> tuple[str, list[dict[str, Any]]] | None:
        """Return the id and the content of an open message that grew since the last call, or None."""
        if self._message is None or not self._message.grew:
            return None
        self._message.grew = False
        return self._message.id, self._message.content()

    async def ask_for_outputs(self, ended: TurnEnded) -> None:
        """Leave the run at `requires_action`, its calls whole, its lease given back."""
        if self._calls is None:
            raise ValueError("a turn without calls asks for no outputs")
        calls, step_id, written = self._calls.calls, self._calls.step_id, self._message
        details = {
            "type": "tool_calls",
            "tool_calls": [{**call, "function": {**call["function"], "output": None}} for call in calls],
        }
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}

        def work(connection: Connection) -> tuple[list[tuple[str, Any]], RowMapping]:
            told = _complete_message(connection, written) if written else []
            turns.change_step(connection, step_id, step_details=details, usage=_usage(ended))
            waiting = {"status": "requires_action", "required_action": action, "lease_owner": None, "lease_until": None}
            return told, turns.change_run(connection, self._run["id"], self._owner, ("in_progress",), **waiting)

        told, run = await self._database.write(work)
        self._message = self._calls = None
        for name, data in told:
            self._channel.tell(name, data)
        self._channel.tell("thread.run.requires_action", wire.run(run, streamed=True))

    async def end(
        self,
        end: End,
        ended: TurnEnded | None = None,
        *,
        reason: str | None = None,
        error: tuple[str, str] | None = None,
        message_reason: str | None = None,
    ) -> None:
        """End the run; the arguments are those of `end_run`. A run completes with a message, be it an empty one."""
        if end == "completed" and self._message is None:
            await self._open_message()
        written, calls = self._message, self._calls

        def work(connection: Connection) -> Ending:
            if written:
                messages.change(connection, written.id, content=written.content())
            if calls:
                shown = [{**call, "function": {**call["function"], "output": None}} for call in calls.calls]
                details = {"type": "tool_calls", "tool_calls": shown}
                turns.change_step(connection, calls.step_id, step_details=details)
            return end_run(
                connection,
                self._run["id"],
                end,
                int(time.time()),
                owner=self._owner,
                usage=_usage(ended) if ended else None,
                reason=reason,
                error=error,
                message_reason=message_reason,
            )

        tell_ending(self._channel, await self._database.write(work))

    async def _add_text(self, kind: str, text: str) -> None:
        if not text:
            return
        message = self._message or await self._open_message()
        text = clean(text)
        first = not message.parts or message.parts[-1][0] != kind
        if first:
            message.parts.append((kind, []))
        message.parts[-1][1].append(text)
        part: dict[str, Any] = {"index": len(message.parts) - 1, "type": kind}
        if kind == "text":
            part["text"] = {"value": text, "annotations": []} if first else {"value": text}
        else:
            part[kind] = text
        self._channel.tell("thread.message.delta", wire.message_delta(message.id, part))
        message.grew = True

    async def _open_message(self) -> _OpenMessage:
        message = _OpenMessage(new_id("msg"), new_id("step"))
        details = {"type": "message_creation", "message_creation": {"message_id": message.id}}

        def work(connection: Connection) -> tuple[RowMapping, RowMapping]:
            now = int(time.time())
            step = turns.begin_step(connection, self._run, message.step_id, details, now)
            return step, messages.begin(connection, self._run, message.id, now)

        step, row = await self._write(work)
        self._message = message
        self._tell_twice("thread.run.step", wire.step(step))
        self._tell_twice("thread.message", wire.message(row))
        return message

    async def _add_call(self, call_id: str, name: str) -> None:
        calls = self._calls or await self._open_calls()
        call = {"id": call_id, "type": "function", "function": {"name": clean(name), "arguments": ""}}
        calls.calls.append(call)
        function = {"name": clean(name), "arguments": "", "output": None}
        shown = {"index": len(calls.calls) - 1, "id": call_id, "type": "function", "function": function}
        self._channel.tell("thread.run.step.delta", wire.step_delta(calls.step_id, shown))

    async def _open_calls(self) -> _OpenCalls:
        calls, written = _OpenCalls(new_id("step")), self._message

        def work(connection: Connection) -> tuple[list[tuple[str, Any]], RowMapping]:
            told = _complete_message(connection, written) if written else []
            details = {"type": "tool_calls", "tool_calls": []}
            return told, turns.begin_step(connection, self._run, calls.step_id, details, int(time.time()))

        told, step = await self._write(work)
        self._message, self._calls = None, calls
        for name, data in told:
            self._channel.tell(name, data)
        self._tell_twice("thread.run.step", wire.step(step))
        return calls

    def _add_arguments(self, call_id: str, text: str) -> None:
        if self._calls is None or not text:
            return
        index = self._calls.index(call_id)
        self._calls.calls[index]["function"]["arguments"] += clean(text)
        piece = {"index": index, "type": "function", "function": {"arguments": clean(text)}}
        self._channel.tell("thread.run.step.delta", wire.step_delta(self._calls.step_id, piece))

    async def _write(self, work: Callable[[Connection], Any]) -> Any:
        """Write as long as the run is this server's."""

        def checked(connection: Connection) -> Any:
            turns.check_lease(connection, self._run["id"], self._owner)
            return work(connection)

        return await self._database.write(checked)

    def _tell_twice(self, kind: str, data: dict[str, Any]) -> None:
        self._channel.tell(f"{kind}.created", data)
        self._channel.tell(f"{kind}.in_progress", data)


def tell_ending(channel: Channel, ending: Ending) -> None:
    """Tell the end of a run. One over its limit of tokens was told as `completed`, its status saying `incomplete`."""
    for message in ending.messages:
        channel.tell(f"thread.message.{message['status']}", wire.message(message))
    for step in ending.steps:
        channel.tell(f"thread.run.step.{step['status']}", wire.step(step))
    tell_run(channel, ending.run)


def tell_run(channel: Channel, run: RowMapping) -> None:
    """Tell the state of a run."""
    status = run["status"]
    channel.tell(f"thread.run.{'completed' if status == 'incomplete' else status}", wire.run(run, streamed=True))


def _complete_message(connection: Connection, message: _OpenMessage) -> list[tuple[str, Any]]:
    """Complete a message after which the turn goes on; its tokens are counted with the calls that follow."""
    now = int(time.time())
    row = messages.change(connection, message.id, content=message.content(), status="completed", completed_at=now)
    step = turns.change_step(connection, message.step_id, status="completed", completed_at=now, usage=wire.usage(0, 0))
    told = [("thread.run.step.completed", wire.step(step))]
    return [("thread.message.completed", wire.message(row)), *told] if row is not None else told


def _usage(ended: TurnEnded) -> dict[str, Any]:
    used = ended.usage
    return wire.usage(used.input_tokens, used.output_tokens, used.cached_tokens, used.reasoning_tokens)
