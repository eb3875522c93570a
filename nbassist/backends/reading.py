"""Reading JSON that a stranger wrote: each function takes anything and gives the type it is named for, or empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..events import Usage

_SURROGATES = re.compile("[\ud800-\udfff]")


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return `value` where it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return `value` where it is a string, lone surrogates replaced (they can't be sent on), else an empty one."""
    return _SURROGATES.sub("\ufffd", value) if isinstance(value, str) else ""


def count(value: Any) -> int:
    """Return `value` where it is a whole number that is not negative, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def usage(value: Any) -> Usage:
    """Read usage under the names of all three protocols; unknown where there is none, or nothing but zeros.

    The Assistants API says `prompt_token_details` (recorded), Chat Completions `prompt_tokens_details`, Responses
    `input_tokens_details`.
    """
    data = mapping(value)
    if not data:
        return Usage()
    read = mapping(
        data.get("prompt_tokens_details") or data.get("prompt_token_details") or data.get("input_tokens_details")
    )
    written = mapping(data.get("completion_tokens_details") or data.get("output_tokens_details"))
    tokens_in = count(data.get("prompt_tokens", data.get("input_tokens")))
    tokens_out = count(data.get("completion_tokens", data.get("output_tokens")))
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cached_tokens=count(read.get("cached_tokens")),
        reasoning_tokens=count(written.get("reasoning_tokens")),
        known=tokens_in > 0 or tokens_out > 0,  # a server that counts nothing says zeros
    )


def error_message(value: Any) -> str:
    """Return the words of an error in any of the shapes that servers use; empty where there are none.

    Seen: `{"error": {"message": ...}}`, `{"error": "text"}`, `{"message": ...}`, a bare string.
    """
    if isinstance(value, str):
        return text(value)
    data = mapping(value)
    inner = data.get("error", data)
    return text(inner) if isinstance(inner, str) else text(mapping(inner).get("message"))
