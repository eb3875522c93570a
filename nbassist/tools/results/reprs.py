"""What an object says of itself, collections included, bounded while it is written and made safe to show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from .lazy_values import unread

LIMIT = 20_000
"""Characters of a result that the model gets."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def own_text(value: Any) -> str | None:
    """Return what the object's own ``_repr_llm_`` says; None where it has none, or it fails."""
    content = None if isinstance(value, type) else ask(value, "_repr_llm_")
    return content if isinstance(content, str) else None


def ask(value: Any, method: str) -> Any:
    """Return what a display method of the object gives; None where it has none, or it fails."""
    # Of the class: an object that answers to every name would have each method.
    call = getattr(type(value), method, None)
    if call is None:
        return None
    try:
        return call(value)
    except Exception:  # noqa: BLE001 - the object's own code; its repr is taken in its place
        return None


def short_repr(value: Any, limit: int = LIMIT) -> str:
    """Return a bounded repr without memory addresses, which say nothing and differ from run to run."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the object's own code
        text = f"<{type(value).__name__} object, whose repr raised {type(error).__name__}>"
    return without_addresses(cut(text, limit))


def without_addresses(text: str) -> str:
    """Leave out memory addresses."""
    return _ADDRESS.sub("", text)


def cut(text: str, limit: int) -> str:
    """Cut text to `limit` characters, its beginning and end kept, with a note of what is left out."""
    if len(text) <= limit:
        return text
    left = max(limit - 60, 20)
    # The beginning says what it is, the end how it came out, as with a log or a traceback.
    tail = left // 4
    return f"{text[: left - tail]}\n[… {len(text) - left:,} of {len(text):,} characters left out …]\n{text[-tail:]}"


def clean(text: str) -> str:
    """Leave out terminal sequences, and replace what UTF-8 can't hold."""
    if "\x1b" in text:
        text = _ANSI.sub("", text).replace("\x1b", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


_BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), dict: ("{", "}")}
_DEPTH = 50
_PIECE = 2_000  # characters of an object inside


def brief(value: Any, limit: int) -> str:
    """Return a list, tuple, set or dict as its repr, of about `limit` characters at most; the rest is counted.

    Numbers of numpy stand in it as numbers, iterators and lazy tables as what they are, unread.
    """
    text: list[str] = []
    size = 0
    for piece in _pieces(value, limit, 0, set()):
        text.append(piece)
        size += len(piece)
        if size > limit:
            return "".join(text)[:limit] + f"\n[… cut after {limit:,} characters: {len(value):,} items in all]"
    return "".join(text)


def is_collection(value: Any) -> bool:
    """Whether `brief` writes it."""
    return type(value) in _BRACKETS


def _pieces(value: Any, limit: int, depth: int, within: set[int]) -> Iterator[str]:
    if not is_collection(value):
        yield _piece(value, limit)
        return
    if id(value) in within or depth > _DEPTH or not value:
        yield repr(value) if not value else "..."
        return
    within.add(id(value))
    opening, closing = _BRACKETS[type(value)]
    yield opening
    # No more can be written than two characters for each: what lies behind is not even looked at.
    for number, item in enumerate(islice(value, limit)):
        if number:
            yield ", "
        yield from _pieces(item, limit, depth + 1, within)
        if isinstance(value, dict):
            yield ": "
            yield from _pieces(value[item], limit, depth + 1, within)
    yield ",)" if isinstance(value, tuple) and len(value) == 1 else closing
    within.discard(id(value))


def _piece(value: Any, limit: int) -> str:
    if isinstance(value, str | bytes) and len(value) > limit:
        return repr(value[:limit])
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return repr(value.item())
    return unread(value) or short_repr(value, max(limit, _PIECE))
