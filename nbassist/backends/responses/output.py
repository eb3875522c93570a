"""The output items of one response while they are written: text, reasoning, calls, and work of the service.

Each part of an item is told once, from a piece or from the whole, whichever comes first.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ...core.events import (
    CallKind,
    Event,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
)
from .. import loose_json
from ..call_names import meant_name
from ..chat.calls import one_object
from ..reply_files import ContainerFile
from .hosted_tools import HostedTool, is_hosted_item, mcp_name
from .told_parts import Parts

_CALLS: Mapping[str, CallKind] = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "mcp_approval_request": "approval",
}
_OWNERS = {
    "output_text": "message",
    "refusal": "message",
    "content_part": "message",
    "reasoning_text": "reasoning",
    "reasoning_summary_text": "reasoning",
    "reasoning_summary_part": "reasoning",
    "function_call_arguments": "function_call",
    "custom_tool_call_input": "custom_tool_call",
    "mcp_call_arguments": "mcp_call",
    "code_interpreter_call_code": "code_interpreter_call",
}
"""The type of the item that an event is about, by the first word of its name."""


class OutputItem:
    """One output item; takes its beginning, its pieces and its end, in whatever share the server sends them."""

    def __init__(
        self, kind: str, call_id: Callable[[str, OutputItem], str], tools: Collection[str], *, follows_text: bool
    ) -> None:
        self.kind = kind
        self.ids: set[str] = set()
        self.index: int | None = None
        self.hosted: HostedTool | None = None
        self.call_id = ""
        self._unique = call_id
        self._tools = tools
        self.ended = False
        self.parts = Parts()
        self._name = ""
        self._arguments = ""
        self._early = ""  # arguments that the item began with: they count where no others come
        self._started = False
        self._follows_text = follows_text
        # A character that is cut between two pieces; where the whole comes as well, that tells it.
        self._halves: defaultdict[tuple[str, int], loose_json.Halves] = defaultdict(loose_json.Halves)

    def name_call(self, item: Mapping[str, Any]) -> None:
        """Settle the id of the call as soon as the item tells it; what was told under another id keeps that."""
        # An id that comes after the call was told is too late: what the screen and the journal have is what goes back.
        if not self._started:
            wire_id = loose_json.text(item.get("call_id")) or loose_json.text(item.get("id"))
            self.call_id = self._unique(wire_id, self) if wire_id or not self.call_id else self.call_id
        if self.hosted is None and is_hosted_item(self.kind):
            self.hosted = HostedTool(self.call_id, self.kind)

    def may_be(self, item: Mapping[str, Any]) -> bool:
        """Whether `item` calls what this one calls, as far as both tell."""
        name = meant_name(loose_json.text(item.get("name")), self._tools)
        return not (self._name and name) or name == self._name

    def begin(self, item: Mapping[str, Any]) -> list[Event]:
        """Take the item as it begins."""
        if self.hosted:
            return self.hosted.begin(item)
        if self.kind not in _CALLS:
            return []
        self._early = self._early or _arguments(item)
        return self._call(item)

    def progress(self, name: str, data: Mapping[str, Any]) -> list[Event]:
        """Take an event on the way, by its name behind `response.`."""
        if self.ended:
            return []
        if self.hosted:
            return self.hosted.progress(name, data)
        owner, _, step = name.partition(".")
        if self.kind in _CALLS:
            if step != "delta":
                return self._whole(_arguments(data))
            delta = data.get("delta")
            piece = loose_json.arguments(delta) if isinstance(delta, dict | list) else delta
            return self._add(self._halves["call", 0].feed(piece))
        if owner in ("content_part", "reasoning_summary_part"):
            return []
        if step == "annotation.added":
            return self.parts.cite(
                loose_json.count(data.get("content_index")), loose_json.mapping(data.get("annotation"))
            )
        kind, field_name = {
            "output_text": ("text", "text"),
            "refusal": ("refusal", "refusal"),
            "reasoning_summary_text": ("summary", "text"),
        }.get(owner, ("reasoning", "text"))
        key = (kind, loose_json.count(data.get("summary_index" if kind == "summary" else "content_index")))
        if step == "delta":
            return self._spaced(self.parts.delta(key, self._halves[key].feed(data.get("delta"))))
        return self._spaced(self.parts.whole(key, loose_json.text(data.get(field_name))))

    def end(self, item: Mapping[str, Any]) -> list[Event]:
        """Take the item whole."""
        self.ended = True
        if self.hosted:
            for result in map(loose_json.mapping, loose_json.listing(item.get("results"))):
                self.parts.found.setdefault(loose_json.text(result.get("file_id")), loose_json.text(result.get("text")))
            return self.hosted.end(item)
        if self.kind in _CALLS:
            return [*self._call(item), *self._whole(_arguments(item))]
        events: list[Event] = []
        if self.kind == "reasoning":
            for index, part in enumerate(loose_json.parts(item.get("summary"))):
                events += self.parts.whole(("summary", index), loose_json.text(part.get("text")))
        for index, part in enumerate(loose_json.parts(item.get("content"))):
            events += self._content(index, part)
        return self._spaced(events)

    def ready(self) -> ToolCallReady | None:
        """Return the call where this is one that stands whole."""
        if self.kind not in _CALLS or not self._started:
            return None
        kind, arguments = _CALLS[self.kind], self._arguments or self._early
        if kind != "custom":
            arguments = one_object(arguments or "{}")
        return ToolCallReady(self.call_id, self._name, arguments, kind)

    def _content(self, index: int, part: Mapping[str, Any]) -> list[Event]:
        if self.kind == "reasoning":
            return self.parts.whole(("reasoning", index), loose_json.text(part.get("text")))
        if part.get("type") == "refusal":
            return self.parts.whole(("refusal", index), loose_json.text(part.get("refusal")))
        events = self.parts.whole(("text", index), loose_json.text(part.get("text")))
        for annotation in loose_json.listing(part.get("annotations")):
            events += self.parts.cite(index, loose_json.mapping(annotation))
        return events

    def _spaced(self, events: list[Event]) -> list[Event]:
        """Set a further message apart from the text before it."""
        if self._follows_text and any(isinstance(event, TextDelta) for event in events):
            self._follows_text = False
            return [TextDelta("\n\n"), *events]
        return events

    def _call(self, item: Mapping[str, Any]) -> list[Event]:
        name = loose_json.text(item.get("name"))
        name = mcp_name(item) if self.kind == "mcp_approval_request" else meant_name(name, self._tools)
        self._name = self._name or name
        self.name_call(item)
        if self._started or not self._name:
            return []
        self._started = True
        events: list[Event] = [ToolCallStarted(self.call_id, self._name, _CALLS[self.kind])]
        return [*events, ToolArgumentsDelta(self.call_id, self._arguments)] if self._arguments else events

    def _add(self, piece: str) -> list[Event]:
        self._arguments += piece
        return [ToolArgumentsDelta(self.call_id, piece)] if piece and self._started else []

    def _whole(self, arguments: str) -> list[Event]:
        if arguments.startswith(self._arguments):
            return self._add(arguments[len(self._arguments) :])
        self._arguments = arguments or self._arguments  # the whole counts, whatever its pieces were
        return []


def _arguments(data: Mapping[str, Any]) -> str:
    """Return the arguments of a call, or the free text of a custom one."""
    given = data.get("arguments")
    return loose_json.arguments(data.get("input") if given in (None, "") else given)


class Output:
    """All items of one response, in order; finds the one that an event is about, however the server names it."""

    def __init__(self, tools: Collection[str] = (), *, keeps_files: bool = False) -> None:
        self._tools = tools
        self._items: list[OutputItem] = []
        self._found: dict[str, str] = {}
        self.files: dict[tuple[str, str], ContainerFile] | None = {} if keeps_files else None
        """The files that the reply cites, by container and id, each once; None where they are told as they come."""

    def find(self, item: Mapping[str, Any], index: Any, *, whole: bool) -> OutputItem | None:
        """Return the item that `item` is a later state of; `whole` where it is its last one."""
        ids = {loose_json.text(item.get("id")), loose_json.text(item.get("call_id"))} - {""}
        kind = loose_json.text(item.get("type"))
        for known in self._items:
            if known.kind == kind and known.ids & ids:
                return known
        # The latest first: without an id, a further state is of the item that is open, not of one long done.
        for known in reversed(self._items):
            same_place = isinstance(index, int) and known.index == index
            # Two ids that differ are two items, unless the one is the end of what was begun in its place.
            differs = bool(ids and known.ids)
            is_its_end = whole and same_place and not known.ended and known.may_be(item)
            if known.kind == kind and (is_its_end if differs else same_place or not known.ended):
                known.ids |= ids
                return known
        return None

    def open(self, item: Mapping[str, Any], index: Any) -> OutputItem:
        """Begin an item."""
        kind = loose_json.text(item.get("type"))
        before = [known for known in self._items if known.kind == "message" and known.parts.told]
        made = OutputItem(kind, self._call_id, self._tools, follows_text=kind == "message" and bool(before))
        made.name_call(item)
        made.parts.found, made.parts.files = self._found, self.files
        made.ids = {loose_json.text(item.get("id")), loose_json.text(item.get("call_id"))} - {""}
        made.index = index if isinstance(index, int) else None
        self._items.append(made)
        return made

    def progress(self, name: str, data: Mapping[str, Any]) -> list[Event]:
        """Take an event about an item, by its name behind `response.`; one without its item begins it."""
        first, _, rest = name.partition(".")
        kind = _OWNERS.get(first) or (first if first.endswith("_call") or first == "mcp_list_tools" else "")
        if not kind or not rest:
            return []
        item_id, index = loose_json.text(data.get("item_id")), data.get("output_index")
        found = self._about(kind, item_id, index)
        if found is None:
            found = self.open({"type": kind, "id": item_id}, index)
        return found.progress(name, data)

    def match(self, output: list[Any]) -> Iterator[tuple[OutputItem, Mapping[str, Any]]]:
        """Yield each item of a whole response beside its state so far, begun now where it was not streamed."""
        left, listed = list(self._items), []
        for index, value in enumerate(output):
            item = loose_json.mapping(value)
            call = [item.get(name) for name in ("type", "call_id", "name", "arguments", "input")]
            if loose_json.text(item.get("type")) in _CALLS and item.get("call_id") and call in listed:
                continue  # the same call once more
            listed.append(call)
            ids = {loose_json.text(item.get("id")), loose_json.text(item.get("call_id"))} - {""}
            same = [known for known in left if known.kind == item.get("type")]
            # Some servers give other ids in the end: then the order counts.
            found = next((known for known in same if known.ids & ids), None) or (same[0] if same else None)
            if found is None:
                found = self.open(item, index)
            else:
                left.remove(found)
            yield found, item

    @property
    def has_calls(self) -> bool:
        """Whether a call is among them."""
        return any(known.kind in _CALLS for known in self._items)

    def ready_calls(self) -> list[ToolCallReady]:
        """Return the calls that stand whole, in order."""
        return [call for call in (item.ready() for item in self._items) if call is not None]

    def _call_id(self, wire_id: str, item: OutputItem) -> str:
        """Return `wire_id`, or another where it is empty or another call has it."""
        taken = {known.call_id for known in self._items if known is not item}
        return wire_id if wire_id and wire_id not in taken else f"call_{secrets.token_hex(12)}"

    def _about(self, kind: str, item_id: str, index: Any) -> OutputItem | None:
        same = [known for known in self._items if known.kind == kind]
        if item_id:
            for known in same:
                if item_id in known.ids:
                    return known
        if isinstance(index, int):
            for known in same:
                if known.index == index:
                    return known
        open_ones = [known for known in same if not known.ended]
        return open_ones[-1] if open_ones else None
