"""What the three protocols share of what a message holds: images and files as data, tools and their outputs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from ..core.messages import File, Image, Message, OutputSchema, Refusal, Text, ToolOutput, ToolSpec
from . import loose_json

_TEXTUAL = ("application/json", "application/xml", "application/x-yaml", "application/toml", "application/x-ndjson")
_FENCES = re.compile("`{3,}")
_LONGEST_WROTE = 2_000
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
        # Windows' editors put a byte order mark in front.
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    # Longer than any in the file, so that nothing in it ends the block.
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
    return loose_json.text(text) if isinstance(text, str) else None


def object_arguments(source: str) -> str | None:
    """Return the arguments of a call as every server takes them in a history; None where they are no JSON object.

    Strict servers parse them again: llama.cpp answers 500 to half an object, vLLM 400. What only Python's reader takes
    (NaN, a number beyond all floats) is no JSON; halves of characters are replaced. What is right stays to the letter.
    """
    if not source.strip():
        return "{}"
    try:
        value = json.loads(source, parse_constant=_refuse)
        if not isinstance(value, dict):
            return None
        whole = json.dumps(value, ensure_ascii=False, allow_nan=False)
        whole.encode()
    except UnicodeEncodeError:
        return loose_json.text(whole)
    except (ValueError, RecursionError):
        return None
    return source


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def with_arguments(output: str, wrote: str) -> str:
    """Return a tool's output with what the model wrote as arguments, where that can't stand in the history itself."""
    shown = wrote if len(wrote) <= _LONGEST_WROTE else f"{wrote[:_LONGEST_WROTE]}…"
    return f"{output}\n\nThe arguments of this call were no JSON object, and are not kept. They were: {shown}"


def schema_in_words(schema: Mapping[str, Any]) -> str:
    """Return what the reply has to be as an instruction, for an endpoint that can't be told by a schema."""
    source = json.dumps(dict(schema), ensure_ascii=False)
    return f"Answer with JSON alone, without a word around it, which this JSON schema allows:\n{source}"


def json_schema(output: OutputSchema) -> dict[str, Any]:
    """Return what every protocol calls a `json_schema`."""
    return {"name": output.name, "schema": dict(output.schema), "strict": output.strict}
