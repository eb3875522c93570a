"""The text of one output item of Responses, by its parts: each is told once, from a piece or from the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events import CitationAdded, Event, ReasoningDelta, RefusalDelta, TextDelta
from . import reading


@dataclass(slots=True)
class Parts:
    """What was told of an item's text, by the kind and the index of its part."""

    told: dict[tuple[str, int], str] = field(default_factory=dict)
    cited: set[tuple[str, str, int]] = field(default_factory=set)

    def delta(self, key: tuple[str, int], piece: str) -> list[Event]:
        """Take a piece of a part."""
        if not piece:
            return []
        events: list[Event] = []
        make = _MAKERS[key[0]]
        if key not in self.told and self.told and make is not RefusalDelta:
            events.append(make("\n\n"))  # a further part is a paragraph of its own
        self.told[key] = self.told.get(key, "") + piece
        return [*events, make(piece)]

    def whole(self, key: tuple[str, int], text: str) -> list[Event]:
        """Take a whole part; only what was not told of it is."""
        told = self.told.get(key, "")
        return self.delta(key, text[len(told) :]) if text.startswith(told) else []

    def cite(self, index: int, annotation: Mapping[str, Any]) -> list[Event]:
        """Take a citation in the text of part `index`."""
        kind, url = reading.text(annotation.get("type")), reading.text(annotation.get("url"))
        file_id = reading.text(annotation.get("file_id"))
        title = reading.text(annotation.get("title")) or reading.text(annotation.get("filename")) or url or file_id
        start, end = reading.count(annotation.get("start_index")), reading.count(annotation.get("end_index"))
        key = (kind, url or file_id, start or reading.count(annotation.get("index")))
        if not title or key in self.cited:
            return []
        self.cited.add(key)
        return [CitationAdded(title, url, self.told.get(("text", index), "")[start:end])]


_MAKERS: Mapping[str, Any] = {
    "text": TextDelta,
    "refusal": RefusalDelta,
    "summary": ReasoningDelta,
    "reasoning": ReasoningDelta,
}
