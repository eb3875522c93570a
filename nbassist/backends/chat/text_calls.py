"""Tool calls that a model writes into its text as JSON, told from text while it streams.

Qwen2.5-Coder, with its own chat template and tools, writes `{"name": ..., "arguments": {...}}` bare, in a fence, or
in `<tool_call>` tags, and now and then with doubled braces. It is read as a call only where it names a tool that was
offered, and only of models that the table of providers knows to do so; all else stays text.

What a quotation of a call is and what a call is can't be told by its JSON. So it is a call only where nothing follows
it, since a model that calls has nothing to add; and behind other words only where its arguments are those of the tool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Nothing here has a run without an end: each is looked at again with each piece that comes, and blanks that two runs
# may share take the square of their number.
_OPENING = re.compile(r"(?:(?:`{3,16}[ \t]{0,8}\w{0,32}|<tool_call>)\s{0,64})?[\[{]")
# Every beginning of an opening, so that text is held back at the end of a piece only where the next may complete it.
_OPENING_PREFIX = re.compile(
    r"(?:`{1,2}|`{3,16}[ \t]{0,8}\w{0,32}\s{0,64}"
    r"|<(?:t(?:o(?:o(?:l(?:_(?:c(?:a(?:l(?:l(?:>\s{0,64})?)?)?)?)?)?)?)?)?)?)\Z"
)
# A key that is too long is matched as well, as none; so is a head of more brackets and blanks than a call has.
_FIRST_KEY = re.compile(r'[\[{](?:[\s\[{]{0,200}"(?:([^"]{0,32})"|[^"]{33})|[\s\[{]{201})')
_CLOSINGS = ("```", "</tool_call>")
_CLOSING = re.compile(r"\s*(?:`{3,}|</tool_call>)?")
_OF_A_CALL = {"name", "arguments", "parameters", "type", "id"}
_NAME = re.compile(r"[\w.:-]{1,64}")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_KEYS = ("name", "arguments", "parameters", "function", "type", "tool")
_BLANKS = 1_000  # in front of a call
_SLICE = 4_096  # characters of a piece that are taken at once: what is held is copied with each line of it
_LOOKS = 16
"""How many times the length of a reply is looked through for calls: JSON in JSON begins anew on each of its lines."""


@dataclass(frozen=True, slots=True)
class TextCall:
    """A call found in the text; `arguments` is JSON text of an object, `source` what stood in the reply."""

    name: str
    arguments: str
    source: str = field(default="", compare=False)


class TextCallReader:
    """Take the pieces of a reply and give back text and calls, in order.

    The reply is a call, or ends with one, or several. Before other words, in a code block, in a quotation and in
    thinking it is text, and so is every later one in a reply that showed one so. Text is held back only from a line
    that may begin a call until it is known to be none, and a call until it is known that nothing follows.

    Parameters
    ----------
    tools : collection of str, or mapping
        The names that were offered; a mapping gives the JSON schema of each tool's arguments, too. Where it is empty,
        all text passes through at once.
    """

    def __init__(self, tools: Collection[str]) -> None:
        self._tools: Mapping[str, Any] = tools if isinstance(tools, Mapping) else dict.fromkeys(tools)
        self._held = ""
        self._line_start = True
        self._scan = _Scanner()
        self._quoted = _Quoted()
        self._waiting: list[str | TextCall] = []
        self._source = ""
        self._behind = ""
        self._quotes = False
        self._taken = self._looked = 0

    @property
    def passes(self) -> bool:
        """Whether no tool was offered, so that all is text."""
        return not self._tools

    def feed(self, piece: str) -> list[str | TextCall]:
        """Take the next piece; return what is decided by it."""
        if not self._tools:
            return [piece] if piece else []
        found: list[str | TextCall] = []
        self._taken += len(piece)
        for at in range(0, len(piece), _SLICE):
            self._held += piece[at : at + _SLICE]
            while self._held and self._step(found, at_end=False):
                pass
        return found

    def finish(self) -> list[str | TextCall]:
        """Return what was held back when the reply ended."""
        found: list[str | TextCall] = []
        while self._held and self._step(found, at_end=True):
            pass
        found += self._waiting
        self._waiting = []
        return found

    def _step(self, found: list[str | TextCall], *, at_end: bool) -> bool:
        """Decide on the head of what is held; return False where more text is needed."""
        if self._quotes:  # all that comes is text
            self._release(found, len(self._held))
            return True
        if not self._line_start:
            end = self._held.find("\n") + 1 or len(self._held)
            self._release(found, end)
            return True
        body = self._held.lstrip()
        lead = len(self._held) - len(body)
        if not body:
            if at_end or len(self._held) > _BLANKS:
                # Up to the line that they stand on, which may still begin a call.
                self._release(found, (0 if at_end else self._held.rfind("\n") + 1) or len(self._held))
            return False
        text = self._quoted.inside
        opening = None if text else _OPENING.match(body)
        if opening is None:
            if not at_end and not text and _OPENING_PREFIX.match(body):
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
        self._looked += (end or len(self._held)) - start if possible else 0
        if not calls and self._looked > _LOOKS * self._taken:
            self._quotes = True
            return True
        if end is None or not calls:
            # Not a call: release its first line, and look again at the next.
            self._release(found, (self._held.find("\n", start) + 1) or len(self._held))
            return True
        closing = _CLOSING.match(self._held, end)
        end = closing.end() if closing else end
        source, self._held = self._held[:end], self._held[end:]
        # Whether anything follows is known at the end of the reply.
        source, self._behind = self._behind + source, ""
        self._source += source
        if isinstance(calls[0], TextCall):
            calls[0] = replace(calls[0], source=source)
        self._waiting += calls
        return True

    def _release(self, found: list[str | TextCall], end: int) -> None:
        text, self._held = self._held[:end], self._held[end:]
        begins, self._line_start = self._line_start, text.endswith("\n")
        if self._waiting:
            self._behind += text
            # A fence or a tag that closes may still be on its way. Blanks decide nothing.
            if not text.strip() or any(closing.startswith(self._behind.strip()) for closing in _CLOSINGS):
                return
            text = self._source + self._behind  # words behind it: it was a quotation
            self._waiting, self._source, self._behind = [], "", ""
            self._quotes = begins = True
        self._quoted.take(text, line_start=begins)
        found.append(text)

    def _calls(self, source: str) -> list[TextCall | str]:
        value = _value(source)
        calls = [self._call(item) for item in (value if isinstance(value, list) else [value])]
        # All or none: a list with anything else in it is an example, not calls.
        return [call for call in calls if call is not None] if all(calls) else []

    def _call(self, value: Any) -> TextCall | str | None:
        if isinstance(value, dict) and isinstance(value.get("function"), dict):
            value = value["function"]
        if not isinstance(value, dict):
            return None
        name = value.get("name") or value.get("tool") or value.get("function")
        given = value.get("arguments", value.get("parameters"))
        arguments = {} if given is None else given
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                return None
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        if name in self._tools:
            # A reply that is nothing but the call is one whatever it gives: the model is told what is wrong with it.
            sure = not self._quoted.said or _fits(arguments, self._tools[name])
            return TextCall(name, json.dumps(arguments, ensure_ascii=False)) if sure else None
        # A call of a tool that there is not looks like any JSON with a `name`: it has the fields of a call and no
        # other.
        is_call = isinstance(given, dict) and set(value) <= _OF_A_CALL and _NAME.fullmatch(name)
        return _unknown(name, arguments) if is_call else None


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,)
}  # fmt: skip


def _fits(arguments: Mapping[str, Any], schema: Mapping[str, Any] | None) -> bool:
    """Whether arguments have the names of a tool's parameters, all that it needs, and values of the types it says."""
    if not schema:
        return True
    properties = schema.get("properties") or {}
    if not set(schema.get("required") or ()) <= set(arguments):
        return False
    if not (set(arguments) <= set(properties) or schema.get("additionalProperties")):
        return False
    wanted = {name: (properties.get(name) or {}).get("type") for name in arguments}
    return all(
        # Anything else than one of these names, such as a list of them, may be many things.
        not isinstance(kind, str) or kind not in _TYPES or isinstance(arguments[name], _TYPES[kind])
        for name, kind in wanted.items()
    )


