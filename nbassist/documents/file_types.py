"""What a file is, by its name and its first bytes: which parser reads it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_BY_ENDING = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".ipynb": "notebook",
    ".json": "json",
    ".csv": "text",
    ".tsv": "text",
}
_MAGIC = ((b"%PDF-", "pdf"),)
_ZIP = b"PK\x03\x04"
_SAMPLE = 8192
_BINARY_SHARE = 0.02
"""Up to which share of control codes a file is still text."""
_BLANKS = re.compile(r"[ \t\f\v\xa0]+\n")
_EMPTY = re.compile(r"\n{3,}")
_UNSTORABLE = re.compile("[\ud800-\udfff\x00-\x08\x0e-\x1f\ufffe\uffff]")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def kind_of(name: str, content: bytes) -> str | None:
    """Return pdf, docx, pptx, html, notebook, json or text; None for what has no text that could be read.

    Whatever its name, a file of text is read as text: source code, configuration, logs, markdown.
    """
    ending = PurePosixPath(name.lower()).suffix
    for start, kind in _MAGIC:
        if content.startswith(start):
            return kind
    kind = _BY_ENDING.get(ending, "text")
    if kind in ("docx", "pptx"):
        return kind if content.startswith(_ZIP) else None
    if kind == "pdf":
        return None
    return kind if encoding_of(content) else None


def encoding_of(content: bytes) -> str | None:
    """Return the encoding of text, None for bytes that are none.

    UTF-8, UTF-16 with a mark, or else Windows-1252, which old documents are in.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return encoding
    sample = content[:_SAMPLE]
    if b"\x00" in sample:
        return None
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    if controls > len(sample) * _BINARY_SHARE:
        return None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def decoded(content: bytes) -> str:
    """Return the text of a file that `kind_of` found to be text."""
    return content.decode(encoding_of(content) or "utf-8", errors="replace")


def tidied(text: str) -> str:
    """Return text with one kind of line end, without blanks at line ends, runs of empty lines and control codes."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _EMPTY.sub("\n\n", _BLANKS.sub("\n", _UNSTORABLE.sub(" ", text))).strip()
