"""Which of a chunk's choices is the reply, and the calls that a server put into another one.

GitHub Copilot gives what Claude says in the first choice and its calls in the second. Where more than one reply was
asked for (`n`), the chunks take turns, and only the first one's reply is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import loose_json
from .calls import entries_of


class Choices:
    """The choices of one stream: the reply is the one that came first, by its index."""

    def __init__(self) -> None:
        self.index: int | None = None
        """Of the choice that is the reply; None before one came."""
        self.reason = ""
        """The finish reason of another choice that holds calls."""
        self._entries: list[Any] = []
        self.has_calls = False
        """Whether another choice holds calls."""

    def take(self, choices: list[Any]) -> Mapping[str, Any] | None:
        """Take the choices of a chunk; return the reply's own, None where it is not among them."""
        mine: Mapping[str, Any] | None = None
        for position, choice in enumerate(map(loose_json.mapping, choices)):
            index = loose_json.index(choice.get("index"))
            if index is None:
                index = self.index if self.index is not None and len(choices) == 1 else position
            if self.index is None:
                self.index = index
            if index == self.index and mine is None:
                mine = choice
            else:
                self._take_calls(choice)
        return mine

    def calls(self) -> list[Any]:
        """Return the entries of `tool_calls` in other choices, each once."""
        entries, self._entries = self._entries, []
        return entries

    @property
    def open(self) -> bool:
        """Whether another choice holds calls and has not ended."""
        return self.has_calls and not self.reason

    def _take_calls(self, choice: Mapping[str, Any]) -> None:
        message = loose_json.mapping(choice.get("delta")) or loose_json.mapping(choice.get("message"))
        self._entries += entries_of(message)
        self.has_calls = self.has_calls or bool(self._entries)
        if self.has_calls:
            self.reason = loose_json.text(choice.get("finish_reason")) or self.reason


_OF_CHUNK = frozenset(("id", "object", "created", "model", "choices", "system_fingerprint", "service_tier", "usage"))
_OF_CHOICE = frozenset(("index", "delta", "finish_reason", "logprobs"))
_OF_DELTA = frozenset(("role", "content"))


def plain_text(chunk: Any, index: int | None) -> str:
    """Return the text of a chunk that is a piece of the choice `index` and nothing else; empty for any other.

    Nearly every chunk is one. Asked first, it takes a tenth of the time of looking for all that others may hold.
    """
    if type(chunk) is not dict or chunk.get("usage") or not _OF_CHUNK.issuperset(chunk):
        return ""
    choices = chunk.get("choices")
    choice = choices[0] if type(choices) is list and len(choices) == 1 else None
    if type(choice) is not dict or choice.get("finish_reason") or not _OF_CHOICE.issuperset(choice):
        return ""
    if choice.get("index", index) != index:
        return ""
    delta = choice.get("delta")
    if type(delta) is not dict or not _OF_DELTA.issuperset(delta):
        return ""
    content = delta.get("content")
    return content if type(content) is str else ""
