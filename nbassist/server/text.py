"""Text that a store can hold and a response can carry."""

from __future__ import annotations

import re
from typing import Any

_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What can be an id; anything else is not looked for."""


def clean(text: str) -> str:
    """Replace lone surrogates, which UTF-8 can't carry, and NUL, which PostgreSQL can't hold, by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean_json(value: Any) -> Any:
    """Return `value`, parsed from JSON, with each string in it cleaned, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    return value
