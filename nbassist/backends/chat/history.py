"""From the messages of a conversation to those of Chat Completions: a history that any strict server takes.

`wire_messages` writes what was said; `mended` makes it valid by the strictest rules of those that an endpoint may
have, and serves the embedded server's upstream, too. Nothing that a person or a model said is left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ...config.quirk_names import Quirks
from ...core.messages import File, Image, Message, Request, Text, ToolCall, ToolOutput
from ..call_names import sendable_name
from ..message_content import (
    CUSTOM_ARGUMENT,
    blind_output,
    data_url,
    file_text,
    image_url,
    object_arguments,
    said,
    with_arguments,
)
from ..provider_quirks import sees
from .opaque_state import kept_of, put_back

_NUMBERED = re.compile(r"(.*:)(\d+)")
_NINE = re.compile(r"[a-zA-Z0-9]{9}")
_FILLER = "I have read the output."
"""What the assistant says between a tool's output and the next prompt, where these may not stand side by side."""

WireMessage = dict[str, Any]


def wire_messages(request: Request, habits: Quirks, home: str) -> list[WireMessage]:
    """Return the messages of `request`; what `home` wants back stands in those that came from there."""
    messages: list[WireMessage] = []
    # An approval is between Responses and the person: no call that has an output here.
    unknown = {call.id for message in request.messages for call in message.tool_calls if call.kind == "approval"}
    asked = max((at for at, message in enumerate(request.messages) if message.role == "user"), default=-1)
    for at, message in enumerate(request.messages):
        if message.role == "tool":
            outputs = [part for part in message.parts if isinstance(part, ToolOutput) and part.call_id not in unknown]
            messages += _outputs(outputs, request.model, habits)
        elif message.role == "user":
            messages.append(
                {"role": "user", "content": _content(message, seen=at == asked or "images" not in habits.refuses)}
            )
        else:
            wire = _assistant(message)
            put_back(wire, kept_of(message, home), habits)
            messages.append(wire)
    return mended(messages, habits)


def mended(messages: Iterable[WireMessage], habits: Quirks) -> list[WireMessage]:
    """Return a history without what a strict server refuses, and a thread would die of.

    Arguments of calls are JSON objects; their names are such as a tool may have; ids of calls are unique, and such as
    the endpoint takes; no message of the assistant is empty; no two prompts follow one another where one between them
    had to go.
    """
    ids = _Ids(habits)
    found: list[WireMessage] = []
    dropped = False
    for message in messages:
        if message["role"] == "assistant":
            if _is_empty(message):
                dropped = True
                continue
            message = ids.of_calls(message)
        elif message["role"] == "tool":
            message = ids.of_output(message)
        last = found[-1]["role"] if found else ""
        # Only where we took the reply between them away; two prompts in a row that somebody sent are theirs, and most
        # servers take them.
        if message["role"] == "user" and last == "user" and dropped:
            found[-1] = {**found[-1], "content": _both(found[-1]["content"], message["content"])}
        elif message["role"] == "user" and last == "tool" and "user_after_tool" in habits.refuses:
            filler: WireMessage = {"role": "assistant", "content": _FILLER}
            put_back(filler, {}, habits)
            found += [filler, message]
        else:
            found.append(message)
        dropped = False
    return found


class _Ids:
    """The ids of calls as they are sent, and what was wrong with the calls themselves."""

    def __init__(self, habits: Quirks) -> None:
        self._kind = habits.call_ids
        self._taken: set[str] = set()
        self._sent: dict[str, str] = {}
        self._wrong: dict[str, str] = {}

    def of_calls(self, message: WireMessage) -> WireMessage:
        """Return a message with its calls as they can be sent."""
        if not message.get("tool_calls"):
            return message
        calls = []
        for call in message["tool_calls"]:
            wrote, held = call["function"]["arguments"], call["id"]
            arguments = object_arguments(wrote)
            # An id may come again in a later turn (Kimi counts from 0 in each): the latest call of it is the one that
            # the next output answers.
            self._wrong.pop(held, None)
            if arguments is None:
                self._wrong[held] = wrote
            self._sent[held] = sent = self._unique(self._taken_by(held))
            name = sendable_name(call["function"]["name"])
            function = {**call["function"], "name": name, "arguments": "{}" if arguments is None else arguments}
            calls.append({**call, "id": sent, "function": function})
        return {**message, "tool_calls": calls}

    def of_output(self, message: WireMessage) -> WireMessage:
        """Return an output with the id of its call, and with what could not stand in the call."""
        held = message["tool_call_id"]
        wrote = self._wrong.get(held)
        content = message["content"]
        if wrote is not None and isinstance(content, str):
            content = with_arguments(content, wrote)
        return {**message, "tool_call_id": self._sent.get(held, held), "content": content}

    def _taken_by(self, held: str) -> str:
        if self._kind == "nine" and not _NINE.fullmatch(held):
            return _digest(held)
        return f"call_{_digest(held, 24)}" if self._kind == "forty" and len(held) > 40 else held

    def _unique(self, wanted: str) -> str:
        # A digest made unique by `_2` would have eleven characters: of that form the digest is taken again.
        found = unique_id(wanted, self._taken, _digest if self._kind == "nine" else None)
        self._taken.add(found)
        return found


