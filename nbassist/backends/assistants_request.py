"""The bodies of requests to Assistants v2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..messages import File, Image, Message, Request, Text, ToolOutput
from . import reading
from .contents import file_text, function, json_schema, said


def run_body(request: Request) -> dict[str, Any]:
    """Return what both ways to create a run share; what is empty is left to the assistant.

    Hosted tools are asked for by `parameters["tools"]`, a list such as `[{"type": "code_interpreter"}]`.
    """
    body: dict[str, Any] = {name: value for name, value in request.parameters.items() if name != "tools"}
    if request.model:
        body["model"] = request.model
    if request.instructions:
        body["instructions"] = request.instructions
    if request.reasoning:
        body["reasoning_effort"] = request.reasoning
    if request.output:
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema(request.output)}
    ours = [
        {"type": "function", "function": {**function(tool), "strict": tool.strict and tool.kind == "function"}}
        for tool in request.tools
    ]
    body["tools"] = [*ours, *hosted_tools(request)]
    if body["tools"] and request.tool_choice != "auto":
        body["tool_choice"] = request.tool_choice
    return body


def hosted_tools(request: Request) -> list[Any]:
    """Return the tools of the service that were asked for, as they stand on the wire."""
    return reading.listing(request.parameters.get("tools"))


def wire_messages(
    message: Message, file_ids: Mapping[int, str] | None = None, tools: list[Any] | None = None
) -> list[dict[str, Any]]:
    """Return `message` as a thread takes it: users and assistants have text, and nobody has calls.

    Calls and their outputs of earlier runs are told as text of the assistant, so that a forked thread knows of them.

    Parameters
    ----------
    message : Message
        What the thread does not hold yet.
    file_ids : mapping of int to str, optional
        The ids of uploaded images and files, by `id()` of the part.
    tools : list, optional
        The hosted tools that may read an attached file.
    """
    if message.role == "user":
        return [_user(message, file_ids or {}, tools or [])]
    lines = [said(message)] if said(message) else []
    lines += [f"[called {call.name} with {call.arguments}]" for call in message.tool_calls]
    for part in message.parts:
        if isinstance(part, ToolOutput):
            lines.append(f"[{part.name} gave {json.dumps(part.output, ensure_ascii=False)}]")
    return [{"role": "assistant", "content": "\n".join(lines)}] if lines else []


def _user(message: Message, file_ids: Mapping[int, str], tools: list[Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    attachments: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            file_id = file_ids.get(id(part)) or part.file_id
            where = {"type": "image_file", "image_file": {"file_id": file_id}}
            content.append(where if file_id else {"type": "image_url", "image_url": {"url": part.url}})
        elif isinstance(part, File) and (text := file_text(part)):
            content.append({"type": "text", "text": text})
        elif isinstance(part, File):
            readers = [tool for tool in _READERS if any(reading.mapping(t).get("type") == tool for t in tools)]
            file_id = file_ids.get(id(part)) or part.file_id
            attachments.append({"file_id": file_id, "tools": [{"type": tool} for tool in readers or _READERS[:1]]})
    plain = len(content) == 1 and content[0]["type"] == "text"
    wire: dict[str, Any] = {"role": "user", "content": content[0]["text"] if plain else content or message.text}
    return {**wire, "attachments": attachments} if attachments else wire


_READERS = ("file_search", "code_interpreter")