def _unknown(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a call of a tool that there is not, in words: raw JSON tells a person nothing."""
    given = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
    return f"The model wrote a call of `{name}`, which is no tool here" + (f" ({given})." if given else ".")


class _Quoted:
    """Whether what comes next stands in a code block or in thinking, and whether anything was said before it."""

    def __init__(self) -> None:
        self.said = False
        self._fence = ""
        self._thinking = False
        self._tail = ""

    @property
    def inside(self) -> bool:
        return bool(self._fence) or self._thinking

    def take(self, text: str, *, line_start: bool) -> None:
        self.said = self.said or bool(text.strip())
        for number, line in enumerate(text.splitlines()):
            mark = _FENCE.match(line) if line_start or number else None
            if mark and not self._fence:
                self._fence = mark[1]
            elif mark and mark[1].startswith(self._fence) and not line.strip().strip(mark[1][0]):
                self._fence = ""
        seen = self._tail + text
        opened, closed = seen.rfind("<think>"), seen.rfind("</think>")
        if opened >= 0 or closed >= 0:
            self._thinking = opened > closed
        # As long as `</think>`: a tag may be cut between two pieces.
        self._tail = seen[-8:]


def _value(source: str) -> Any:
    """Return the JSON value of `source`, or None; small models double braces, around the whole or everywhere."""
    doubled = source.startswith("{{")
    halved = source.replace("{{", "{").replace("}}", "}")
    for text in (source, source[1:-1], halved) if doubled else (source,):
        try:
            # Not strict: small models write line breaks into strings as they are.
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
