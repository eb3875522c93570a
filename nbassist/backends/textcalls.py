"""Tool calls that a model writes into its text as JSON, told from text while it streams.

Qwen2.5-Coder, with its own chat template and tools, writes `{"name": ..., "arguments": {...}}` bare, in a fence, or
in `<tool_call>` tags, and now and then with doubled braces. It is read as a call only where it names a tool that was
offered; all else stays text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

_OPENING = re.compile(r"(?:(?:`{3,}[ \t]*\w*|<tool_call>)\s*)?[\[{]")
_OPENING_PREFIX = re.compile(
    r"(?:`{1,2}|`{3,}[ \t]*\w*\s*|<(?:t(?:o(?:o(?:l(?:_(?:c(?:a(?:l(?:l(?:>\s*)?)?)?)?)?)?)?)?)?)?)\Z"
)
_FIRST_KEY = re.compile(r'[\[{][\s\[{]*"([^"]*)"')
_CLOSING = re.compile(r"\s*(?:`{3,}|</tool_call>)?")
_KEYS = ("name", "arguments", "parameters", "function", "type", "tool")


@dataclass(frozen=True, slots=True)
class TextCall:
    """A call found in the text; `arguments` is JSON text of an object."""

    name: str
    arguments: str


class TextCallReader:
    """Take the pieces of a reply and give back text and calls, in order.

    Text is held back only from a line that may begin a call until it is known to be one or not.

    Parameters
    ----------
    tools : collection of str
        The names that were offered. Where it is empty, all text passes through at once.
    """

    def __init__(self, tools: Collection[str]) -> None:
        self._tools = frozenset(tools)
        self._held = ""
        self._line_start = True
        self._scan = _Scanner()
        self.called = False
        """Whether a call was found."""
        self.spent = False
        """Whether text followed a call. It is dropped: it was written without the tool's output, so it is a guess."""

    def feed(self, piece: str) -> list[str | TextCall]:
        """Take the next piece; return what is decided by it."""
        if not self._tools:
            return [piece] if piece else []
        self._held += piece
        found: list[str | TextCall] = []
        while self._held and self._step(found, at_end=False):
            pass
        return found

    def finish(self) -> list[str | TextCall]:
        """Return what was held back when the reply ended."""
        found: list[str | TextCall] = []
        while self._held and self._step(found, at_end=True):
            pass
        return found

    def _step(self, found: list[str | TextCall], *, at_end: bool) -> bool:
        """Decide on the head of what is held; return False where more text is needed."""
        if not self._line_start:
            end = self._held.find("\n") + 1 or len(self._held)
            self._release(found, end)
            return True
        body = self._held.lstrip()
        lead = len(self._held) - len(body)
        if not body:
            if at_end:
                self._release(found, len(self._held))
            return False
        opening = _OPENING.match(body)
        if opening is None:
            if not at_end and _OPENING_PREFIX.match(body):
                return False
            self._release(found, lead + (body.find("\n") + 1 or len(body)))
            return True
        start = lead + opening.end() - 1
        return self._decide(found, start, at_end=at_end)

    def _decide(self, found: list[str | TextCall], start: int, *, at_end: bool) -> bool:
        first = _FIRST_KEY.match(self._held, start)
        possible = first is None or first.group(1) in _KEYS
        end = self._scan.end(self._held, start) if possible else None
        if possible and end is None and not at_end:
            return False
        calls = self._calls(self._held[start:end]) if end is not None else []
        self._scan = _Scanner()
        if end is None or not calls:
            # Not a call: release its first line, and look again at the next.
            self._release(found, (self._held.find("\n", start) + 1) or len(self._held))
            return True
        found.extend(calls)
        self.called = True
        closing = _CLOSING.match(self._held, end)
        self._held = self._held[closing.end() if closing else end :]
        return True

    def _release(self, found: list[str | TextCall], end: int) -> None:
        text, self._held = self._held[:end], self._held[end:]
        self._line_start = text.endswith("\n")
        if self.called:
            self.spent = self.spent or bool(text.strip())
        else:
            found.append(text)

    def _calls(self, source: str) -> list[TextCall]:
        value = _value(source)
        calls = [self._call(item) for item in (value if isinstance(value, list) else [value])]
        return [call for call in calls if call is not None] if all(calls) else []

    def _call(self, value: Any) -> TextCall | None:
        if isinstance(value, dict) and isinstance(value.get("function"), dict):
            value = value["function"]
        if not isinstance(value, dict):
            return None
        name = value.get("name") or value.get("tool") or value.get("function")
        arguments = value.get("arguments", value.get("parameters", {}))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                return None
        if name not in self._tools or not isinstance(arguments, dict):
            return None
        return TextCall(name, json.dumps(arguments, ensure_ascii=False))


def _value(source: str) -> Any:
    """Return the JSON value of `source`, or None; small models double braces, around the whole or everywhere."""
    doubled = source.startswith("{{")
    halved = source.replace("{{", "{").replace("}}", "}")
    for text in (source, source[1:-1], halved) if doubled else (source,):
        try:
            return json.loads(text, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


class _Scanner:
    """Find where a JSON value ends, looking at each character once however often it is asked."""

    def __init__(self) -> None:
        self._position: int | None = None
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def end(self, text: str, start: int) -> int | None:
        position = start if self._position is None else self._position
        while position < len(text):
            character = text[position]
            position += 1
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = character == "\\"
                self._quoted = character != '"'
            elif character == '"':
                self._quoted = True
            elif character in "[{":
                self._depth += 1
            elif character in "]}":
                self._depth -= 1
                if self._depth == 0:
                    return position
        self._position = position
        return None
