"""The bodies of requests to Assistants v2, the files that they name, and an old thread of it read back by its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...core.events import CitationAdded, Event, ImageReady
from ...core.messages import File, Image, Message, Part, Refusal, Request, Text, ToolOutput
from ...errors import BackendError
from .. import loose_json
from ..http.requests import Fetch, Flow, JsonRequest, Step, Upload, list_held
from ..message_content import file_text, function, json_schema, said
from ..reply_files import LARGEST_PICTURE, MOST_FILES, fetch_file, picture_type


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
    # Also where it is empty: a run without it takes the tools of the assistant, which may be another notebook's.
    body["tools"] = [*ours, *hosted_tools(request)]
    if body["tools"] and request.tool_choice != "auto":
        body["tool_choice"] = request.tool_choice
    return body


def hosted_tools(request: Request) -> list[Any]:
    """Return the tools of the service that were asked for, as they stand on the wire."""
    return loose_json.listing(request.parameters.get("tools"))


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
            readers = [tool for tool in _READERS if any(loose_json.mapping(t).get("type") == tool for t in tools)]
            file_id = file_ids.get(id(part)) or part.file_id
            attachments.append({"file_id": file_id, "tools": [{"type": tool} for tool in readers or _READERS[:1]]})
    plain = len(content) == 1 and content[0]["type"] == "text"
    wire: dict[str, Any] = {"role": "user", "content": content[0]["text"] if plain else content or message.text}
    return {**wire, "attachments": attachments} if attachments else wire


_READERS = ("file_search", "code_interpreter")


def thread_messages(thread_id: str) -> Generator[Step, Any, list[Message]]:
    """Read the messages of a thread, oldest first; a part of a flow.

    Calls of tools are no messages of a thread, and so are not in it.

    Raises
    ------
    ConversationError
        Where there is no such thread.
    """
    items = yield from list_held(f"/threads/{thread_id}/messages", f"thread {thread_id}")
    return [message for message in map(_message, items) if message.parts]


def _message(item: Mapping[str, Any]) -> Message:
    parts: list[Part] = []
    for part in map(loose_json.mapping, loose_json.listing(item.get("content"))):
        image_file, image_url = loose_json.mapping(part.get("image_file")), loose_json.mapping(part.get("image_url"))
        if text := loose_json.text(loose_json.mapping(part.get("text")).get("value")):
            parts.append(Text(text))
        elif refusal := loose_json.text(part.get("refusal")):
            parts.append(Refusal(refusal))
        elif image_file:
            parts.append(Image(file_id=loose_json.text(image_file.get("file_id"))))
        elif image_url:
            parts.append(Image(url=loose_json.text(image_url.get("url"))))
    complete = item.get("status") in (None, "completed")
    return Message("user" if item.get("role") == "user" else "assistant", tuple(parts), complete)


class EndpointFiles:
    """The files that this backend knows at its endpoint: each is uploaded once, and its name asked for once."""

    def __init__(self) -> None:
        self._uploaded: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def upload(self, messages: Iterable[Message]) -> Generator[Step, Any, dict[int, str]]:
        """Upload what `messages` of the person hold as bytes; return the ids by `id()` of the part."""
        ids: dict[int, str] = {}
        parts = [part for message in messages if message.role == "user" for part in message.parts]
        for part in parts:
            if not isinstance(part, File | Image) or not part.data or (isinstance(part, File) and file_text(part)):
                continue
            purpose = "assistants" if isinstance(part, File) else "vision"
            name = part.name if isinstance(part, File) else "image." + part.media_type.rpartition("/")[2]
            # With the purpose: one picture under two is two files at the endpoint.
            digest = hashlib.sha256(part.data + purpose.encode()).hexdigest()
            if digest not in self._uploaded:
                answer = yield Upload("/files", name, part.media_type, part.data, {"purpose": purpose})
                self._uploaded[digest] = loose_json.text(loose_json.mapping(answer).get("id"))
            ids[id(part)] = self._uploaded[digest]
        return ids

    def resolve(self, pending: Iterable[Event]) -> Flow:
        """Yield the pictures of a reply with their bytes, and its citations with the names of their files.

        What the endpoint does not give is told with its id alone.
        """
        for number, event in enumerate(pending):
            if isinstance(event, ImageReady) and number < MOST_FILES:
                event = yield from self._with_bytes(event)
            elif isinstance(event, CitationAdded) and number < MOST_FILES:
                event = yield from self._with_name(event)
            yield event

    @staticmethod
    def _with_bytes(image: ImageReady) -> Generator[Step, Any, ImageReady]:
        try:
            data: bytes | None = yield Fetch(f"/files/{image.file_id}/content", LARGEST_PICTURE)
        except BackendError:
            return image
        return replace(image, data=data or b"", media_type=picture_type(data or b"") or "image/png")

    def _with_name(self, citation: CitationAdded) -> Generator[Step, Any, CitationAdded]:
        file_id = citation.title
        if file_id not in self._names:
            try:
                answer = yield JsonRequest("GET", f"/files/{file_id}")
            except BackendError:
                answer = None
            self._names[file_id] = loose_json.text(loose_json.mapping(answer).get("filename")) or file_id
        named = replace(citation, title=self._names[file_id])
        if not citation.marker.startswith("sandbox:"):
            return named
        return (yield from fetch_file(named, f"/files/{file_id}/content"))
