"""Reading JSON that a stranger wrote: each function takes anything and gives the type it is named for, or empty."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..core.events import Usage

_SURROGATES = re.compile("[\ud800-\udfff]")
_MOST = 2**63
"""More tokens than there are: what a server says above it is no count."""


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` where it is a JSON object, else an empty one."""
    # Nearly always a dict, and the other test takes ten times as long.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return `value` where it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def parts(value: Any) -> list[Mapping[str, Any]]:
    """Return the parts of a content, which some servers give as one text, or as a list of texts."""
    found = [value] if isinstance(value, str) else listing(value)
    return [{"text": part} if isinstance(part, str) else mapping(part) for part in found]


def text(value: Any) -> str:
    """Return `value` where it is a string, lone surrogates replaced (they can't be sent on), else an empty one."""
    return _SURROGATES.sub("\ufffd", value) if isinstance(value, str) else ""


def spoken(value: Any) -> str:
    """Return `value` as a piece of what the model said: a string, or a number or truth value that JSON made of one.

    Cloudflare's gateway parses each piece: `0.005` and `true` of a reply come as what they look like.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else text(value)


def arguments(value: Any) -> str:
    """Return the arguments of a call as text: as they came where they are one, else the JSON of what came.

    Some servers give the object itself. A number or a list is none: it stays what it is, and the model is told of its
    mistake. None is empty.
    """
    return text(value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def count(value: Any) -> int:
    """Return `value` where it is a number that is not negative, whole or not (Kimi counts in floats), else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value < _MOST else 0


def index(value: Any) -> int | None:
    """Return `value` where it numbers a thing, else None; some servers write it as a text or a float."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isdecimal() and len(value) < 6:
        return int(value)
    return int(value) if isinstance(value, int | float) and abs(value) < 1e6 else None


def usage(value: Any) -> Usage:
    """Read usage under the names of all three protocols; unknown where there is none, or nothing but zeros.

    The Assistants API says `prompt_token_details` (recorded), Chat Completions `prompt_tokens_details`, Responses
    `input_tokens_details`; DeepSeek says `prompt_cache_hit_tokens`, and Kimi `cached_tokens` without details.
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
    cached = (read.get("cached_tokens"), data.get("prompt_cache_hit_tokens"), data.get("cached_tokens"))
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cached_tokens=next(filter(None, map(count, cached)), 0),
        reasoning_tokens=count(written.get("reasoning_tokens")),
        known=tokens_in > 0 or tokens_out > 0,  # a server that counts nothing says zeros
    )


class Halves:
    """Joins the halves of a character that a server cut between two pieces of text (a surrogate pair).

    Feed it the pieces of one text as `json.loads` gave them; what still lacks its other half at the end is replaced.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, value: Any) -> str:
        """Return what is whole of `value`; a first half at its end waits for the next piece."""
        piece = value if isinstance(value, str) else spoken(value)
        if not piece or (piece.isascii() and not self._held):
            return piece  # almost all there is: each delta comes through here
        piece, self._held = self._held + piece, ""
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        # The two halves of a pair stand beside each other in the string: UTF-16 makes one character of them.
        return text(piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")) if piece else ""

    def finish(self) -> str:
        """Return what was held back, replaced."""
        held, self._held = self._held, ""
        return text(held)
