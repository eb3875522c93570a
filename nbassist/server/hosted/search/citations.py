"""Marks of passages, and links to files, in what a model writes, found as it is streamed.

The model is told a mark with each passage, `【4:0†foods.txt】`: which search of the run, which of its results, which
file. As recorded, a mark is told whole, in one delta with its annotation; so text is held back from `【` on until it is
known what it is. In the same way a link to a file of the interpreter's, `sandbox:/mnt/data/table.csv`, is told with the
id of that file (source: OpenAI's description of the API).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

_OPEN, _CLOSE = "【", "】"
_LINK = "sandbox:/mnt/data/"
_PATH = re.compile(r"sandbox:/mnt/data/[^\s()\[\]<>\"'`|*]*")
_LONGEST = 400
"""Characters after which something that began as a mark is none."""
_MARK = re.compile(r"【(?:(\d+):(\d+))?[^【】†]{0,20}†([^【】]+)】")
FIRST = 4
"""The number of the first search of a run: that of the recordings."""


def mark(search: int, result: int, filename: str) -> str:
    """Return the mark of a passage; `search` counts the searches of a run, from 0."""
    return f"{_OPEN}{FIRST + search}:{result}†{filename}{_CLOSE}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text to be told; `file_id` is that of the file which it is the mark of, or the link to, or None."""

    text: str
    file_id: str | None = None


@dataclass(slots=True)
class Marks:
    """Finds marks and links in a text that comes in pieces.

    Parameters
    ----------
    results : sequence of sequence of mapping
        What each search of the run found, with `file_id` and `file_name`, in order.
    paths : mapping
        The ids of the files that the interpreter wrote in this run, by name.
    """

    results: Sequence[Sequence[Mapping[str, Any]]]
    paths: Mapping[str, str] = field(default_factory=dict)
    _held: str = field(default="", init=False)

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield what can be told by now."""
        self._held += text
        yield from self._take(final=False)

    def rest(self) -> Iterator[Piece]:
        """Yield what is left at the end of a text."""
        yield from self._take(final=True)

    def _take(self, *, final: bool) -> Iterator[Piece]:
        while self._held:
            begin = _begin(self._held)
            if begin:
                plain, self._held = self._held[:begin], self._held[begin:]
                yield Piece(plain)
                continue
            cut = _mark_end(self._held) if self._held.startswith(_OPEN) else _link_end(self._held)
            if not cut:
                if not final:
                    return
                cut = len(self._held)
            piece, self._held = self._held[:cut], self._held[cut:]
            yield Piece(piece, self._file_of(piece))

    def _file_of(self, piece: str) -> str | None:
        """Return the id of the file that a mark names, None for what is no mark of a result of this run.

        The numbers decide; a model that gets them wrong, but names a file that was found, is taken by the name.
        """
        if piece.startswith(_LINK):
            return self.paths.get(unquote(piece.removeprefix(_LINK))) or self.paths.get(piece.removeprefix(_LINK))
        found = _MARK.fullmatch(piece)
        if found is None:
            return None
        search, result, name = found.groups()
        if search is not None and 0 <= int(search) - FIRST < len(self.results):
            of_search = self.results[int(search) - FIRST]
            if int(result) < len(of_search) and of_search[int(result)]["file_name"] == name:
                return str(of_search[int(result)]["file_id"])
        named = (entry for of_search in reversed(self.results) for entry in of_search if entry["file_name"] == name)
        return next((str(entry["file_id"]) for entry in named), None)


def _begin(text: str) -> int:
    """Return where in a text something begins that may be a mark or a link; its length where nothing does."""
    places = [place for place in (text.find(_OPEN), text.find(_LINK)) if place >= 0]
    # The beginning of a link may stand at the very end.
    half = next((len(text) - size for size in range(len(_LINK) - 1, 0, -1) if text.endswith(_LINK[:size])), len(text))
    return min([*places, half])


def _mark_end(text: str) -> int:
    """Return where a mark ends that a text begins with; 0 where that is not known yet."""
    end, again = text.find(_CLOSE), text.find(_OPEN, 1)
    # A second opening before the close, or none for so long: the first was no mark.
    if end >= 0 and (again < 0 or end < again):
        return end + 1
    return again if again > 0 else len(text) if len(text) >= _LONGEST else 0


def _link_end(text: str) -> int:
    """Return where a link ends that a text begins with; 0 where that is not known yet."""
    if not text.startswith(_LINK):
        return 0 if _LINK.startswith(text) else len(text)
    found = _PATH.match(text)
    assert found is not None
    # A full stop behind a link ends the sentence and not the name, so what follows has to be seen.
    return len(found.group().rstrip(".,;:!?")) if found.end() < len(text) or len(text) >= _LONGEST else 0


def annotation(piece: Piece, begin: int) -> dict[str, Any]:
    """Return the annotation of a mark that stands at `begin`, in characters of its text, as a message keeps it."""
    if piece.text.startswith(_LINK):
        kind, named = "file_path", {"file_path": {"file_id": piece.file_id}}
    else:
        kind, named = "file_citation", {"file_citation": {"file_id": piece.file_id}}
    return {
        "type": kind,
        "text": piece.text,
        "start_index": begin,
        "end_index": begin + len(piece.text),
        **named,
    }
