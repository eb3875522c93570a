"""The Chat Completions stream, decoded; each habit of a server has a test that holds the bytes that show it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ...config.quirk_names import Quirks
from ...core.events import (
    Event,
    ItemKept,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TurnEnded,
    TurnStarted,
    Usage,
    Warned,
)
from ...errors import BackendError, ConnectionFailedError, NotAnEndpointError, StreamBrokenError
from .. import loose_json
from ..error_bodies import is_error, told_error
from ..provider_quirks import known_quirks
from .calls import Calls, entries_of, new_call_id
from .choices import Choices, plain_text
from .delta_content import Extras, ThinkReader, meaning, pieces_of
from .opaque_state import WIRE, OpaqueState
from .text_calls import TextCall, TextCallReader

_EMPTY = "the endpoint answered with an empty stream: this URL does not speak Chat Completions; check base_url"
# Some proxies keep the connection open, with heartbeats, and would keep the prompt waiting (bifrost#6784).
_PLAIN = {"role", "content"}
_GRACE = 0.5
_GRACE_WITH_CALLS = 0.1
"""Seconds that a stream may go on after its finish reason; its usage comes behind it, and mostly in the same packet."""


class ChatDecoder:
    """Turn the chunks of one stream into events; one decoder for each stream.

    Parameters
    ----------
    tools : collection of str, or mapping
        The names of the tools that were offered; a mapping gives the JSON schema of each one's arguments, too.
    new_id : callable
        Makes the id of a call that came without one, or with one that was there already.
    custom : collection of str
        Those of the tools whose argument is free text; they were offered as functions of one parameter.
    limit : int, optional
        The limit of output tokens that was asked for: some servers say "tool_calls" where it cut a call.
    habits : Quirks
        Of the endpoint: whether calls and thinking may stand in its text.
    home : str
        The endpoint, for what it wants back.
    calls_natively : bool
        Whether it has made a call as the protocol has it: then none is looked for in its text, whatever its model.
    settled : bool
        Whether URL, model or profile told whose habits these are. Where none did, the model that the stream names does:
        a server with one model answers under whatever name it is asked.
    """

    def __init__(
        self,
        tools: Collection[str] = (),
        new_id: Callable[[], str] = new_call_id,
        custom: Collection[str] = (),
        limit: int | None = None,
        *,
        habits: Quirks = Quirks(),
        home: str = "",
        calls_natively: bool = False,
        settled: bool = False,
    ) -> None:
        self._limit = limit
        self._settled = settled
        self._home = home
        self._think = ThinkReader(habits.think_tags)
        self._tools = () if calls_natively else tools
        self._reader = TextCallReader(self._tools if habits.text_calls else ())
        self._text, self._thinking, self._refusal = (loose_json.Halves() for _ in range(3))
        self._choices = Choices()
        self._calls = Calls(custom, new_id, tools)
        self._borrows = False
        self._state = OpaqueState()
        self._extras = Extras()
        self._named = ""
        self.model = ""
        """The model that answers, as the stream names it."""
        self._reason = ""
        self._usage = Usage()
        self._seen = False
        self._begun = False
        self.native_calls = False
        """Whether a call came as the protocol has it, so that none is to be looked for in the text from then on."""
        self.started = False
        """Whether the endpoint took the request, as its first chunk shows."""

    @property
    def done(self) -> bool:
        """Never before the stream's own end: only that shows that nothing follows a call in the text."""
        return False

    @property
    def grace(self) -> float | None:
        """Seconds for which the stream is read on, since its finish reason came; None before that."""
        if not self._reason or (self._borrows and self._choices.open):
            return None
        return _GRACE_WITH_CALLS if self._calls else _GRACE

    def feed(self, chunk: Any) -> list[Event]:
        """Take one chunk, the JSON of one server-sent event.

        Raises
        ------
        BackendError
            Where the chunk is an error. What came before it stands; where nothing was told yet, it is as if the
            endpoint had answered with it.
        """
        if self._begun and self._state.is_text and (piece := plain_text(chunk, self._choices.index)):
            piece = self._text.feed(piece)
            if self._think.passes and self._reader.passes:
                return [TextDelta(piece)] if piece else []
            events: list[Event] = []
            self._add_text(piece, events)
            return events
        data = loose_json.mapping(chunk)
        if is_error(data):
            error = told_error(data)
            self.started = self.started and self._begun
            raise error
        self._seen = self._seen or "choices" in data or "id" in data
        if not self.model and (model := loose_json.text(data.get("model"))):
            self.model = model
            if not self._settled and not self._begun and known_quirks("", model).text_calls:
                self._reader = TextCallReader(self._tools)
        self._count(data.get("usage"), loose_json.mapping(data.get("x_groq")).get("usage"))
        events = []
        # None in the chunk of the usage, and in Azure's first, which holds the filter's results alone.
        choice = self._choices.take(loose_json.listing(data.get("choices")))
        if choice is not None:
            if choice.get("error"):
                raise told_error(choice)
            delta = self._delta(choice)
            self._count(choice.get("usage"), delta.get("usage"))
            self._feed_delta(delta, events)
            # It may come twice, and a later chunk may have none.
            self._reason = loose_json.text(choice.get("finish_reason")) or self._reason
        if self._choices.has_calls:
            self._borrow(events)
        self._extras.take_sources(data)
        self.started = self.started or self._seen
        return self._begin(events)

    def finish(self, *, marked: bool = False) -> list[Event]:
        """End the turn after the stream ended cleanly; `marked` says that it ended with `[DONE]`.

        Raises
        ------
        NotAnEndpointError
            Where nothing came at all.
        """
        if not self._seen:
            raise NotAnEndpointError(_EMPTY)
        borrowed: list[Event] = []
        if self._choices.has_calls:
            self._borrow(borrowed, at_end=True)
        # A stream that just ends can't be told from one that a proxy cut: it needs a reason, or `[DONE]`.
        if not (self._reason or marked):
            return self.broken("the stream was cut: neither a finish reason nor its end mark came")
        if not self._reason and not self._calls.whole:
            return self.broken("the stream ended in the middle of a tool call")
        events = [*borrowed, *self._rest()]
        reason, detail = meaning(self._reason) if self._reason else ("unmarked", "")
        # Some say "stop" or "tool_calls" where the limit cut a call in two; the count of tokens tells.
        at_limit = self._limit is not None and self._usage.output_tokens >= self._limit
        if reason == "stop" and at_limit and not self._calls.whole:
            reason = "length"
        # Calls are what was gathered, not what the reason says: "stop" stands beside calls on many servers. Of a reply
        # that did not end whole none is run, since its arguments may lack their end and still be valid JSON.
        ready = self._calls.ready() if reason in ("stop", "unmarked") else []
        events += self._extras.sources()
        if kept := self._state.kept(self._calls.beside() if ready else {}):
            events.append(ItemKept(WIRE, kept, self._home))
        if reason in ("stop", "unmarked") and self._calls.nameless:
            events.append(Warned("the endpoint began a call without a name: it is not run"))
        if ready:
            reason = "tool_calls"
        return [*self._begin([*events, *ready], always=True), TurnEnded(reason, self._usage, detail=detail)]

    def broken(self, error: BackendError | str) -> list[Event]:
        """End the turn after the stream broke: no call of it is ever run."""
        cut = isinstance(error, str | StreamBrokenError | ConnectionFailedError)
        ended = TurnEnded("cut" if cut else "failed", self._usage, detail=str(error))
        return [*self._begin(self._rest(texts_only=True), always=True), ended]

    def _begin(self, events: list[Event], *, always: bool = False) -> list[Event]:
        """Tell the turn's start before the first thing in it: until then a failure may pass, and is asked again."""
        if self._begun or not (events or always):
            return events
        self._begun = True
        return [TurnStarted(model=self.model), *events]

    def _count(self, *found: Any) -> None:
        """Take the usage: beside the choices, in one (Kimi), in its delta, or under Groq's own name."""
        for usage in filter(None, found):
            read = loose_json.usage(usage)
            self._usage = read if read.known else self._usage

    def _delta(self, choice: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is new in a choice: a whole message is, where it comes from a server that does not stream."""
        delta = loose_json.mapping(choice.get("delta"))
        if delta or self._begun:
            return delta
        return loose_json.mapping(choice.get("message")) or {"content": choice.get("text")}

    def _feed_delta(self, delta: Mapping[str, Any], events: list[Event]) -> None:
        if delta.keys() <= _PLAIN and isinstance(delta.get("content", ""), str) and not self._state.in_parts:
            # Text alone, as most deltas are.
            self._add_text(self._text.feed(delta.get("content")), events)
            return
        name = self._state.name_reasoning(delta)
        self._state.take(delta)
        # Told as soon as it is known, not at the end: a turn that is interrupted has no end.
        if self._state.reasoning and not self._named:
            self._named = self._state.reasoning
            events.append(ItemKept(WIRE, {"reasoning": self._named}, self._home))
        if thought := self._thinking.feed(delta.get(name) if name else None):
            events.append(ReasoningDelta(thought))
        if refusal := self._refusal.feed(delta.get("refusal")):
            events.append(RefusalDelta(refusal))
        for kind, piece in pieces_of(delta.get("content")):
            if thought := self._thinking.feed(piece) if kind == "thinking" else "":
                events.append(ReasoningDelta(thought))
            elif kind == "text":
                self._add_text(self._text.feed(piece), events)
        events += self._extras.take(delta)
        for entry in entries_of(delta):
            self._feed_call(entry, events)

    def _feed_call(self, entry: Any, events: list[Event]) -> None:
        self.native_calls = True
        events += self._calls.feed(loose_json.mapping(entry))

    def _borrow(self, events: list[Event], *, at_end: bool = False) -> None:
        """Take the calls of another choice where the reply's own makes none, though it ended as if it did.

        A reply that ended in words has said all: the calls are those of another reply. Where it said nothing at all,
        or not why it ended, they are its own.
        """
        ended = "tool" in self._reason or "function" in self._reason
        if not self._borrows and not self._calls:
            self._borrows = ended or (at_end and not (self._reason and self._begun))
        if self._borrows:
            self._reason = self._reason or (self._choices.reason if at_end else "")
            for entry in self._choices.calls():
                self._feed_call(entry, events)

    def _rest(self, *, texts_only: bool = False) -> list[Event]:
        """Return what was held back: halves of characters, tags, and what might have been a call."""
        events: list[Event] = []
        if thought := self._thinking.finish():
            events.append(ReasoningDelta(thought))
        self._add_text(self._text.finish(), events)
        # From the outside in: each reader may hold something back for the next.
        for kind, piece in self._think.finish():
            self._add_part(kind, piece, events)
        self._add_found(self._reader.finish(), events, texts_only=texts_only)
        return events

    def _add_text(self, text: str, events: list[Event]) -> None:
        for kind, piece in self._think.feed(text) if text else ():
            self._add_part(kind, piece, events)

    def _add_part(self, kind: str, piece: str, events: list[Event]) -> None:
        if kind == "thinking":
            events.append(ReasoningDelta(piece))
        else:
            self._add_found(self._reader.feed(piece), events)

    def _add_found(self, found: list[str | TextCall], events: list[Event], *, texts_only: bool = False) -> None:
        for item in found:
            if isinstance(item, str):
                events.append(TextDelta(item))
            # As it stood in the reply: a call of a broken stream is not run, and one beside a real call was only
            # quoted.
            elif texts_only or self.native_calls:
                events.append(TextDelta(item.source))
            else:
                events += self._calls.add(item.name, item.arguments)
