"""What is told in a run of Assistants v2: text, refusals, pictures, citations, and what the service runs itself.

The shapes are from the OpenAPI description; the order of their deltas is in no recording, so each thing is told once,
from whichever of a delta or a whole step says it first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...core.events import CitationAdded, Event, ImageReady, RefusalDelta, ServerToolEvent, TextDelta
from .. import loose_json

_MARK = re.compile(r"【\d{1,4}:(\d{1,4})")


@dataclass(slots=True)
class _Message:
    """What was told of one message: text by the index of its content part."""

    texts: dict[int, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    halves: defaultdict[int, loose_json.Halves] = field(default_factory=lambda: defaultdict(loose_json.Halves))


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
        self.searches: list[list[Mapping[str, Any]]] = []
        """What each search of the run found; marks name the place of a passage in these."""

    def delta(self, data: Mapping[str, Any]) -> list[Event]:
        """Take a piece of a message."""
        events: list[Event] = []
        message = self._messages.setdefault(loose_json.text(data.get("id")), _Message())
        for part in loose_json.listing(loose_json.mapping(data.get("delta")).get("content")):
            part = loose_json.mapping(part)
            self._tell_part(message, loose_json.count(part.get("index")), part, events, whole=False)
        return events

    def whole(self, data: Mapping[str, Any]) -> list[Event]:
        """Take a whole message; only what was not told of it is."""
        events: list[Event] = []
        message = self._messages.setdefault(loose_json.text(data.get("id")), _Message())
        for index, part in enumerate(loose_json.listing(data.get("content"))):
            self._tell_part(message, index, loose_json.mapping(part), events, whole=True)
        return events

    def _tell_part(
        self, message: _Message, index: int, part: Mapping[str, Any], events: list[Event], *, whole: bool
    ) -> None:
        if part.get("type") == "image_file":
            file_id = loose_json.text(loose_json.mapping(part.get("image_file")).get("file_id"))
            if file_id and file_id not in message.seen:
                message.seen.add(file_id)
                self._pending.append(ImageReady("image/png", file_id=file_id))
            return
        if part.get("type") == "image_url":
            self._tell_image_url(message, loose_json.text(loose_json.mapping(part.get("image_url")).get("url")), events)
            return
        refusal = part.get("type") == "refusal"
        text = loose_json.mapping(part.get("text"))
        said = part.get("refusal") if refusal else text.get("value")
        value = loose_json.text(said) if whole else message.halves[index].feed(said)
        told = message.texts.get(index, "")
        if whole:
            # A whole that reads otherwise than its deltas is not told: all of it would stand there twice.
            value = value[len(told) :] if value.startswith(told) else ""
        if value:
            if not told and not refusal and self._needs_break(message, index):
                events.append(TextDelta("\n\n"))
            message.texts[index] = told + value
            events.append(RefusalDelta(value) if refusal else TextDelta(value))
        for annotation in loose_json.listing(text.get("annotations")):
            self._tell_citation(message, loose_json.mapping(annotation), events)

    def _needs_break(self, message: _Message, index: int) -> bool:
        """Whether text came before in this turn: a further message or part is a paragraph of its own."""
        earlier = any(other is not message and other.texts for other in self._messages.values())
        return earlier or any(position != index for position in message.texts)

    def _tell_citation(self, message: _Message, annotation: Mapping[str, Any], events: list[Event]) -> None:
        kind = loose_json.text(annotation.get("type"))
        cited = loose_json.mapping(annotation.get(kind))
        file_id, url = loose_json.text(cited.get("file_id")), loose_json.text(cited.get("url"))
        marker = loose_json.text(annotation.get("text"))
        # With its place: one file is cited many times, and each mark in the text wants its source.
        key = f"{kind}:{file_id or url}:{annotation.get('start_index')}"
        if key in message.seen or not (file_id or url):
            return
        message.seen.add(key)
        if file_id:
            passage, page = self._passage(marker, file_id)
            self._pending.append(CitationAdded(file_id, marker=marker, passage=passage, page=page))
        else:
            events.append(CitationAdded(loose_json.text(cited.get("title")) or url, url, marker))

    def _passage(self, marker: str, file_id: str) -> tuple[str, int | None]:
        """Return the text and the page that a mark such as 【4:0†foods.txt】 stands for, where these were told."""
        place = _MARK.match(marker)
        number = int(place[1]) if place else 0
        # The last search first: the first number of a mark is that of a message at the hosted service.
        ranked = [found for found in reversed(self.searches) if len(found) > number]
        exact = (found[number] for found in ranked if found[number].get("file_id") == file_id)
        for result in exact:
            page = result.get("nbassist_page")
            return _texts(result), page if isinstance(page, int) else None
        return "", None

    @staticmethod
    def _tell_image_url(message: _Message, url: str, events: list[Event]) -> None:
        if url and url not in message.seen:
            message.seen.add(url)
            events.append(CitationAdded("image", url))  # nothing remote is fetched on its own


class HostedCall:
    """One call that the service makes itself."""

    def __init__(self) -> None:
        self._input = ""
        self._logs: dict[int, str] = {}
        self._images: set[str] = set()
        self._begun = False
        self._ended = False

    def delta(self, call_id: str, kind: str, details: Mapping[str, Any]) -> tuple[list[Event], list[ImageReady]]:
        """Take a piece of it; return its events, and the pictures whose bytes are to be fetched."""
        piece = loose_json.text(details.get("input"))
        self._input += piece
        output, images = self._outputs(details, whole=False)
        if self._ended or (self._begun and not (piece or output or images)):
            return [], images
        self._begun = True
        return [ServerToolEvent(call_id, kind, "running", piece, output)], images

    def end(
        self, call_id: str, kind: str, details: Mapping[str, Any], state: Literal["completed", "failed"]
    ) -> tuple[list[Event], list[ImageReady]]:
        """Take it whole."""
        output, images = self._outputs(details, whole=True)
        if self._ended:
            return [], images
        self._ended = True
        whole = loose_json.text(details.get("input"))
        rest = whole[len(self._input) :] if whole.startswith(self._input) else ""
        results = [_found(loose_json.mapping(result)) for result in loose_json.listing(details.get("results"))]
        return [ServerToolEvent(call_id, kind, state, rest, output + "\n\n".join(results))], images

    def _outputs(self, details: Mapping[str, Any], *, whole: bool) -> tuple[str, list[ImageReady]]:
        told = ""
        images: list[ImageReady] = []
        for position, output in enumerate(map(loose_json.mapping, loose_json.listing(details.get("outputs")))):
            # Deltas number the outputs; a whole step lists them.
            index = loose_json.count(output.get("index")) if "index" in output else position
            before, logs = self._logs.get(index, ""), loose_json.text(output.get("logs"))
            if whole:
                logs = logs[len(before) :] if logs.startswith(before) else ""
            self._logs[index] = before + logs
            told += logs
            file_id = loose_json.text(loose_json.mapping(output.get("image")).get("file_id"))
            if file_id and file_id not in self._images:
                self._images.add(file_id)
                images.append(ImageReady("image/png", file_id=file_id))
        return told, images


def _found(result: Mapping[str, Any]) -> str:
    name, score = loose_json.text(result.get("file_name")), result.get("score")
    head = name + (f" ({score:.2f})" if isinstance(score, float) else "")
    return "\n".join(filter(None, [head, _texts(result)]))


def _texts(result: Mapping[str, Any]) -> str:
    parts = map(loose_json.mapping, loose_json.listing(result.get("content")))
    return "\n".join(filter(None, (loose_json.text(part.get("text")) for part in parts)))
