"""The Chat Completions stream, decoded; each habit of a server has a test that holds the bytes that show it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ..errors import BackendError, NotAnEndpointError, ServerFailedError
from ..events import (
    CitationAdded,
    Event,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TurnEnded,
    TurnReason,
    TurnStarted,
    Usage,
)
from . import reading
from .chat_calls import Calls, new_call_id
from .textcalls import TextCall, TextCallReader

_REASONS: dict[str, TurnReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}


def _pieces(content: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each piece of a delta's content.

    Mistral's models that reason send a list of parts, `{"type": "thinking", "thinking": [{"type": "text", ...}]}`.
    """
    if isinstance(content, list):
        for part in map(reading.mapping, content):
            inner = part.get("thinking")
            texts = inner if isinstance(inner, list) else [inner if isinstance(inner, Mapping) else part]
            kind = "thinking" if part.get("type") == "thinking" else "text"
            for text in texts:
                if piece := reading.text(reading.mapping(text).get("text")):
                    yield kind, piece
    elif piece := reading.text(content):
        yield "text", piece


class ChatDecoder:
    """Turn the chunks of one stream into events; one decoder for each stream.

    Parameters
    ----------
    tools : collection of str
        The names of the tools that were offered; where there are some, calls written as JSON in the text are read.
    new_id : callable
        Makes the id of a call that came without one, or with one that was there already.
    custom : collection of str
        Those of the tools whose argument is free text; they were offered as functions of one parameter.
    limit : int, optional
        The limit of output tokens that was asked for: some servers say "tool_calls" where it cut a call.
    """

    def __init__(
        self,
        tools: Collection[str] = (),
        new_id: Callable[[], str] = new_call_id,
        custom: Collection[str] = (),
        limit: int | None = None,
    ) -> None:
        self._limit = limit
        self._reader = TextCallReader(tools)
        self._cited: set[str] = set()
        self._calls = Calls(custom, new_id)
        self._reason = ""
        self._usage = Usage()
        self._seen = False
        self._begun = False
        self.started = False
        """Whether the endpoint took the request, as its first chunk shows."""

    @property
    def done(self) -> bool:
        """Whether the rest of the stream can be left unread: text goes on after a call that was written as text."""
        return self._reader.spent

    def feed(self, chunk: Any) -> list[Event]:
        """Take one chunk, the JSON of one server-sent event.

        Raises
        ------
        ServerFailedError
            Where the chunk is an error. What came before it stands.
        """
        data = reading.mapping(chunk)
        if data.get("error"):
            raise ServerFailedError(f"the endpoint reports: {reading.error_message(data) or data['error']}")
        self._seen = self._seen or "choices" in data or "id" in data
        if usage := data.get("usage") or reading.mapping(data.get("x_groq")).get("usage"):
            self._usage = reading.usage(usage)
        events: list[Event] = []
        if self._seen and not self._begun:
            self._begun = True
            events.append(TurnStarted(model=reading.text(data.get("model"))))
        for choice in reading.listing(data.get("choices"))[:1]:
            choice = reading.mapping(choice)
            # A whole message in place of a delta comes from servers that do not stream.
            delta = reading.mapping(choice.get("delta") or choice.get("message"))
            self._feed_delta(delta, events)
            self._reason = reading.text(choice.get("finish_reason")) or self._reason
        self.started = self.started or self._begun
        return events

    def finish(self) -> list[Event]:
        """End the turn after the stream ended cleanly.

        Raises
        ------
        NotAnEndpointError
            Where nothing came at all.
        """
        if not self._seen:
            raise NotAnEndpointError(
                "the endpoint answered with an empty stream: this URL does not speak Chat Completions; check base_url"
            )
        events: list[Event] = []
        self._add_text(self._reader.finish(), events)
        reason = _REASONS.get(self._reason)
        # Without a finish reason, unfinished arguments mean that the stream was cut in the middle of them.
        if reason is None and not self._reason and not self._calls.whole:
            return [*events, *self.broken("the stream ended in the middle of a tool call")]
        at_limit = self._limit is not None and self._usage.output_tokens >= self._limit
        if reason is None and at_limit and not self._calls.whole:
            reason = "length"
        if reason is None and (ready := self._calls.ready()):
            events += ready
            reason = "tool_calls"
        events.append(TurnEnded(reason or ("stop" if self._reason else "unmarked"), self._usage))
        return events

    def broken(self, error: BackendError | str) -> list[Event]:
        """End the turn after the stream broke: no call of it is ever run."""
        events: list[Event] = []
        self._add_text(self._reader.finish(), events, texts_only=True)
        reason: TurnReason = "failed" if isinstance(error, ServerFailedError) else "cut"
        return [*events, TurnEnded(reason, self._usage, detail=str(error))]

    def _feed_delta(self, delta: Mapping[str, Any], events: list[Event]) -> None:
        for name in ("reasoning_content", "reasoning", "thinking"):
            if thought := reading.text(delta.get(name)):
                events.append(ReasoningDelta(thought))
                break
        if refusal := reading.text(delta.get("refusal")):
            events.append(RefusalDelta(refusal))
        for kind, piece in _pieces(delta.get("content")):
            if kind == "thinking":
                events.append(ReasoningDelta(piece))
            else:
                self._add_text(self._reader.feed(piece), events)
        for annotation in reading.listing(delta.get("annotations")):
            # Models that search the web, at OpenAI and OpenRouter.
            cited = reading.mapping(reading.mapping(annotation).get("url_citation"))
            url = reading.text(cited.get("url"))
            if url and url not in self._cited:
                self._cited.add(url)
                events.append(CitationAdded(reading.text(cited.get("title")) or url, url))
        for entry in reading.listing(delta.get("tool_calls")):
            events += self._calls.feed(reading.mapping(entry))

    def _add_text(self, found: list[str | TextCall], events: list[Event], *, texts_only: bool = False) -> None:
        for item in found:
            if isinstance(item, str):
                events.append(TextDelta(item))
            elif not texts_only:
                events += self._calls.add(item.name, item.arguments)
