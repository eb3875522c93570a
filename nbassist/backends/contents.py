"""What the three protocols share of what a message holds: images and files as data, tools and schemas as they are."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from ..messages import File, Image, Message, OutputSchema, Refusal, Text, ToolOutput, ToolSpec
from . import reading

_TEXTUAL = ("application/json", "application/xml", "application/x-yaml", "application/toml", "application/x-ndjson")
_FENCES = re.compile("`{3,}")
CUSTOM_ARGUMENT = "input"
"""The one parameter of a custom tool where it is offered as a function."""


def data_url(part: Image | File) -> str:
    """Return the bytes of `part` as a `data:` URL."""
    return f"data:{part.media_type};base64,{base64.b64encode(part.data).decode('ascii')}"


def image_url(image: Image) -> str:
    """Return where `image` is: its URL, or its bytes as one; empty for one that has an id alone."""
    return image.url or (data_url(image) if image.data else "")


def file_text(file: File) -> str:
    """Return a file of text as a piece of the prompt, which every model reads; empty where it is none."""
    if not (file.media_type.startswith("text/") or file.media_type in _TEXTUAL) or not file.data:
        return ""
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    fence = "`" * max(3, *(len(run) + 1 for run in _FENCES.findall(text)), 3)
    return f"File {file.name}:\n{fence}\n{text}\n{fence}"


def said(message: Message) -> str:
    """Return the text of a message with its refusals, which are a part of what was said."""
    return "".join(part.text for part in message.parts if isinstance(part, Text | Refusal))


def blind_output(output: ToolOutput) -> str:
    """Return a tool's output for a model that sees no images: its text, and that there were some."""
    if not output.images:
        return output.output
    count = len(output.images)
    return f"{output.output}\n[{count} image{'s' if count > 1 else ''}, shown to the person; you can't see images]"


def function(tool: ToolSpec) -> dict[str, Any]:
    """Return the name, description and parameters of `tool`; a custom one gets one parameter of text."""
    parameters: Mapping[str, Any] = tool.parameters
    if tool.kind == "custom":
        text = {"type": "string", "description": "The whole input, as free text."}
        parameters = {"type": "object", "properties": {CUSTOM_ARGUMENT: text}, "required": [CUSTOM_ARGUMENT]}
    return {"name": tool.name, "description": tool.description, "parameters": dict(parameters)}


def free_text(arguments: str) -> str | None:
    """Return the argument of a custom tool that was offered as a function; None where it is not there."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    text = value.get(CUSTOM_ARGUMENT) if isinstance(value, dict) else None
    return reading.text(text) if isinstance(text, str) else None


def json_schema(output: OutputSchema) -> dict[str, Any]:
    """Return what every protocol calls a `json_schema`."""
    return {"name": output.name, "schema": dict(output.schema), "strict": output.strict}
