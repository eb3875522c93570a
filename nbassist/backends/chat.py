"""Chat Completions: every compatible engine speaks it, and keeps nothing: each turn sends the whole history."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import ConversationError, RequestRefusedError
from ..messages import File, Image, Message, Request, Text, ToolCall, ToolOutput, ToolSpec
from . import reading
from .abilities import sees
from .chat_decoder import ChatDecoder
from .contents import (
    CUSTOM_ARGUMENT,
    blind_output,
    data_url,
    file_text,
    function,
    image_url,
    json_schema,
    said,
)
from .steps import STALL, Flow, Open
from .wire import WireBackend

__all__ = ["ChatBackend", "ChatDecoder", "build_chat_request"]


class ChatBackend(WireBackend):
    """The Chat Completions protocol at one endpoint; for the parameters see `WireBackend`."""

    name = "chat"

    def __init__(self, base_url: str, api_key: str, *, stall: float = STALL) -> None:
        super().__init__(base_url, api_key, stall=stall)
        self._tells_usage = True

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]:
        """Do nothing: a turn ends with its stream, and the endpoint holds no history."""
        return {}

    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Raise ConversationError: an endpoint of this protocol keeps no threads."""
        raise ConversationError(f"there is no thread {held} to open: Chat Completions keeps none at the endpoint")

    def _flow(self, request: Request) -> Flow:
        request = yield from self._named(request)
        custom = [tool.name for tool in request.tools if tool.kind == "custom"]
        limit = request.parameters.get("max_completion_tokens", request.parameters.get("max_tokens"))
        limit = limit if isinstance(limit, int) else None
        decoder = ChatDecoder([tool.name for tool in request.tools], custom=custom, limit=limit)
        body = build_chat_request(request)
        if not self._tells_usage:
            body.pop("stream_options", None)
        try:
            yield Open("/chat/completions", body, decoder)
        except RequestRefusedError as error:
            # Some servers refuse what asks for the usage; it is then not known.
            if "stream_options" not in str(error) or not self._tells_usage or "stream_options" in request.parameters:
                raise
            self._tells_usage = False
            del body["stream_options"]
            yield Open("/chat/completions", body, decoder)


def build_chat_request(request: Request) -> dict[str, Any]:
    """Return the body of `POST /chat/completions` for `request`; all of its history is sent."""
    messages: list[dict[str, Any]] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    # An approval is between Responses and the person: no call that has an output here.
    unknown = {call.id for message in request.messages for call in message.tool_calls if call.kind == "approval"}
    for message in request.messages:
        messages.extend(_wire_messages(message, request.model, unknown))
    body: dict[str, Any] = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if request.model:
        body["model"] = request.model
    if request.reasoning:
        body["reasoning_effort"] = request.reasoning
    if request.output:
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema(request.output)}
    tools = [*map(_tool, request.tools), *reading.listing(request.parameters.get("tools"))]
    if tools:
        body["tools"] = tools
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    return {**body, **{name: value for name, value in request.parameters.items() if name != "tools"}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    """Return `tool` as a function, a custom one, too: few servers take custom tools here."""
    strict = {"strict": True} if tool.strict and tool.kind == "function" else {}
    return {"type": "function", "function": {**function(tool), **strict}}


def _wire_messages(message: Message, model: str, unknown: Collection[str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        outputs = [part for part in message.parts if isinstance(part, ToolOutput) and part.call_id not in unknown]
        return _outputs(outputs, model)
    if message.role == "user":
        return [{"role": "user", "content": _content(message)}]
    wire: dict[str, Any] = {"role": "assistant", "content": said(message) or None}
    calls = [call for call in message.tool_calls if call.kind != "approval"]
    if calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}
            for call in calls
        ]
    elif wire["content"] is None:
        wire["content"] = ""
    return [wire]


def _arguments(call: ToolCall) -> str:
    if call.kind == "custom":
        return json.dumps({CUSTOM_ARGUMENT: call.arguments}, ensure_ascii=False)
    return call.arguments or "{}"


def _outputs(outputs: list[ToolOutput], model: str) -> list[dict[str, Any]]:
    """Return the tool messages; images can't stand in them, so they follow as the person's, for a model that sees."""
    seen = sees(model)
    wire: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    for output in outputs:
        content = output.output if seen else blind_output(output)
        wire.append({"role": "tool", "tool_call_id": output.call_id, "content": content})
        if seen and output.images:
            pictures.append({"type": "text", "text": f"What {output.name} showed:"})
            pictures += [{"type": "image_url", "image_url": {"url": image_url(image)}} for image in output.images]
    return [*wire, {"role": "user", "content": pictures}] if pictures else wire


def _content(message: Message) -> str | list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
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
