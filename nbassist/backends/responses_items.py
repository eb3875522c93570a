"""From messages to the input items of Responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..events import CallKind
from ..messages import File, Image, Message, Opaque, Refusal, Text, ToolCall, ToolOutput
from .abilities import sees
from .contents import blind_output, data_url, file_text, image_url

WIRE = "responses"
"""The `wire` of the items that only this protocol takes back."""


def input_items(
    messages: Iterable[Message], *, model: str = "", calls: Iterable[Message] = (), keep: bool = True
) -> list[dict[str, Any]]:
    """Return the items that tell `messages`, in order.

    Parameters
    ----------
    messages : iterable of Message
        What the endpoint does not hold yet.
    model : str
        Images of tool outputs are sent only to one that sees.
    calls : iterable of Message
        The whole history: an output goes back as what its call was.
    keep : bool
        Whether to send the endpoint's own items back, such as encrypted reasoning.
    """
    kinds = {call.id: call.kind for message in calls for call in message.tool_calls}
    items: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "user":
            items.append({"role": "user", "content": _content(message)})
        elif message.role == "tool":
            outputs = [part for part in message.parts if isinstance(part, ToolOutput)]
            items += [_output(part, kinds.get(part.call_id, "function"), model) for part in outputs]
        else:
            # A reply that was cut may lack what its reasoning has to be followed by.
            items += _assistant_items(message, keep=keep and message.complete)
    return items


def _assistant_items(message: Message, *, keep: bool) -> Iterable[dict[str, Any]]:
    texts: list[str] = []
    for part in message.parts:
        if isinstance(part, Text | Refusal):
            texts.append(part.text)
            continue
        found = _assistant_item(part, keep=keep)
        if found:
            if texts:
                yield _said("".join(texts))
                texts = []
            yield found
    if texts:
        yield _said("".join(texts))


def _said(text: str) -> dict[str, Any]:
    # llama.cpp takes what an assistant said in this shape alone; the hosted service takes it without an id.
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def _assistant_item(part: Any, *, keep: bool) -> dict[str, Any] | None:
    if isinstance(part, Opaque) and part.wire == WIRE:
        # An approval that was asked for has to be there for its answer; all else can be left out.
        return dict(part.data) if keep or part.data.get("type") == "mcp_approval_request" else None
    if isinstance(part, ToolCall) and part.kind == "function":
        return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments or "{}"}
    if isinstance(part, ToolCall) and part.kind == "custom":
        return {"type": "custom_tool_call", "call_id": part.id, "name": part.name, "input": part.arguments}
    return None


def _output(part: ToolOutput, kind: CallKind, model: str) -> dict[str, Any]:
    if kind == "approval":
        answer, _, reason = part.output.strip().partition(":")
        approve = answer.lower().startswith("approved")
        why = {"reason": reason.strip()} if reason.strip() and not approve else {}
        return {"type": "mcp_approval_response", "approval_request_id": part.call_id, "approve": approve, **why}
    output: Any = blind_output(part)
    if part.images and sees(model):
        output = [{"type": "input_text", "text": part.output}, *map(_image, part.images)]
    name = "custom_tool_call_output" if kind == "custom" else "function_call_output"
    return {"type": name, "call_id": part.call_id, "output": output}


def _content(message: Message) -> str | list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, Image):
            content.append(_image(part))
        elif isinstance(part, File):
            content.append(_file(part))
    return content if len(content) > 1 or any(item["type"] != "input_text" for item in content) else message.text


def _image(image: Image) -> dict[str, Any]:
    where = {"file_id": image.file_id} if image.file_id and not image.data else {"image_url": image_url(image)}
    return {"type": "input_image", "detail": "auto", **where}


def _file(file: File) -> dict[str, Any]:
    if text := file_text(file):
        return {"type": "input_text", "text": text}
    if file.file_id and not file.data:
        return {"type": "input_file", "file_id": file.file_id}
    return {"type": "input_file", "filename": file.name, "file_data": data_url(file)}
