"""The head of an uploaded part, as clients write it, in the one form that the parser knows.

Sources: recordings of the hosted service. A name in other scripts comes as `filename*=utf-8''%E4…` (RFC 5987), which
the parser takes for no file at all; a part without a name is a file all the same, and gets its type for a name.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from starlette.formparsers import MultiPartException

_PARTS = 64
"""Marks of a boundary in one body, far more than one file and its fields need."""
_HEAD = 16 * 1024
"""Bytes of a part's head that are gone through."""

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:", re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:\s*([^;\s]+)", re.IGNORECASE | re.MULTILINE)
_IS_FILE = re.compile(rb"[;\s]name=\"?file\"?(?:;|\s*$)")
_ENCODED = re.compile(rb";\s*filename\*=\"?[\w-]*'[\w-]*'([^;\"\r\n]+)\"?", re.IGNORECASE)
_PLAIN = re.compile(rb";\s*filename=(?:\"(?:[^\"\\]|\\.)*\"|[^;\s]*)", re.IGNORECASE)


def with_plain_names(body: bytes, content_type: str) -> bytes:
    """Return a multipart body whose part `file` has a plain `filename`; what is in the parts is not touched.

    Raises
    ------
    MultiPartException
        Where it has more parts than anybody sends: to split and to parse millions of them would hold up all others.
    """
    found = _BOUNDARY.search(content_type)
    if not found:
        return body
    boundary = b"--" + found.group(1).strip().encode("latin-1")
    parts = body.split(boundary, _PARTS)
    if len(parts) > _PARTS:
        raise MultiPartException("There are too many parts.")
    return boundary.join(_part(part) if part.startswith(b"\r\n") else part for part in parts)


def _part(part: bytes) -> bytes:
    head, blank, content = part.partition(b"\r\n\r\n")
    if len(head) > _HEAD:
        return part  # for the parser to refuse
    lines = head.split(b"\r\n")
    for number, line in enumerate(lines):
        if _DISPOSITION.match(line) and _IS_FILE.search(line):
            lines[number] = _named(line, _TYPE.search(head))
    return b"\r\n".join(lines) + blank + content


def _named(line: bytes, type_: re.Match[bytes] | None) -> bytes:
    if encoded := _ENCODED.search(line):
        # The encoded name goes before the plain one, where a client sends both.
        name = unquote_to_bytes(encoded.group(1).strip())
        line = _PLAIN.sub(b"", _ENCODED.sub(b"", line))
    elif _PLAIN.search(line):
        return line
    else:
        name = type_.group(1) if type_ else b"file"
    return line + b'; filename="' + re.sub(rb'[\r\n"\\]', b"_", name) + b'"'
