"""What the service runs itself, told as it happens: the items of Responses whose work is not ours.

Each item has its own events on the way and stands whole at its end; both are taken, and nothing is told twice.
Fields are those of the SDK's types (openai 3.54.0); no recording shows them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal

from ...core.events import Event, ImageReady, ServerToolEvent
from .. import loose_json
from ..error_bodies import error_message

_MINE = ("message", "reasoning", "function_call", "custom_tool_call", "mcp_approval_request")
_FAILED = ("failed", "incomplete")
CLIENTS = ("computer_call", "local_shell_call", "apply_patch_call")
"""Items that ask the client to do something that nbassist does not do."""


def is_hosted_item(kind: str) -> bool:
    """Return whether an item of this type is work of the service."""
    # Whatever is not known to be ours: a hosted tool that comes with next year's models is shown, too.
    return bool(kind) and kind not in _MINE and not kind.endswith(("_output", "_response"))


class HostedTool:
    """One item of work at the service."""

    def __init__(self, call_id: str, wire_type: str) -> None:
        self.call_id = call_id
        self.kind = wire_type.removesuffix("_call")
        self._text = ""
        self._begun = False
        self._ended = False

    def begin(self, item: Mapping[str, Any]) -> list[Event]:
        """Take the item as it is when it begins."""
        if self._begun:
            return []
        self._begun = True
        return [self._event("running", self._new_text(_asked(self.kind, item)))]

    def progress(self, name: str, data: Mapping[str, Any]) -> list[Event]:
        """Take an event on the way, by its name behind `response.`."""
        if self._ended:
            return []
        events: list[Event] = [] if self._begun else [self._event("running", "")]
        self._begun = True
        if name.endswith(".partial_image"):
            return [*events, *self._image(data, data.get("partial_image_b64"), partial=True)]
        if name.endswith(".delta"):
            piece = loose_json.text(data.get("delta"))
        elif name.endswith(".done"):
            piece = self._new_text(loose_json.text(data.get("code")) or self._asked_with(data))
        else:
            return events
        if piece:
            self._text += piece if name.endswith(".delta") else ""
            events.append(self._event("running", piece))
        return events

    def end(self, item: Mapping[str, Any]) -> list[Event]:
        """Take the item whole."""
        if self._ended:
            return []
        self._ended = True
        failed = item.get("error") or item.get("status") in _FAILED
        state: Literal["completed", "failed"] = "failed" if failed else "completed"
        asked = self._new_text(_asked(self.kind, item))
        events: list[Event] = [self._event(state, asked, _came(self.kind, item))]
        if self.kind == "image_generation":
            events += self._image(item, item.get("result"), partial=False)
        for output in loose_json.listing(item.get("outputs")):
            url = loose_json.text(loose_json.mapping(output).get("url"))
            if url.startswith("data:image/"):
                media_type, _, data = url.removeprefix("data:").partition(";base64,")
                events += self._image({"output_format": media_type.removeprefix("image/")}, data, partial=False)
        return events

    def _asked_with(self, data: Mapping[str, Any]) -> str:
        arguments = loose_json.arguments(data.get("arguments"))
        # What was told of an MCP call is its name and a space, then its arguments as they come.
        head, space, _ = self._text.partition(" ")
        return head + space + arguments if arguments else ""

    def _new_text(self, whole: str) -> str:
        """Return what of `whole` was not told yet, and take it for told."""
        # A whole that says otherwise than its pieces would tell everything twice.
        if not whole.startswith(self._text):
            return ""
        new, self._text = whole[len(self._text) :], whole
        return new

    def _event(self, state: Literal["running", "completed", "failed"], text: str, output: str = "") -> Event:
        return ServerToolEvent(self.call_id, self.kind, state, text, output)

    def _image(self, item: Mapping[str, Any], source: Any, *, partial: bool) -> list[Event]:
        try:
            data = base64.b64decode(loose_json.text(source), validate=True)
        except (binascii.Error, ValueError):
            return []
        kind = loose_json.text(item.get("output_format")) or "png"
        media_type = "image/svg+xml" if kind == "svg" else f"image/{kind}"
        # The pictures of a code interpreter are many; that of an image generation takes its sketches' place.
        image_id = self.call_id if self.kind == "image_generation" else ""
        return [ImageReady(media_type, data, image_id=image_id, partial=partial)] if data else []


def _asked(kind: str, item: Mapping[str, Any]) -> str:
    """Return what the service was asked, as one text that only grows while the item is written."""
    if kind == "web_search":
        action = loose_json.mapping(item.get("action"))
        queries = [loose_json.text(query) for query in loose_json.listing(action.get("queries"))]
        return (
            loose_json.text(action.get("query"))
            or loose_json.text(action.get("url"))
            or "\n".join(filter(None, queries))
        )
    if kind == "file_search":
        return "\n".join(loose_json.text(query) for query in loose_json.listing(item.get("queries")))
    if kind == "code_interpreter":
        return loose_json.text(item.get("code"))
    if kind == "image_generation":
        return loose_json.text(item.get("revised_prompt"))
    if kind == "mcp_list_tools":
        return loose_json.text(item.get("server_label"))
    if kind == "mcp":
        name = mcp_name(item)
        return f"{name} {loose_json.arguments(item.get('arguments'))}" if name else ""
    return ""


def _came(kind: str, item: Mapping[str, Any]) -> str:
    """Return what came of it, as plain text; empty where the item does not tell."""
    error = item.get("error")
    if error:
        return error_message(error) or "it failed"
    if kind == "web_search":
        sources = loose_json.listing(loose_json.mapping(item.get("action")).get("sources"))
        return "\n".join(filter(None, (loose_json.text(loose_json.mapping(source).get("url")) for source in sources)))
    if kind == "file_search":
        return "\n\n".join(_found(loose_json.mapping(found)) for found in loose_json.listing(item.get("results")))
    if kind == "code_interpreter":
        outputs = [loose_json.mapping(output) for output in loose_json.listing(item.get("outputs"))]
        return "".join(loose_json.text(output.get("logs")) for output in outputs)
    if kind == "mcp_list_tools":
        names = [
            loose_json.text(loose_json.mapping(tool).get("name")) for tool in loose_json.listing(item.get("tools"))
        ]
        return ", ".join(filter(None, names))
    return loose_json.text(item.get("output"))


def _found(result: Mapping[str, Any]) -> str:
    text = loose_json.text(result.get("text"))
    score = result.get("score")
    named = loose_json.text(result.get("filename")) + (f" ({score:.2f})" if isinstance(score, float) else "")
    return f"{named}\n{text}" if text else named


def mcp_name(item: Mapping[str, Any]) -> str:
    """Return the name of a tool at an MCP server, with the server's label in front."""
    label, name = loose_json.text(item.get("server_label")), loose_json.text(item.get("name"))
    return f"{label}.{name}" if label and name else name
