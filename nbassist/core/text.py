"""Text from outside, made harmless before anything else sees it.

Escape sequences (ECMA-48: CSI, OSC, DCS and the like, in their 7-bit and 8-bit forms), other control characters, NUL
and lone surrogates go; line ends become ``\\n``. What is visible stays as it was.
"""

from __future__ import annotations

import json
import re
from typing import Any

# A string (OSC, DCS, …) ends at a line's end or after 4 KB even where it is never closed: else one stray byte would
# swallow, or hold back, the rest of the reply.
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]{0,4096}"
_CSI = r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}"
_SEQUENCE = re.compile(rf"{_CSI}[@-~]|{_STRING}(?:\x07|\x1b\\|\x9c)|\x1b[ -/]{{0,8}}[0-~]")
# What may still become a sequence, a pair of surrogates or a line end when more text comes.
_UNFINISHED = re.compile(rf"(?:{_STRING}\x1b?|{_CSI}|\x1b[ -/]{{0,8}}|\r|[\ud800-\udbff])\Z")
# Nearly all text is clean, and this one search is all that it costs.
_SUSPECT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_STANDING = re.compile(r"[\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return `text` without control sequences; a tab and a newline are the only controls left.

    Pairs of surrogates are joined, lone ones become U+FFFD. A lone carriage return is a line end.
    """
    if not _SUSPECT.search(text):
        return text
    # Sequences first: they are made of control characters, and without those their rest would stand there as text.
    text = _CONTROL.sub("", _SEQUENCE.sub("", text)).replace("\r\n", "\n").replace("\r", "\n")
    if _SURROGATE.search(text):
        # UTF-16 is what surrogates are for: a pair is read back as its one character, and only a lone one is an error.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def one_line(text: str, limit: int = 200) -> str:
    """Return `text` clean, on one line, and cut to `limit` characters with an ellipsis."""
    # Only as much is looked at as can matter: the text may be a megabyte of a server's error page.
    line = " ".join(clean(text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def json_line(value: Any) -> str:
    """Return the JSON of a value on one line, readable, and with no control or lone surrogate standing in it."""
    # JSON itself lets the controls from 0x7F on stand, which a terminal obeys.
    return _STANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def settle(text: str) -> str:
    """Return what a terminal would show of `text` that goes back with carriage returns, as progress bars do."""
    if "\r" not in text:
        return clean(text)
    lines = text.replace("\r\n", "\n").split("\n")
    # A return at the very end of a line has not been written over by anything yet.
    return clean("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


class Cleaner:
    """`clean` for text that comes in pieces, cut anywhere: the pieces out, joined, are `clean` of the pieces in."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what is certain so far; at most about 4 KB is held back."""
        if self._held:
            text, self._held = self._held + text, ""
        if not _SUSPECT.search(text):
            return text
        # No sequence is longer than the limits above, so the search need not begin further back.
        if unfinished := _UNFINISHED.search(text, max(0, len(text) - 4100)):
            self._held = text[unfinished.start() :]
            text = text[: unfinished.start()]
        return clean(text)

    def finish(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return clean(held)
