"""The key of a request: all that changes its answer, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..messages import Message, Request, Text, ToolCall, ToolOutput


def key_of(request: Request, *, endpoint: str = "", repeat: int = 0) -> str:
    """Return the key of a request as 64 hexadecimal digits.

    Parameters
    ----------
    request : Request
        Its model, instructions, whole history, tools, parameters, reasoning and shape of the reply count; where the
        endpoint holds the history, and the ids of calls, which differ from run to run, do not.
    endpoint : str
        The protocol and the URL; empty to leave out where it goes.
    repeat : int
        Tells requests apart that are alike, such as the repeats of a sweep.
    """
    named: dict[str, str] = {}
    content = {
        "endpoint": endpoint,
        "model": request.model,
        "instructions": request.instructions,
        "messages": [_message(message, named) for message in request.messages],
        "tools": [[t.name, t.description, _plain(t.parameters), t.strict, t.kind] for t in request.tools],
        "tool_choice": request.tool_choice,
        "parameters": _plain(request.parameters),
        "reasoning": request.reasoning,
        "output": [request.output.name, _plain(request.output.schema)] if request.output else None,
        "repeat": repeat,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def _message(message: Message, named: dict[str, str]) -> list[Any]:
    parts: list[list[Any]] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            parts.append(["call", named.setdefault(part.id, f"call {len(named)}"), part.name, part.arguments])
        elif isinstance(part, ToolOutput):
            call = named.setdefault(part.call_id, f"call {len(named)}")
            parts.append(["output", call, part.output, [_digest(image.data) for image in part.images]])
        elif isinstance(part, Text):
            parts.append(["text", part.text])
        else:
            parts.append([type(part).__name__, _fields(part)])
    return [message.role, parts]


def _fields(part: Any) -> dict[str, Any]:
    return {name: _plain(getattr(part, name)) for name in part.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _digest(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
