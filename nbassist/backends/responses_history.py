"""An old conversation of Responses, read by its id."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from ..messages import Image, Message, Part, Refusal, Text, ToolCall, ToolOutput
from . import reading
from .steps import Step, list_held


def conversation_messages(conversation_id: str) -> Generator[Step, Any, list[Message]]:
    """Read the messages of a conversation, oldest first, with its calls; a part of a flow.

    Raises
    ------
    ConversationError
        Where there is no such conversation.
    """
    items = yield from list_held(f"/conversations/{conversation_id}/items", f"conversation {conversation_id}")
    return _messages(items)


def _messages(items: Iterable[Mapping[str, Any]]) -> list[Message]:
    messages: list[Message] = []
    names: dict[str, str] = {}
    for item in items:
        kind, call_id = reading.text(item.get("type")), reading.text(item.get("call_id"))
        if kind == "message":
            role = "user" if item.get("role") == "user" else "assistant"
            parts = tuple(_parts(reading.listing(item.get("content"))))
            if parts and item.get("role") in ("user", "assistant"):
                messages.append(Message(role, parts))  # type: ignore[arg-type]  # one of the two above
        elif kind in ("function_call", "custom_tool_call"):
            names[call_id] = reading.text(item.get("name"))
            source = reading.text(item.get("arguments") or item.get("input"))
            call = ToolCall(call_id, names[call_id], source, "custom" if kind == "custom_tool_call" else "function")
            _join(messages, "assistant", call)
        elif kind in ("function_call_output", "custom_tool_call_output") and call_id in names:
            output = item.get("output")
            texts = [reading.text(reading.mapping(part).get("text")) for part in reading.listing(output)]
            _join(messages, "tool", ToolOutput(call_id, names[call_id], reading.text(output) or "".join(texts)))
    return messages


def _join(messages: list[Message], role: Any, part: Part) -> None:
    """Put `part` into the last message where that is of the same role, else into a new one."""
    if messages and messages[-1].role == role:
        messages[-1] = Message(role, (*messages[-1].parts, part))
    else:
        messages.append(Message(role, (part,)))


def _parts(content: Iterable[Any]) -> Iterable[Part]:
    for value in content:
        part = reading.mapping(value)
        if text := reading.text(part.get("text")):
            yield Text(text)
        elif refusal := reading.text(part.get("refusal")):
            yield Refusal(refusal)
        elif part.get("type") == "input_image":
            yield Image(url=reading.text(part.get("image_url")), file_id=reading.text(part.get("file_id")))