def unique_id(wanted: str, taken: Collection[str], digest: Any = None) -> str:
    """Return an id that no earlier call has; Kimi's `functions.weather:0` is counted on, as it counts itself."""
    if wanted not in taken:
        return wanted
    numbered = _NUMBERED.fullmatch(wanted)
    number = int(numbered[2]) + 1 if numbered else 2
    while True:
        further = f"{numbered[1]}{number}" if numbered else f"{wanted}_{number}"
        further = digest(further) if digest else further
        if further not in taken:
            return str(further)
        number += 1


def _digest(text: str, length: int = 9) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:length]


def _is_empty(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return not message.get("tool_calls") and not (content.strip() if isinstance(content, str) else content)


def _both(first: Any, second: Any) -> Any:
    """Return two contents as one: of one prompt that was not answered, and of the next."""
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    lists = [[{"type": "text", "text": one}] if isinstance(one, str) else one for one in (first, second)]
    return [*lists[0], *lists[1]]


def _assistant(message: Message) -> WireMessage:
    pictures = sum(isinstance(part, Image) for part in message.parts)
    shown = f"[{pictures} image{'s' if pictures > 1 else ''}, shown to the person]" if pictures else ""
    calls = [call for call in message.tool_calls if call.kind != "approval"]
    # `None` beside calls, not "": there are servers that refuse an empty text, and null is what the protocol has there.
    wire: WireMessage = {"role": "assistant", "content": said(message) or shown or None}
    if calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}
            for call in calls
        ]
    return wire


def _arguments(call: ToolCall) -> str:
    if call.kind == "custom":
        return json.dumps({CUSTOM_ARGUMENT: call.arguments}, ensure_ascii=False)
    return call.arguments


def _outputs(outputs: list[ToolOutput], model: str, habits: Quirks) -> list[WireMessage]:
    """Return the tool messages; images follow as the person's for a model that sees, or stand in the output itself."""
    seen = sees(model) and habits.tool_images != "none" and "images" not in habits.refuses
    wire: list[WireMessage] = []
    pictures: list[dict[str, Any]] = []
    for output in outputs:
        content: Any = output.output if seen else blind_output(output)
        shown = [{"type": "image_url", "image_url": {"url": image_url(image)}} for image in output.images if seen]
        if shown and habits.tool_images == "tool":
            content = [{"type": "text", "text": content}, *shown]
        elif shown:
            pictures += [{"type": "text", "text": f"What {output.name} showed:"}, *shown]
        wire.append({"role": "tool", "tool_call_id": output.call_id, "content": content})
    # Behind all outputs: a message of the person between two of them would part calls from their answers.
    return [*wire, {"role": "user", "content": pictures}] if pictures else wire


def _content(message: Message, *, seen: bool) -> str | list[dict[str, Any]]:
    """Return what a person said; its images in words where they are not to be `seen`."""
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image) and not seen:
            content.append({"type": "text", "text": "[an image that you can't see]"})
        elif isinstance(part, Image) and (url := image_url(part)):
            content.append({"type": "image_url", "image_url": {"url": url}})
        elif isinstance(part, Image):
            content.append({"type": "text", "text": "[an image at another endpoint]"})
        elif isinstance(part, File):
            content.append(_file(part))
    if all(item["type"] == "text" for item in content):  # small servers take nothing but a string
        return "".join(item["text"] for item in content)
    return content


def _file(file: File) -> dict[str, Any]:
    if text := file_text(file):
        return {"type": "text", "text": text}
    if file.file_id and not file.data:
        return {"type": "file", "file": {"file_id": file.file_id}}
    return {"type": "file", "file": {"filename": file.name, "file_data": data_url(file)}}
