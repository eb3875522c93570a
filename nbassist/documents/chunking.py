"""Cutting text into chunks that overlap, measured in tokens.

OpenAI's own tokenizer is fetched at its first use, which a server without a network can't do. Tokens are counted by a
rule instead that comes within a tenth of it on English prose: a run of up to six letters with the blank before it, up
to three digits, a run of up to four other signs. Scripts without blanks between words count a token for each sign.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .reader import Page

_TOKEN = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]| ?[^\W\d_]{1,6}|\d{1,3}|\s+|[^\w\s]{1,4}|."
)
_SNAP = 0.15
"""Within which last share of a chunk a line end is looked for, to end it there."""
_BREAKS = ("\n\n", "\n", ". ", " ")
_JOINT = "\n\n"
_WINDOW = 128
"""Tokens that get one vector: small models were made of texts that long, and blur longer ones."""
LONGEST_WINDOW = 1500
"""Characters of a window; a word of base64 has more tokens than are counted."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file's text, where in it it begins, and on which page, None where the file has no pages."""

    text: str
    begin: int
    page: int | None


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return sum(1 for _ in _TOKEN.finditer(text))


def cut(pages: Sequence[Page], size: int, overlap: int) -> Iterator[Chunk]:
    """Yield the chunks of a file, in order, none without words.

    Parameters
    ----------
    size : int
        The most tokens of a chunk.
    overlap : int
        Tokens that a chunk shares with the one before it; at most half of `size`.
    """
    text = _JOINT.join(page.text for page in pages)
    begins, at = [], 0
    for page in pages:
        begins.append(at)
        at += len(page.text) + len(_JOINT)
    # Where each token begins: chunks are windows over these.
    starts = [match.start() for match in _TOKEN.finditer(text)]
    first = 0
    while first < len(starts):
        last = min(first + size, len(starts))
        begin, end = starts[first], starts[last] if last < len(starts) else len(text)
        if last < len(starts):
            end = _snapped(text, begin, end)
        piece = text[begin:end]
        if words := piece.strip():
            begin += len(piece) - len(piece.lstrip())
            yield Chunk(words, begin, pages[bisect.bisect_right(begins, begin) - 1].number)
        if last >= len(starts):
            return
        # From the very end of this chunk, which may have been cut back; always at least one token further.
        ended = bisect.bisect_left(starts, end)
        first = max(ended - overlap, first + 1)


def windows(text: str) -> list[str]:
    """Return a text in parts, at least one, that a small model of vectors reads whole."""
    parts = [chunk.text[:LONGEST_WINDOW] for chunk in cut([Page(None, text)], _WINDOW, 0)]
    return parts or [text[:LONGEST_WINDOW]]


def _snapped(text: str, begin: int, end: int) -> int:
    """Return the best place near the end of a window to end a chunk at: a paragraph's end, a line's, a sentence's."""
    earliest = end - int((end - begin) * _SNAP)
    for sign in _BREAKS:
        found = text.rfind(sign, earliest, end)
        if found > begin:
            return found + len(sign)
    return end
