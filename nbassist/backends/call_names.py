"""The names by which models call tools: which tool an odd one means, and how it goes back in a history."""

from __future__ import annotations

import re
from collections.abc import Collection

_NOT_SENT = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST = 64
_UNKNOWN = "unknown"
# gpt-oss writes `functions.weather` and `weather<|channel|>commentary`, Kimi `functions.weather:0`.
_DRESSED = re.compile(r"\s*(?:functions?\.)?([a-zA-Z0-9_-]+)(?::\d+)?\s*(?:<\|.*)?", re.DOTALL)


def meant_name(name: str, tools: Collection[str]) -> str:
    """Return the one of `tools` that a call names with something around it; `name` itself where it is none of them."""
    if name in tools or not tools:
        return name
    found = _DRESSED.fullmatch(name)
    return found[1] if found and found[1] in tools else name


def sendable_name(name: str) -> str:
    """Return the name of a call as every endpoint takes it: letters, digits, `_` and `-`, at most 64, at least one.

    A model may call what nobody offered, such as `multi_tool_use.parallel`; sent back so, each later request of the
    thread would be refused.
    """
    return _NOT_SENT.sub("_", name)[:_LONGEST] or _UNKNOWN
