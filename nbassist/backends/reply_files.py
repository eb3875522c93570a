"""Files at an endpoint that belong to a reply: fetched within limits, and where one is not, a line that says why."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..core.events import CitationAdded, ImageReady, Warned
from ..core.text import one_line
from ..errors import BackendError, RequestRefusedError
from .http.requests import Fetch, Flow, Step

MOST_FILES = 20
"""Files of one reply that are asked for."""
LARGEST_PICTURE = 10 * 1024 * 1024
"""Bytes of a picture that is fetched to be shown."""
LARGEST_FILE = 1024 * 1024
"""Bytes of a file that goes into the reply, and so into the notebook."""
_BEGINNING = 2_000
"""Characters of a text that are shown of it."""
_SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
# The name decides how much is fetched; whether it is a picture, its bytes say.
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """A file in a container of the service's interpreter, and the source that names it in the reply."""

    citation: CitationAdded
    container_id: str
    file_id: str


def picture_type(data: bytes) -> str:
    """Return the media type of a picture by its first bytes; empty where it is none."""
    found = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), "")
    return "" if found == "image/webp" and data[8:12] != b"WEBP" else found


def fetch_file(citation: CitationAdded, path: str) -> Generator[Step, Any, CitationAdded]:
    """Return a file that the interpreter wrote with its bytes, where it is small; of a text its beginning.

    A part of a flow. What does not come stays a source, and a warning says why.
    """
    try:
        data: bytes | None = yield Fetch(path, LARGEST_FILE)
    except BackendError as error:
        yield _why_not(citation.title, error)
        return citation
    if data is None:
        yield _too_large(citation.title, LARGEST_FILE)
    return _with_data(citation, data or b"")


def fetch_container_files(files: Iterable[ContainerFile], shown: Collection[bytes] = ()) -> Flow:
    """Yield each file as a source with its bytes, a picture shown before it.

    A part of a flow. What does not come stays a source, and a warning says why; where the endpoint itself is in the
    way, the files behind are not asked for.

    Parameters
    ----------
    files : iterable of ContainerFile
        Each once.
    shown : collection of bytes
        The pictures that the reply holds already.
    """
    asked = 0
    closed = False
    for file in files:
        citation, data = file.citation, b""
        if asked == MOST_FILES and not closed:
            closed = True
            yield Warned(f"of the reply's files the first {MOST_FILES} are fetched, the others stay at the endpoint")
        if not closed:
            asked += 1
            is_picture = citation.title.lower().endswith(_PICTURES)
            limit = LARGEST_PICTURE if is_picture else LARGEST_FILE
            try:
                came = yield Fetch(f"/containers/{file.container_id}/files/{file.file_id}/content", limit)
            except BackendError as error:
                closed = not isinstance(error, RequestRefusedError)
                yield _why_not(citation.title, error)
            else:
                data = came or b""
                if came is None:
                    yield _too_large(citation.title, limit)
        if (kind := picture_type(data)) and data not in shown:
            yield ImageReady(kind, data)
        yield _with_data(citation, data if len(data) <= LARGEST_FILE else b"")


def _with_data(citation: CitationAdded, data: bytes) -> CitationAdded:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return replace(citation, data=data, passage=text[:_BEGINNING])


def _why_not(name: str, error: BackendError) -> Warned:
    if isinstance(error, RequestRefusedError) and error.status in (404, 410):
        # The words of a 404 are about the base URL, which is right.
        return Warned(f"{one_line(name, 100)} is not at the endpoint any more; run the cell again to have it made anew")
    return Warned(f"{one_line(name, 100)} stays at the endpoint: {one_line(str(error))}")


def _too_large(name: str, limit: int) -> Warned:
    return Warned(f"{one_line(name, 100)} stays at the endpoint: it is over {limit // (1024 * 1024)} MiB")
