"""Chat Completions: every compatible engine speaks it, and keeps nothing: each turn sends the whole history."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from ..events import Event
from ..messages import Image, Message, Request, Text, ToolOutput
from .chat_decoder import ChatDecoder
from .steps import Flow, Open, list_models

__all__ = ["ChatBackend", "ChatDecoder", "build_chat_request"]


class ChatBackend:
    """The Chat Completions protocol at one endpoint.

    Parameters
    ----------
    base_url : str
        Up to and with `/v1`.
    api_key : str
        Its key; empty where it needs none.
    """

    name = "chat"

    def __init__(self, base_url: str, api_key: str) -> None:
        from .transport import Transport  # imports openai, which the server's use of this module does without

        self._transport = Transport(base_url, api_key)
        self._model = ""

    def stream(self, request: Request) -> Iterator[Event]:
        """Send `request` and yield the events of the turn; closing the iterator closes the stream.

        Raises
        ------
        BackendError
            Where nothing of a turn came.
        """
        return self._transport.drive(self._flow(request))

    def astream(self, request: Request) -> AsyncIterator[Event]:
        """As `stream`, on an event loop."""
        return self._transport.adrive(self._flow(request))

    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]:
        """Do nothing: a turn ends with its stream, and the endpoint holds no history."""
        return {}

    def models(self) -> list[str]:
        """Return the names of the endpoint's models, in its order."""
        return self._transport.models()

    def _flow(self, request: Request) -> Flow:
        body = build_chat_request(request)
        if not request.model:
            if not self._model:
                self._model = (yield from list_models())[0]
            body["model"] = self._model
        yield Open("/chat/completions", body, ChatDecoder([tool.name for tool in request.tools]))


def build_chat_request(request: Request) -> dict[str, Any]:
    """Return the body of `POST /chat/completions` for `request`; all of its history is sent."""
    messages: list[dict[str, Any]] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    for message in request.messages:
        messages.extend(_wire_messages(message))
    body: dict[str, Any] = {
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        **request.parameters,
    }
    if request.model:
        body["model"] = request.model
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                    **({"strict": True} if tool.strict else {}),
                },
            }
            for tool in request.tools
        ]
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    return body


def _wire_messages(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        outputs = [part for part in message.parts if isinstance(part, ToolOutput)]
        return [{"role": "tool", "tool_call_id": part.call_id, "content": part.output} for part in outputs]
    if message.role == "user":
        return [{"role": "user", "content": _content(message)}]
    wire: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in message.tool_calls
        ]
    elif wire["content"] is None:
        wire["content"] = ""
    return [wire]


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, Image) for part in message.parts):
        return message.text
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            data = base64.b64encode(part.data).decode("ascii")
            content.append(
                {"type": "image_url", "image_url": {"url": part.url or f"data:{part.media_type};base64,{data}"}}
            )
    return content
