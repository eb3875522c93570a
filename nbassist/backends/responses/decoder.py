"""The Responses stream, decoded: `response.*` events in, ours out.

Own accumulator, since servers differ: llama.cpp sends no `output_index`, no `content_index` and no `sequence_number`,
some no `output_text.done`, some whole items at the end alone, and some `completed` for a reply that its token limit
cut. So each thing is told once, from whichever of a delta, a `done` or a whole item says it first.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ...core.events import (
    Event,
    ImageReady,
    ItemKept,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    TurnReason,
    TurnStarted,
    Usage,
    Warned,
)
from ...errors import BackendError, ConnectionFailedError, NotAnEndpointError, RateLimitError, StreamBrokenError
from .. import loose_json
from ..chat.text_calls import TextCall, TextCallReader
from ..error_bodies import error_message, is_error, told_error
from ..reply_files import ContainerFile
from .history import WIRE
from .hosted_tools import CLIENTS
from .output import Output
from .output import OutputItem as Item

_TERMINAL = ("completed", "incomplete", "failed", "cancelled")
_LIMITS = ("max_output_tokens", "max_tokens", "length")


class ResponsesDecoder:
    """Turn the chunks of one response into events; one decoder for each, also where it is read on after a cut.

    Parameters
    ----------
    kept : {"previous", "conversation", "ours"}
        How the endpoint holds what it says: by the response's id, in the conversation, or not at all.
    conversation : str
        The id of the conversation, where it is held there.
    background : bool
        Whether the response goes on without its stream: a cut leaves the turn open then.
    tools : collection of str, or mapping
        The names of the tools that were offered, where calls written as JSON in the text are to be read; a mapping
        gives the JSON schema of each one's arguments, too.
    limit : int, optional
        The limit of output tokens that was asked for, where the endpoint does not tell that it was reached.
    home : str
        The endpoint, for what it wants back.
    keeps_files : bool
        Whether files of the service's interpreter are kept in `files` to be fetched, not told as sources. Where there
        are any, the end of the turn is kept in `end`, since they belong before it.
    offered : collection of str
        The names of all tools that were offered, by which a call is known whose name has something around it.
    """

    def __init__(
        self,
        kept: str = "previous",
        conversation: str = "",
        *,
        background: bool = False,
        tools: Collection[str] = (),
        limit: int | None = None,
        home: str = "",
        keeps_files: bool = False,
        offered: Collection[str] = (),
    ) -> None:
        self._offered = offered
        self._home = home
        self._told = False
        self._model = ""
        self.keeps_nothing = False
        """Whether the endpoint said that it stores no response, though it was not told so."""
        self._kept = kept
        self._conversation = conversation
        self._background = background
        self._reader = TextCallReader(tools)
        self._text_calls: list[ToolCallReady] = []
        self._limit = limit
        self._keeps_files = keeps_files
        self._output = Output(self._offered, keeps_files=keeps_files)
        self.pictures: list[bytes] = []
        """Those that the reply told."""
        self.end: TurnEnded | None = None
        """The end of the turn, where files are to come before it."""
        self._seen = False
        self._usage = Usage()
        self.response_id = ""
        self.sequence = -1
        """The highest number of an event that was read; -1 where the endpoint does not number them."""
        self._read_up_to = -1
        self.numbered = True
        """Whether each number was higher than the one before: only then can a response be read on from one."""
        self.started = False
        """Whether the endpoint took the request, as its first event shows."""
        self.ended = False

    @property
    def done(self) -> bool:
        """Whether the rest of the stream can be left unread: the response ended."""
        return self.ended

    @property
    def cursor(self) -> dict[str, str]:
        """What runs at the endpoint, enough to cancel it and to read on; empty where it ends with its stream."""
        if not (self._background and self.response_id):
            return {}
        kept = {"conversation_id": self._conversation} if self._conversation else {}
        return {"run_id": self.response_id, "sequence": str(self.sequence), **kept}

    @property
    def native_calls(self) -> bool:
        """Whether a call came as the protocol has it."""
        return self._output.has_calls

    @property
    def files(self) -> list[ContainerFile]:
        """The files that the reply cites, in order, each once."""
        return list((self._output.files or {}).values())

    @property
    def grace(self) -> float | None:
        """None: nothing follows the last event of a response."""
        return None

    def feed(self, chunk: Any) -> list[Event]:
        """Take one chunk, the JSON of one server-sent event.

        Raises
        ------
        BackendError
            For an error event, and for a rate limit before anything was told. What came before it stands.
        """
        data = _event(loose_json.mapping(chunk))
        name = loose_json.text(data.get("type"))
        # In the protocol's own flat shape, in that of Chat, or with no type at all.
        if data.get("error") or name == "error" or (not name and is_error(data)):
            raise self._failed(told_error(data))
        if not name.startswith("response.") or self.ended:
            return []
        number = data.get("sequence_number")
        if isinstance(number, int) and not isinstance(number, bool):
            if 0 <= number <= self._read_up_to:
                return []  # read already, before the connection was lost
            self.numbered = self.numbered and number > self.sequence
            self.sequence = max(self.sequence, number)
        name = name.removeprefix("response.")
        response = loose_json.mapping(data.get("response"))
        self._look_at(response)
        # A rate limit comes in the stream, too, behind a status of 200: raised, it is waited for like any other.
        if name == "failed" and not self._told and isinstance(failure := told_error(response), RateLimitError):
            raise self._failed(failure)
        events: list[Event] = []
        if name in _TERMINAL:
            events = self._end(name, response)
        elif name in ("output_item.added", "output_item.done"):
            events = self._on_item(loose_json.mapping(data.get("item")), data.get("output_index"), name)
        else:
            events = self._with_text_calls(self._output.progress(name, data))
        return self._begin(events, always=self._background)

    def reconnect(self) -> None:
        """Take what comes from now on for a stream that was asked for again, which may repeat what was read.

        Only there do the numbers tell: servers have been seen that say 0 in each event, or count anew in each item.
        """
        self._read_up_to = self.sequence if self.numbered else -1

    def finish(self, *, marked: bool = False) -> list[Event]:
        """Take the end of the stream; where the response has not ended by then, it was cut.

        Raises
        ------
        NotAnEndpointError
            Where nothing came at all.
        """
        if not self._seen:
            raise NotAnEndpointError(
                "the endpoint answered with an empty stream: this URL does not speak Responses; try the backend chat"
            )
        return [] if self._background else self.give_up("the stream was cut: its last event is missing")

    def broken(self, error: BackendError | str) -> list[Event]:
        """Take the break of the stream: no call of it is ever run."""
        if self.ended or (self._background and _is_cut(error)):
            return []
        return self._cut("cut" if _is_cut(error) else "failed", str(error))

    def give_up(self, detail: str) -> list[Event]:
        """End a response that was cut and can't be read on."""
        return [] if self.ended else self._cut("cut", detail)

    def _look_at(self, response: Mapping[str, Any]) -> None:
        self._seen = self.started = True
        self.response_id = loose_json.text(response.get("id")) or self.response_id
        self._model = self._model or loose_json.text(response.get("model"))
        if response.get("background") is False:
            self._background = False  # the endpoint took no notice of it
        # An organisation that retains nothing: the id of this response will not be known in the next turn.
        if response.get("store") is False and self._kept == "previous":
            self._kept, self.keeps_nothing = "ours", True

    def _begin(self, events: list[Event], *, always: bool = False) -> list[Event]:
        """Tell the turn's start before the first thing in it: until then a failure may pass, and is asked again."""
        if not self._told and (events or always):
            self._told = True
            events = [TurnStarted(self.cursor, self._model), *events]
        self.pictures += [event.data for event in events if isinstance(event, ImageReady)]
        if self._output.files and events and isinstance(ended := events[-1], TurnEnded):
            self.end = ended
            return events[:-1]
        return events

    def _failed(self, error: BackendError) -> BackendError:
        """Return `error`; where nothing was told yet, it is as if the endpoint had answered with it."""
        if not self._told:
            self.started, self._seen, self.sequence, self.numbered = False, False, -1, True
            self._output = Output(self._offered, keeps_files=self._keeps_files)
        return error

    def _cut(self, reason: TurnReason, detail: str) -> list[Event]:
        self.ended = True
        rest: list[Event] = [
            TextDelta(piece if isinstance(piece, str) else piece.source) for piece in self._reader.finish()
        ]
        ended = TurnEnded(reason, self._usage, self._cursor(whole=False), detail)
        return self._begin([*rest, ended])

    def _on_item(self, item: Mapping[str, Any], index: Any, name: str) -> list[Event]:
        whole = name == "output_item.done"
        found = self._output.find(item, index, whole=whole) or self._output.open(item, index)
        return self._tell(found, item, whole=whole)

    def _tell(self, found: Item, item: Mapping[str, Any], *, whole: bool) -> list[Event]:
        if not whole:
            return found.begin(item)
        # Told already by its `done`; the end of the response lists each item once more.
        if found.ended:
            return []
        events = self._with_text_calls(found.end(item))
        if self._must_keep(found, item):
            events.append(ItemKept(WIRE, _kept(item), self._home))
        if found.kind in CLIENTS:
            events.append(Warned(f"the model asked for a {found.kind}, which nbassist does not do"))
        return events

    def _with_text_calls(self, events: list[Event], *, at_end: bool = False) -> list[Event]:
        """Take the calls that the model wrote as JSON out of its text."""
        found: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                found += self._read_text(self._reader.feed(event.text))
            else:
                found.append(event)
        return [*found, *self._read_text(self._reader.finish())] if at_end else found

    def _read_text(self, pieces: list[str | TextCall]) -> Iterator[Event]:
        for piece in pieces:
            if isinstance(piece, str):
                yield TextDelta(piece)
            elif self._output.has_calls:
                yield TextDelta(piece.source)  # it makes calls as the protocol has them: this one is quoted
            else:
                call_id = f"call_{secrets.token_hex(12)}"
                self._text_calls.append(ToolCallReady(call_id, piece.name, piece.arguments))
                yield ToolCallStarted(call_id, piece.name)
                yield ToolArgumentsDelta(call_id, piece.arguments)

    def _must_keep(self, found: Item, item: Mapping[str, Any]) -> bool:
        """Whether the item has to be sent back, and can't be made anew from what the conversation holds."""
        if found.kind == "mcp_approval_request":
            return True
        # Whether it was commentary or the final answer: the model takes one for the other where that does not come
        # back.
        if found.kind == "message":
            return bool(item.get("phase"))
        # Encrypted, it goes back where nothing is stored; in the clear, servers that keep nothing read it again.
        if found.kind == "reasoning":
            return bool(item.get("encrypted_content") or (self._kept == "ours" and item.get("content")))
        return self._kept == "ours" and found.hosted is not None

    def _end(self, name: str, response: Mapping[str, Any]) -> list[Event]:
        """Tell what was not told on the way, then the calls, then the end: the response's status counts."""
        events: list[Event] = []
        # Some servers send whole items here alone, and nothing on the way.
        for found, item in self._output.match(loose_json.listing(response.get("output"))):
            events += self._tell(found, item, whole=True)
        events += self._with_text_calls([], at_end=True)
        status = loose_json.text(response.get("status"))
        status = status if status in _TERMINAL else name
        why = loose_json.text(loose_json.mapping(response.get("incomplete_details")).get("reason"))
        self._usage = loose_json.usage(response.get("usage"))
        self.ended = True
        if status == "completed" and self._limit and self._usage.output_tokens >= self._limit:
            why = _LIMITS[0]  # llama.cpp says no more than that
        if status == "completed" and not why:
            ready = [*self._output.ready_calls(), *self._text_calls]
            reason: TurnReason = "tool_calls" if ready else "stop"
            return [*events, *ready, TurnEnded(reason, self._usage, self._cursor(whole=True))]
        detail = error_message(response.get("error")) if response.get("error") else ""
        if status == "failed":
            reason = "failed"
        elif status == "cancelled":
            reason = "cancelled"
        else:
            reason = "content_filter" if why == "content_filter" else "length"
            if why and why not in (*_LIMITS, "content_filter"):
                detail = detail or f"the endpoint ended the reply early: {why}"
        return [*events, TurnEnded(reason, self._usage, self._cursor(whole=False), detail)]

    def _cursor(self, *, whole: bool) -> dict[str, str] | None:
        """Where to go on from; None for where the endpoint stood before this turn.

        A response that did not complete is never gone on from: the endpoint refuses it, or takes up its half.
        """
        if self._kept == "conversation":
            # Whether a response that was cut is in the conversation can't be known: begin another one then.
            return {"conversation_id": self._conversation} if whole and self._conversation else {}
        if self._kept == "ours" or (whole and not self.response_id):
            return {}
        return {"response_id": self.response_id} if whole else None


def _event(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event as it is; a whole response that came in place of a stream as the event of its end."""
    if data.get("object") == "response" and "type" not in data:
        return {"type": f"response.{loose_json.text(data.get('status')) or 'completed'}", "response": data}
    return data


def _kept(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an item is to be sent back: all of it, but the text of a message, which the conversation holds."""
    if item.get("type") == "message":
        return {"type": "message", "phase": item["phase"]}
    # Its pictures would go out again with each prompt, whole.
    if item.get("type") == "code_interpreter_call" and isinstance(item.get("outputs"), list):
        return {**item, "outputs": [one for one in item["outputs"] if loose_json.mapping(one).get("type") != "image"]}
    return dict(item)


def _is_cut(error: BackendError | str) -> bool:
    return isinstance(error, str | StreamBrokenError | ConnectionFailedError)
