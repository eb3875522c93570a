"""The Responses stream, decoded: `response.*` events in, ours out.

Own accumulator, since servers differ: llama.cpp sends no `output_index`, no `content_index` and no `sequence_number`,
some no `output_text.done`, some whole items at the end alone, and some `completed` for a reply that its token limit
cut. So each thing is told once, from whichever of a delta, a `done` or a whole item says it first.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import BackendError, NotAnEndpointError, ServerFailedError
from ..events import (
    Event,
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
from . import reading
from .hosted_tools import CLIENTS
from .responses_output import Output
from .responses_output import OutputItem as Item
from .textcalls import TextCall, TextCallReader

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
    tools : collection of str
        The names of the tools that were offered, where calls written as JSON in the text are to be read.
    limit : int, optional
        The limit of output tokens that was asked for, where the endpoint does not tell that it was reached.
    """

    def __init__(
        self,
        kept: str = "previous",
        conversation: str = "",
        *,
        background: bool = False,
        tools: Collection[str] = (),
        limit: int | None = None,
    ) -> None:
        self._kept = kept
        self._conversation = conversation
        self._background = background
        self._reader = TextCallReader(tools)
        self._text_calls: list[ToolCallReady] = []
        self._limit = limit
        self._output = Output()
        self._seen = False
        self._usage = Usage()
        self.response_id = ""
        self.sequence = -1
        """The number of the last event that was read; -1 where the endpoint does not number them."""
        self.started = False
        """Whether the endpoint took the request, as its first event shows."""
        self.ended = False

    @property
    def done(self) -> bool:
        """Whether the rest of the stream can be left unread: the response ended, or goes on after a call as text."""
        return self.ended or self._reader.spent

    @property
    def cursor(self) -> dict[str, str]:
        """What runs at the endpoint, enough to cancel it and to read on; empty where it ends with its stream."""
        if not (self._background and self.response_id):
            return {}
        kept = {"conversation_id": self._conversation} if self._conversation else {}
        return {"run_id": self.response_id, "sequence": str(self.sequence), **kept}

    def feed(self, chunk: Any) -> list[Event]:
        """Take one chunk, the JSON of one server-sent event.

        Raises
        ------
        ServerFailedError
            For an error event. What came before it stands.
        """
        data = reading.mapping(chunk)
        name = reading.text(data.get("type"))
        if data.get("error") or name == "error":
            raise ServerFailedError(f"the endpoint reports: {reading.error_message(data) or 'an error'}")
        if not name.startswith("response.") or self.ended:
            return []
        number = data.get("sequence_number")
        if isinstance(number, int) and not isinstance(number, bool):
            if number <= self.sequence:
                return []  # read already, before the connection was lost
            self.sequence = number
        self._seen = True
        name = name.removeprefix("response.")
        response = reading.mapping(data.get("response"))
        self.response_id = reading.text(response.get("id")) or self.response_id
        events = self._begin(response)
        if name in _TERMINAL:
            events += self._end(name, response)
        elif name in ("output_item.added", "output_item.done"):
            events += self._on_item(reading.mapping(data.get("item")), data.get("output_index"), name)
        else:
            events += self._with_text_calls(self._output.progress(name, data))
        return events

    def finish(self) -> list[Event]:
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
        if self._reader.spent and not self.ended:
            self.ended = True
            return [*self._text_calls, TurnEnded("tool_calls", self._usage, self._cursor(whole=True))]
        return [] if self._background else self.give_up("the stream was cut: its last event is missing")

    def broken(self, error: BackendError | str) -> list[Event]:
        """Take the break of the stream: no call of it is ever run."""
        if self.ended or (self._background and not isinstance(error, ServerFailedError)):
            return []
        return self._cut("failed" if isinstance(error, ServerFailedError) else "cut", str(error))

    def give_up(self, detail: str) -> list[Event]:
        """End a response that was cut and can't be read on."""
        return [] if self.ended else self._cut("cut", detail)

    def _begin(self, response: Mapping[str, Any]) -> list[Event]:
        if self.started:
            return []
        self.started = True
        if response.get("background") is False:
            self._background = False  # the endpoint took no notice of it
        return [TurnStarted(self.cursor, reading.text(response.get("model")))]

    def _cut(self, reason: TurnReason, detail: str) -> list[Event]:
        self.ended = True
        rest = [TextDelta(piece) for piece in self._reader.finish() if isinstance(piece, str)]
        return [*self._begin({}), *rest, TurnEnded(reason, self._usage, self._cursor(whole=False), detail)]

    def _on_item(self, item: Mapping[str, Any], index: Any, name: str) -> list[Event]:
        found = self._output.find(item, index) or self._output.open(item, index)
        return self._tell(found, item, whole=name == "output_item.done")

    def _tell(self, found: Item, item: Mapping[str, Any], *, whole: bool) -> list[Event]:
        if not whole:
            return found.begin(item)
        if found.ended:
            return []
        events = self._with_text_calls(found.end(item))
        if self._must_keep(found, item):
            events.append(ItemKept("responses", dict(item)))
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
            else:
                call_id = f"call_{secrets.token_hex(12)}"
                self._text_calls.append(ToolCallReady(call_id, piece.name, piece.arguments))
                yield ToolCallStarted(call_id, piece.name)
                yield ToolArgumentsDelta(call_id, piece.arguments)

    def _must_keep(self, found: Item, item: Mapping[str, Any]) -> bool:
        """Whether the item has to be sent back, and can't be made anew from what the conversation holds."""
        if found.kind == "mcp_approval_request":
            return True
        if found.kind == "reasoning":
            return bool(item.get("encrypted_content"))
        return self._kept == "ours" and found.hosted is not None

    def _end(self, name: str, response: Mapping[str, Any]) -> list[Event]:
        """Tell what was not told on the way, then the calls, then the end: the response's status counts."""
        events: list[Event] = []
        for found, item in self._output.match(reading.listing(response.get("output"))):
            events += self._tell(found, item, whole=True)
        events += self._with_text_calls([], at_end=True)
        status = reading.text(response.get("status"))
        status = status if status in _TERMINAL else name
        why = reading.text(reading.mapping(response.get("incomplete_details")).get("reason"))
        self._usage = reading.usage(response.get("usage"))
        self.ended = True
        if status == "completed" and self._limit and self._usage.output_tokens >= self._limit:
            why = _LIMITS[0]  # llama.cpp says no more than that
        if status == "completed" and not why:
            ready = [*self._output.ready_calls(), *self._text_calls]
            reason: TurnReason = "tool_calls" if ready else "stop"
            return [*events, *ready, TurnEnded(reason, self._usage, self._cursor(whole=True))]
        detail = reading.error_message({"error": response.get("error")}) if response.get("error") else ""
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
