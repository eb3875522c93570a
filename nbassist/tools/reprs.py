"""What an object says of itself, and how any text is bounded and made safe to show."""

from __future__ import annotations

import re
from typing import Any

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
    return cut(_ADDRESS.sub("", text[: 2 * limit]), limit)


def cut(text: str, limit: int) -> str:
    """Cut text to `limit` characters, its beginning and end kept, with a note of what is left out."""
    if len(text) <= limit:
        return text
    left = max(limit - 60, 20)
    tail = left // 4
    return f"{text[: left - tail]}\n[… {len(text) - left:,} of {len(text):,} characters left out …]\n{text[-tail:]}"


def clean(text: str) -> str:
    """Leave out terminal sequences, and replace what UTF-8 can't hold."""
    if "\x1b" in text:
        text = _ANSI.sub("", text).replace("\x1b", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
