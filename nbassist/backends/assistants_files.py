"""Images and files of Assistants v2: uploaded before a message names them, fetched after a reply does."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

from ..errors import BackendError
from ..events import CitationAdded, Event, ImageReady
from ..messages import File, Image, Message
from . import reading
from .contents import file_text
from .steps import Call, Fetch, Flow, Step, Upload

_LARGEST = 10 * 1024 * 1024
"""Bytes of a picture that is fetched to be shown."""
_MOST = 20
"""Files of one reply that are asked for."""
_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


class EndpointFiles:
    """The files that this backend knows at its endpoint: each is uploaded once, and its name asked for once."""

    def __init__(self) -> None:
        self._uploaded: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def upload(self, messages: Iterable[Message]) -> Generator[Step, Any, dict[int, str]]:
        """Upload what `messages` of the person hold as bytes; return the ids by `id()` of the part."""
        ids: dict[int, str] = {}
        parts = [part for message in messages if message.role == "user" for part in message.parts]
        for part in parts:
            if not isinstance(part, File | Image) or not part.data or (isinstance(part, File) and file_text(part)):
                continue
            purpose = "assistants" if isinstance(part, File) else "vision"
            name = part.name if isinstance(part, File) else "image." + part.media_type.rpartition("/")[2]
            digest = hashlib.sha256(part.data + purpose.encode()).hexdigest()
            if digest not in self._uploaded:
                answer = yield Upload("/files", name, part.media_type, part.data, {"purpose": purpose})
                self._uploaded[digest] = reading.text(reading.mapping(answer).get("id"))
            ids[id(part)] = self._uploaded[digest]
        return ids

    def resolve(self, pending: Iterable[Event]) -> Flow:
        """Yield the pictures of a reply with their bytes, and its citations with the names of their files.

        What the endpoint does not give is told with its id alone.
        """
        for number, event in enumerate(pending):
            if isinstance(event, ImageReady) and number < _MOST:
                event = yield from self._with_bytes(event)
            elif isinstance(event, CitationAdded) and number < _MOST:
                event = yield from self._with_name(event)
            yield event

    @staticmethod
    def _with_bytes(image: ImageReady) -> Generator[Step, Any, ImageReady]:
        try:
            data: bytes = yield Fetch(f"/files/{image.file_id}/content", _LARGEST)
        except BackendError:
            return image
        kind = next((kind for start, kind in _SIGNATURES if data.startswith(start)), "image/png")
        return replace(image, data=data, media_type=kind)

    def _with_name(self, citation: CitationAdded) -> Generator[Step, Any, CitationAdded]:
        file_id = citation.title
        if file_id not in self._names:
            try:
                answer = yield Call("GET", f"/files/{file_id}")
            except BackendError:
                answer = None
            self._names[file_id] = reading.text(reading.mapping(answer).get("filename")) or file_id
        return replace(citation, title=self._names[file_id])
