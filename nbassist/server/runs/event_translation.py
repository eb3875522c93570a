"""One turn of a run, told and written: the events of the decoder become those of the Assistants API.

The order is that of the recordings. What ends or begins is written first and told then; a delta is only told, and the
text that it belongs to is written now and then, so that a client that polls sees it grow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ...backends.chat.opaque_state import joined, with_thought
from ...core.events import (
    Event,
    ItemKept,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    Usage,
)
from .. import objects
from ..api.event_stream import Channel
from ..hosted.calls import OwnFunction, settings_of
from ..hosted.search.citations import Marks, Piece
from ..store import leased_writes, messages
from ..store.database import Database
from ..store.prepared import Row
from ..store.run_ending import End, RunEnding, end_in_one, end_run
from ..store.schema import new_id
from ..text import clean
from .open_parts import OpenCalls, OpenMessage, own_by_name


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """The status of a run after a turn, what the turn took, and the code of its error."""

    status: str = ""
    usage: Usage | None = None
    error: str = ""


class Turn:
    """Takes the events of one turn, in order, and ends the run or leaves it waiting for tool outputs.

    Parameters
    ----------
    run : row
        As `turns.begin` gave it.
    owner : str
        This server, which holds the run's lease.
    own : sequence of OwnFunction
        The tools that the model is offered and that this server runs.
    marks : Marks, optional
        Finds the marks of passages in the text, and links to files, where there may be any.
    images : sequence of str
        The pictures that go before the text of the turn's message, by the ids of their files.
    before : sequence of row
        The steps that the run has from earlier turns.
    """

    def __init__(
        self,
        database: Database,
        channel: Channel,
        run: Row,
        owner: str,
        own: Sequence[OwnFunction] = (),
        marks: Marks | None = None,
        images: Sequence[str] = (),
        before: Sequence[Row] = (),
    ) -> None:
        self._database = database
        self._channel = channel
        self._run = run
        self._owner = owner
        self._own = own_by_name(own)
        self._marks = marks
        self._images = tuple(images)
        self._before = before
        self._message: OpenMessage | None = None
        self._calls: OpenCalls | None = None
        self._thought: list[str] = []
        self._kept: list[ItemKept] = []
        self.outcome = TurnOutcome()
        """What became of the turn; empty until it is written."""

    async def take(self, event: Event) -> None:
        """Tell one event; `TurnEnded` is for `ask_for_outputs` or `end`.

        Raises
        ------
        LeaseLostError
            Where the run is no longer this server's.
        """
        if self._marks is not None and not isinstance(event, TextDelta | ReasoningDelta):
            await self._add_pieces(self._marks.rest())
        match event:
            case TextDelta(text):
                await self._add_pieces([Piece(text)] if self._marks is None else self._marks.feed(text))
            case ReasoningDelta(text):
                self._thought.append(clean(text))
            case ItemKept():
                self._kept.append(event)
            case RefusalDelta(text):
                await self._add_text("refusal", Piece(text))
            case ToolCallStarted(call_id, name):
                await self._add_call(call_id, name)
            case ToolArgumentsDelta(call_id, text):
                self._add_arguments(call_id, text)
            # The decoder's last word: pieces may have been told before it knew what they were pieces of.
            case ToolCallReady(call_id, _, arguments) if self._calls and call_id in self._calls.own:
                self._calls.own[call_id].arguments = clean(arguments)
                self._tell_code(call_id, clean(arguments), whole=True)
            case ToolCallReady(call_id, _, arguments) if self._calls:
                self._calls.calls[self._calls.index(call_id)]["function"]["arguments"] = clean(arguments)

    def _to_keep(self) -> dict[str, Any] | None:
        """Return what the upstream wants back with what it says in this turn; None where there is nothing."""
        if not self._kept:
            return None
        kept = with_thought(joined(item.data for item in self._kept), "".join(self._thought))
        return {"home": self._kept[0].home, **kept}

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
        calls, written = self._calls, self._message
        kept = self._to_keep()
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls.functions()}}

        def work(connection: Connection) -> tuple[list[tuple[str, Any]], Row]:
            told = _complete_message(connection, written) if written else []
            shown = {"step_details": calls.shown(), "hosted": calls.kept()}
            leased_writes.change_step(connection, calls.step_id, **shown, usage=_usage(ended), kept=kept)
            # The lease is given back: any server may take the outputs, and a run that waits is not failed by the end of
            # this one.
            waiting = {"status": "requires_action", "required_action": action, "lease_owner": None, "lease_until": None}
            return told, leased_writes.change_run(connection, self._run["id"], self._owner, ("in_progress",), **waiting)

        told, run = await self._database.write(work)
        # Told once it is written, here and below: a client that acts on an event finds the store as the event says.
        self._message = self._calls = None
        self.outcome = TurnOutcome("requires_action", ended.usage)
        for name, data in told:
            self._channel.tell(name, data)
        self._channel.tell("thread.run.requires_action", objects.run(run, streamed=True))

    @property
    def calls(self) -> OpenCalls | None:
        """The calls of this turn, None where there are none."""
        return self._calls

    async def complete_calls(self, ended: TurnEnded) -> None:
        """Complete the step of calls that this server has all answered; the run goes on with another turn."""
        calls, written, kept = self._calls, self._message, self._to_keep()
        if calls is None:
            raise ValueError("a turn without calls has none to complete")
        fields = {"step_details": calls.shown(), "hosted": calls.kept(), "usage": _usage(ended), "kept": kept}

        def work(connection: Connection) -> tuple[list[tuple[str, Any]], Row]:
            told = _complete_message(connection, written) if written else []
            done = {"status": "completed", "completed_at": int(time.time())}
            return told, leased_writes.change_step(connection, calls.step_id, **done, **fields)

        told, step = await self._write(work)
        self._message = self._calls = None
        for name, data in told:
            self._channel.tell(name, data)
        self._channel.tell("thread.run.step.completed", objects.step(step, found=self._channel.found))

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
        # Clients look for the answer in the thread.
        await self.finish_text()
        if end == "completed" and self._message is None:
            await self._open_message()
        written, calls, now = self._message, self._calls, int(time.time())
        how: dict[str, Any] = {
            "owner": self._owner,
            "usage": _usage(ended) if ended else None,
            "reason": reason,
            "error": error,
            "message_reason": message_reason,
            "said": {"content": written.content(), "kept": self._to_keep()} if written else None,
        }

        def work(connection: Connection) -> RunEnding:
            if calls:
                leased_writes.change_step(connection, calls.step_id, step_details=calls.shown(), hosted=calls.kept())
            return end_run(connection, self._run["id"], end, now, **how)

        ending: RunEnding | None = None
        if self._database.is_remote and written and not calls:  # as nearly all runs end
            known: dict[str, Any] = {**how, "step_id": written.step_id, "before": self._before}
            ending = await self._database.write_once(end_in_one, self._run["id"], end, now, **known)
        if ending is None:
            ending = await self._database.write(work)
        self.outcome = TurnOutcome(end, ended.usage if ended else None, error[0] if error else "")
        tell_ending(self._channel, ending)

    def continue_text(self, text: str) -> bool:
        """Tell a further piece of the text that is being written; False where it is for `take` to begin one."""
        if self._marks is not None:
            return False
        return self._continue(text)

    async def finish_text(self) -> None:
        """Tell what is held back of the text, now that no more comes."""
        if self._marks is not None:
            await self._add_pieces(self._marks.rest())

    def _continue(self, text: str) -> bool:
        message = self._message
        if message is None or not message.goes_on("text"):
            return False
        if text:
            self._channel.tell_text(message.id, len(message.parts) - 1, message.continue_text(text))
        return True

    async def _add_pieces(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            await self._add_text("text", piece)

    async def _add_text(self, kind: str, piece: Piece) -> None:
        if not piece.text or (kind == "text" and piece.file_id is None and self._continue(piece.text)):
            return
        message = self._message or await self._open_message()
        part = message.add(kind, piece)
        self._channel.tell("thread.message.delta", objects.message_delta(message.id, part))

    async def _open_message(self) -> OpenMessage:
        message = OpenMessage(new_id("msg"), new_id("step"))
        given = self._run, self._owner, message.step_id, message.id, int(time.time())
        step, row = await self._database.write_once(leased_writes.open_message, *given)
        self._message = message
        self._tell_twice("thread.run.step", objects.step(step))
        self._tell_twice("thread.message", objects.message(row))
        # Before the text stands what the code before it has drawn.
        for file_id in self._images:
            part = message.add_image(file_id)
            self._channel.tell("thread.message.delta", objects.message_delta(message.id, part))
        self._images = ()
        return message

    async def _add_call(self, call_id: str, name: str) -> None:
        calls = self._calls or await self._open_calls()
        if own := self._own.get(name):
            shown = calls.add_own(call_id, own, settings_of(self._run["tools"], own.kind))
        else:
            shown = calls.add(call_id, name)
        self._channel.tell("thread.run.step.delta", objects.step_delta(calls.step_id, shown))

    async def _open_calls(self) -> OpenCalls:
        calls, written = OpenCalls(new_id("step")), self._message

        def work(connection: Connection) -> tuple[list[tuple[str, Any]], Row]:
            told = _complete_message(connection, written) if written else []
            details = {"type": "tool_calls", "tool_calls": []}
            return told, leased_writes.begin_step(connection, self._run, calls.step_id, details, int(time.time()))

        told, step = await self._write(work)
        self._message, self._calls = None, calls
        for name, data in told:
            self._channel.tell(name, data)
        self._tell_twice("thread.run.step", objects.step(step))
        return calls

    def _add_arguments(self, call_id: str, text: str) -> None:
        if self._calls is None or not text:
            return
        if call_id in self._calls.own:
            return self._tell_code(call_id, clean(text))
        index = self._calls.index(call_id)
        self._calls.calls[index]["function"]["arguments"] += clean(text)
        piece = {"index": index, "type": "function", "function": {"arguments": clean(text)}}
        self._channel.tell("thread.run.step.delta", objects.step_delta(self._calls.step_id, piece))

    def _tell_code(self, call_id: str, arguments: str, *, whole: bool = False) -> None:
        """Tell the code that an interpreter is to run; what a search asks is told nobody, as recorded."""
        calls = self._calls
        if calls is None or call_id not in calls.code:
            return
        if told := calls.add_code(call_id, arguments, whole=whole):
            self._channel.tell("thread.run.step.delta", objects.step_delta(calls.step_id, told))

    def tell_output(self, call_id: str, output: Mapping[str, Any]) -> None:
        """Tell an output of code that runs, `{"index", "type", ...}`; logs of one index are put together by clients."""
        if self._calls is not None:
            told = self._calls.output(call_id, output)
            self._channel.tell("thread.run.step.delta", objects.step_delta(self._calls.step_id, told))

    async def _write(self, work: Callable[[Connection], Any]) -> Any:
        """Write as long as the run is this server's."""

        def checked(connection: Connection) -> Any:
            # In the same transaction, so that nothing is written after another server took the run over.
            leased_writes.check_lease(connection, self._run["id"], self._owner)
            return work(connection)

        return await self._database.write(checked)

    def _tell_twice(self, kind: str, data: dict[str, Any]) -> None:
        # With the same object, one after the other, as recorded.
        self._channel.tell(f"{kind}.created", data, f"{kind}.in_progress")


