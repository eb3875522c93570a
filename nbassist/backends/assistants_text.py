"""What the model says in a run of Assistants v2: text, refusals, pictures and citations of its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events import CitationAdded, Event, ImageReady, RefusalDelta, TextDelta
from . import reading


@dataclass(slots=True)
class _Message:
    """What was told of one message: text by the index of its content part."""

    texts: dict[int, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


class Texts:
    """The messages of one run.

    Parameters
    ----------
    pending : list of Event
        Gets the pictures and citations that name a file by its id alone.
    """

    def __init__(self, pending: list[Event]) -> None:
        self._pending = pending
        self._messages: dict[str, _Message] = {}

    def delta(self, data: Mapping[str, Any]) -> list[Event]:
        """Take a piece of a message."""
        events: list[Event] = []
        message = self._messages.setdefault(reading.text(data.get("id")), _Message())
        for part in reading.listing(reading.mapping(data.get("delta")).get("content")):
            part = reading.mapping(part)
            self._tell_part(message, reading.count(part.get("index")), part, events, whole=False)
        return events

    def whole(self, data: Mapping[str, Any]) -> list[Event]:
        """Take a whole message; only what was not told of it is."""
        events: list[Event] = []
        message = self._messages.setdefault(reading.text(data.get("id")), _Message())
        for index, part in enumerate(reading.listing(data.get("content"))):
            self._tell_part(message, index, reading.mapping(part), events, whole=True)
        return events

    def _tell_part(
        self, message: _Message, index: int, part: Mapping[str, Any], events: list[Event], *, whole: bool
    ) -> None:
        if part.get("type") == "image_file":
            file_id = reading.text(reading.mapping(part.get("image_file")).get("file_id"))
            if file_id and file_id not in message.seen:
                message.seen.add(file_id)
                self._pending.append(ImageReady("image/png", file_id=file_id))
            return
        if part.get("type") == "image_url":
            self._tell_image_url(message, reading.text(reading.mapping(part.get("image_url")).get("url")), events)
            return
        refusal = part.get("type") == "refusal"
        text = reading.mapping(part.get("text"))
        value = reading.text(part.get("refusal")) if refusal else reading.text(text.get("value"))
        told = message.texts.get(index, "")
        if whole:
            value = value[len(told) :] if value.startswith(told) else ""
        if value:
            if not told and not refusal and self._needs_break(message, index):
                events.append(TextDelta("\n\n"))
            message.texts[index] = told + value
            events.append(RefusalDelta(value) if refusal else TextDelta(value))
        for annotation in reading.listing(text.get("annotations")):
            self._tell_citation(message, reading.mapping(annotation), events)

    def _needs_break(self, message: _Message, index: int) -> bool:
        """Whether text came before in this turn: a further message or part is a paragraph of its own."""
        earlier = any(other is not message and other.texts for other in self._messages.values())
        return earlier or any(position != index for position in message.texts)

    def _tell_citation(self, message: _Message, annotation: Mapping[str, Any], events: list[Event]) -> None:
        kind = reading.text(annotation.get("type"))
        cited = reading.mapping(annotation.get(kind))
        file_id, url = reading.text(cited.get("file_id")), reading.text(cited.get("url"))
        marker = reading.text(annotation.get("text"))
        key = f"{kind}:{file_id or url}:{annotation.get('start_index')}"
        if key in message.seen or not (file_id or url):
            return
        message.seen.add(key)
        if file_id:
            self._pending.append(CitationAdded(file_id, marker=marker))
        else:
            events.append(CitationAdded(reading.text(cited.get("title")) or url, url, marker))

    @staticmethod
    def _tell_image_url(message: _Message, url: str, events: list[Event]) -> None:
        if url and url not in message.seen:
            message.seen.add(url)
            events.append(CitationAdded("image", url))  # nothing remote is fetched on its own
