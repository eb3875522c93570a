"""What an endpoint wants back: parts of its replies that are opaque to us, kept with their message and sent under the
names they came in, to that endpoint and to no other.

It is kept as one mapping: `reasoning`, the name under which the reasoning came whose text the message holds; `fields`,
other fields of the message; `content`, a content list that holds more than text; `calls`, what stood beside each call,
by its id.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ...config.quirk_names import Quirks
from ...core.messages import Message, Opaque, Reasoning
from .. import loose_json

WIRE = "chat"
"""The `wire` of what is kept for this protocol."""
REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""The names of reasoning as text: DeepSeek's, OpenRouter's, Ollama's, Copilot's; the first that has some is shown."""
FIELDS = ("reasoning_details", "reasoning_opaque", "thinking_blocks", "extra_content", "provider_specific_fields")
"""What is kept of a message: OpenRouter, Copilot, LiteLLM, Gemini, LiteLLM."""
_OF_A_CALL = ("index", "id", "type", "function", "name", "arguments")
_PLACEHOLDER = " "
"""For a message that lacks what each has to carry: DeepSeek takes any text, Kimi takes an empty one for none."""
_JOINED = ("text", "summary", "thinking", "signature", "data")


class OpaqueState:
    """Gathers what one reply leaves to be sent back, from its deltas."""

    def __init__(self) -> None:
        self.reasoning = ""
        """The name under which reasoning came as text; empty where none did."""
        self._fields: dict[str, Any] = {}
        self._content: list[dict[str, Any]] = []
        self._more_than_text = False

    @property
    def in_parts(self) -> bool:
        """Whether the content came as a list of parts so far."""
        return bool(self._content)

    def name_reasoning(self, delta: Mapping[str, Any]) -> str:
        """Return the name under which `delta` has reasoning, empty where it has none; the first stays the name.

        DeepSeek V4 sends an empty one where the model answers at once, and wants that back as well.
        """
        found = next((name for name in REASONING if isinstance(delta.get(name), str) and delta[name]), "")
        if not self.reasoning:
            self.reasoning = found or (REASONING[0] if delta.get(REASONING[0]) == "" else "")
        return found

    @property
    def is_text(self) -> bool:
        """Whether the reply has been text alone so far, and not a list of parts."""
        return not self._content

    def take(self, delta: Mapping[str, Any]) -> None:
        """Keep the fields of `delta` that are its endpoint's own."""
        for name in FIELDS:
            if delta.get(name):
                self._fields[name] = _merged(self._fields.get(name), delta[name])
        for part in map(loose_json.mapping, loose_json.listing(delta.get("content"))):
            self._more_than_text = self._more_than_text or part.get("type") not in (None, "text", "output_text")
            _add_part(self._content, part)
        # Thinking comes as parts and the answer as text, in one reply (Mistral): both belong to the list that goes
        # back.
        if isinstance(delta.get("content"), str) and delta["content"] and self._content:
            _add_part(self._content, {"type": "text", "text": delta["content"]})

    def kept(self, calls: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is to be kept, beside the name of the reasoning; empty where there is nothing."""
        # A list of mere text is what the message holds anyway.
        content = self._content if self._more_than_text else []
        found: dict[str, Any] = {"fields": self._fields, "calls": dict(calls), "content": content}
        return {name: copy.deepcopy(value) for name, value in found.items() if value}


def beside_call(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands in an entry of `tool_calls` beside the call itself, such as Gemini's `extra_content`."""
    return {name: value for name, value in entry.items() if name not in _OF_A_CALL and value not in (None, "", {}, [])}


def joined(kept: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is kept of one reply as one mapping, from the pieces in which it was told."""
    found: dict[str, Any] = {}
    for piece in kept:
        for name, value in piece.items():
            if isinstance(value, Mapping):
                found[name] = {**loose_json.mapping(found.get(name)), **value}
            else:
                found[name] = value
    return found


def kept_of(message: Message, home: str) -> dict[str, Any]:
    """Return what `home` wants back of a message; empty for what another endpoint said."""
    mine = [p.data for p in message.parts if isinstance(p, Opaque) and p.wire == WIRE and p.home == home]
    return with_thought(joined(mine), "".join(part.text for part in message.parts if isinstance(part, Reasoning)))


def with_thought(kept: Mapping[str, Any], thought: str) -> dict[str, Any]:
    """Return what is kept with the text of the reasoning under the name that it came in, where there is one."""
    found = dict(kept)
    if name := found.pop("reasoning", ""):
        found["fields"] = {name: thought, **loose_json.mapping(found.get("fields"))}
    return found


def put_back(wire: dict[str, Any], kept: Mapping[str, Any], habits: Quirks) -> None:
    """Add to a message of the assistant what its endpoint wants to find there."""
    for name, value in loose_json.mapping(kept.get("fields")).items():
        if name not in habits.refuses and name not in wire:
            wire[name] = value
    for name in habits.wants:
        if name not in habits.refuses and not wire.get(name):
            wire[name] = wire.get(name) or _PLACEHOLDER
    if kept.get("content") and "content" not in habits.refuses:
        wire["content"] = kept["content"]
    beside = loose_json.mapping(kept.get("calls"))
    for call in wire.get("tool_calls", ()):
        extra = loose_json.mapping(beside.get(call["id"]))
        call.update({name: value for name, value in extra.items() if name not in habits.refuses})
    # Only the first call of a step carries a signature, so only the first needs its stand-in.
    if habits.unsigned and wire.get("tool_calls") and not beside:
        wire["tool_calls"][0].update(habits.unsigned)


def _merged(before: Any, value: Any) -> Any:
    """Put a piece of a field behind what came of it: texts and lists grow, entries of a list by their index."""
    if isinstance(before, str) and isinstance(value, str):
        return before + value
    if isinstance(before, Mapping) and isinstance(value, Mapping):
        # A later piece repeats the fields with null: what came first stays.
        return {**before, **{k: v for k, v in value.items() if v is not None}}
    if isinstance(value, list):
        grown = list(before) if isinstance(before, list) else []
        for item in value:
            _add_part(grown, item)
        return grown
    return value


def _add_part(parts: list[Any], piece: Any) -> None:
    """Add a piece to the last part where it goes on with that: of one type, one index, and one id, if any."""
    last = parts[-1] if parts else None
    if not (isinstance(last, dict) and isinstance(piece, Mapping) and _goes_on(last, piece)):
        parts.append(copy.deepcopy(dict(piece)) if isinstance(piece, Mapping) else piece)
        return
    for name, value in piece.items():
        before = last.get(name)
        if name in _JOINED and isinstance(before, str) and isinstance(value, str):
            last[name] = before + value
        elif name in _JOINED and isinstance(before, list) and isinstance(value, list):
            for item in value:
                _add_part(before, item)
        elif value is not None:
            last[name] = value


def _goes_on(last: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    if (
        any(last.get(name) != piece.get(name) for name in ("type", "index"))
        # Two encrypted blobs joined are none.
        or last.get("type") == "reasoning.encrypted"
    ):
        return False
    ids = {value for value in (last.get("id"), piece.get("id")) if value}
    # Whole signatures of two parts without an index would otherwise become one.
    return len(ids) < 2 and not (last.get("signature") and piece.get("signature"))