def tell_ending(channel: Channel, ending: RunEnding) -> None:
    """Tell the end of a run. One over its limit of tokens was told as `completed`, its status saying `incomplete`."""
    for message in ending.messages:
        channel.tell(f"thread.message.{message['status']}", objects.message(message))
    for step in ending.steps:
        channel.tell(f"thread.run.step.{step['status']}", objects.step(step, found=channel.found))
    tell_run(channel, ending.run)


def tell_run(channel: Channel, run: Row) -> None:
    """Tell the state of a run."""
    status = run["status"]
    channel.tell(f"thread.run.{'completed' if status == 'incomplete' else status}", objects.run(run, streamed=True))


def _complete_message(connection: Connection, message: OpenMessage) -> list[tuple[str, Any]]:
    """Complete a message after which the turn goes on; its tokens are counted with the calls that follow."""
    now = int(time.time())
    row = messages.change(connection, message.id, content=message.content(), status="completed", completed_at=now)
    step = leased_writes.change_step(
        connection, message.step_id, status="completed", completed_at=now, usage=objects.usage(0, 0)
    )
    told = [("thread.run.step.completed", objects.step(step))]
    return [("thread.message.completed", objects.message(row)), *told] if row is not None else told


def _usage(ended: TurnEnded) -> dict[str, Any]:
    used = ended.usage
    return objects.usage(used.input_tokens, used.output_tokens, used.cached_tokens, used.reasoning_tokens)
