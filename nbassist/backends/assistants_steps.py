"""What the service runs itself in a run of Assistants v2: code interpreter and file search, told as it happens.

The shapes are from the OpenAPI description; the order of their deltas is in no recording, so each thing is told once,
from whichever of a delta or a whole step says it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..events import Event, ImageReady, ServerToolEvent
from . import reading


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
        piece = reading.text(details.get("input"))
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
        whole = reading.text(details.get("input"))
        rest = whole[len(self._input) :] if whole.startswith(self._input) else ""
        results = [_found(reading.mapping(result)) for result in reading.listing(details.get("results"))]
        return [ServerToolEvent(call_id, kind, state, rest, output + "\n\n".join(results))], images

    def _outputs(self, details: Mapping[str, Any], *, whole: bool) -> tuple[str, list[ImageReady]]:
        told = ""
        images: list[ImageReady] = []
        for position, output in enumerate(map(reading.mapping, reading.listing(details.get("outputs")))):
            index = reading.count(output.get("index")) if "index" in output else position
            before, logs = self._logs.get(index, ""), reading.text(output.get("logs"))
            if whole:
                logs = logs[len(before) :] if logs.startswith(before) else ""
            self._logs[index] = before + logs
            told += logs
            file_id = reading.text(reading.mapping(output.get("image")).get("file_id"))
            if file_id and file_id not in self._images:
                self._images.add(file_id)
                images.append(ImageReady("image/png", file_id=file_id))
        return told, images


def _found(result: Mapping[str, Any]) -> str:
    name, score = reading.text(result.get("file_name")), result.get("score")
    head = name + (f" ({score:.2f})" if isinstance(score, float) else "")
    texts = [reading.text(reading.mapping(part).get("text")) for part in reading.listing(result.get("content"))]
    return "\n".join(filter(None, [head, *texts]))
