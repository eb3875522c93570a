"""What was told of an item's text and sources, each part once, from a piece or from the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.events import CitationAdded, Event, ReasoningDelta, RefusalDelta, TextDelta
from .. import loose_json
from ..reply_files import ContainerFile


@dataclass(slots=True)
class Parts:
    """What was told of an item's text, by the kind and the index of its part."""

    told: dict[tuple[str, int], str] = field(default_factory=dict)
    cited: set[tuple[str, str, int]] = field(default_factory=set)
    found: dict[str, str] = field(default_factory=dict)
    """The best passage of each file that was searched, by the file's id."""
    files: dict[tuple[str, str], ContainerFile] | None = None
    """Where the files that the interpreter wrote are kept to be fetched; None where they are told as they come."""

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
        if self.files is not None and self._keep_file(index, annotation):
            return []
        kind, url = loose_json.text(annotation.get("type")), loose_json.text(annotation.get("url"))
        file_id = loose_json.text(annotation.get("file_id"))
        title = (
            loose_json.text(annotation.get("title")) or loose_json.text(annotation.get("filename")) or url or file_id
        )
        start, end = loose_json.count(annotation.get("start_index")), loose_json.count(annotation.get("end_index"))
        key = (kind, url or file_id, start or loose_json.count(annotation.get("index")))
        if not title or key in self.cited:
            return []
        self.cited.add(key)
        passage = self.found.get(file_id, "") if kind == "file_citation" else ""
        return [CitationAdded(title, url, self.told.get(("text", index), "")[start:end], passage)]

    def _keep_file(self, index: int, annotation: Mapping[str, Any]) -> bool:
        """Keep a file of the interpreter's container, if this cites one that can be fetched."""
        container_id, file_id = (loose_json.text(annotation.get(name)) for name in ("container_id", "file_id"))
        # They become part of a path, which must stay below that of the containers.
        if self.files is None or not (_ID.fullmatch(container_id) and _ID.fullmatch(file_id)):
            return False
        text = self.told.get(("text", index), "")
        start, end = loose_json.count(annotation.get("start_index")), loose_json.count(annotation.get("end_index"))
        # A path would lead out of the folder of who saves it under this name.
        name = re.split(r"[/\\]", loose_json.text(annotation.get("filename")))[-1] or file_id
        citation = CitationAdded(name, "", _link_in(text, text[start:end], name))
        known = self.files.get((container_id, file_id))
        # It comes with the stream and again with the whole text, which alone may hold the link.
        if known is None or not known.citation.marker:
            self.files[container_id, file_id] = ContainerFile(citation, container_id, file_id)
        return True


_ID = re.compile(r"[A-Za-z0-9_-]+")
_LINK = re.compile(r"sandbox:[^\s()\[\]<>]+")


def _link_in(text: str, cited: str, name: str) -> str:
    """Return the link to a file in the text that cites it; the service often says no place: 0 to 0 (recorded)."""
    whole = f"sandbox:/mnt/data/{name}"
    if cited.startswith("sandbox:"):
        return cited
    if found := _LINK.search(cited):
        return found[0]
    return whole if whole in text else cited


_MAKERS: Mapping[str, Any] = {
    "text": TextDelta,
    "refusal": RefusalDelta,
    "summary": ReasoningDelta,
    "reasoning": ReasoningDelta,
}
