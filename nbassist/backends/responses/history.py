"""From messages to the input items of Responses, such as any strict server takes, and back from an old conversation."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from ...config.quirk_names import Quirks
from ...core.events import CallKind
from ...core.messages import File, Image, Message, Opaque, Part, Refusal, Text, ToolCall, ToolOutput
from .. import loose_json
from ..call_names import sendable_name
from ..chat.history import unique_id
from ..http.requests import Step, list_held
from ..message_content import blind_output, data_url, file_text, image_url, object_arguments, with_arguments
from ..provider_quirks import sees

WIRE = "responses"
"""The `wire` of the items that only this protocol takes back."""
_LONGEST_ID = 64
"""Characters of a call's id at the hosted service."""


def input_items(
    messages: Iterable[Message],
    *,
    model: str = "",
    calls: Iterable[Message] = (),
    keep: bool = True,
    home: str = "",
    habits: Quirks = Quirks(),
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
    home : str
        The endpoint: the items of another are left out.
    habits : Quirks
        Of the endpoint: what ids it takes, and where images of tools stand.
    """
    kinds = {call.id: call.kind for message in calls for call in message.tool_calls}
    writer = _Writer(model, home, habits)
    items: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "user":
            items.append({"role": "user", "content": _content(message)})
        elif message.role == "tool":
            outputs = [part for part in message.parts if isinstance(part, ToolOutput)]
            items += [writer.output(part, kinds.get(part.call_id, "function")) for part in outputs]
            items += writer.pictures(outputs)
        else:
            # A reply that was cut may lack what its reasoning has to be followed by.
            items += writer.assistant(message, keep=keep and message.complete)
    return items


class _Writer:
    """Writes the items of one history; an id that comes again in a later turn becomes another."""

    def __init__(self, model: str, home: str, habits: Quirks) -> None:
        self._sees = sees(model) and habits.tool_images != "none"
        self._inside = "tool_images" not in habits.refuses
        self._home = home
        self._shortens = habits.call_ids == "forty"
        self._taken: set[str] = set()
        self._sent: dict[str, str] = {}
        self._wrong: dict[str, str] = {}

    def assistant(self, message: Message, *, keep: bool) -> Iterable[dict[str, Any]]:
        """Yield what an assistant said and called."""
        texts: list[str] = []
        for part in message.parts:
            if isinstance(part, Text | Refusal):
                texts.append(part.text)
                continue
            if isinstance(part, Opaque) and part.data.get("type") == "message":
                phase = part.data.get("phase") if keep and self._is_mine(part) else None
                yield from _said(texts, phase)
                texts = []
                continue
            found = self._item(part, keep=keep)
            if found:
                yield from _said(texts)
                texts = []
                yield found
        yield from _said(texts)

    def output(self, part: ToolOutput, kind: CallKind) -> dict[str, Any]:
        """Return the answer to a call."""
        if kind == "approval":
            # The person's own word, which the run loop wrote as the output of the call.
            answer, _, reason = part.output.strip().partition(":")
            approve = answer.lower().startswith("approved")
            why = {"reason": reason.strip()} if reason.strip() and not approve else {}
            return {"type": "mcp_approval_response", "approval_request_id": part.call_id, "approve": approve, **why}
        text = part.output if part.images and self._sees else blind_output(part)
        if wrote := self._wrong.get(part.call_id):
            text = with_arguments(text, wrote)
        output: Any = text
        if part.images and self._sees and self._inside:
            output = [{"type": "input_text", "text": text}, *map(_image, part.images)]
        name = "custom_tool_call_output" if kind == "custom" else "function_call_output"
        return {"type": name, "call_id": self._sent.get(part.call_id, part.call_id), "output": output}

    def pictures(self, outputs: list[ToolOutput]) -> list[dict[str, Any]]:
        """Return the images of outputs as a message of the person, where they may not stand in the outputs."""
        if not self._sees or self._inside:
            return []
        content: list[dict[str, Any]] = []
        for output in outputs:
            if output.images:
                content.append({"type": "input_text", "text": f"What {output.name} showed:"})
                content += map(_image, output.images)
        return [{"role": "user", "content": content}] if content else []

    def _is_mine(self, part: Opaque) -> bool:
        return part.wire == WIRE and part.home in ("", self._home)

    def _item(self, part: Any, *, keep: bool) -> dict[str, Any] | None:
        if isinstance(part, Opaque) and self._is_mine(part):
            # An approval that was asked for has to be there for its answer; all else can be left out.
            return dict(part.data) if keep or part.data.get("type") == "mcp_approval_request" else None
        if not isinstance(part, ToolCall) or part.kind == "approval":
            return None
        called = {"call_id": self._id(part.id), "name": sendable_name(part.name)}
        if part.kind == "custom":
            return {"type": "custom_tool_call", **called, "input": part.arguments}
        arguments = object_arguments(part.arguments)
        self._wrong.pop(part.id, None)
        if arguments is None:
            self._wrong[part.id] = part.arguments
        return {"type": "function_call", **called, "arguments": arguments or "{}"}

    def _id(self, held: str) -> str:
        wanted = held
        if self._shortens and len(held) > _LONGEST_ID:
            wanted = f"call_{hashlib.sha256(held.encode(errors='replace')).hexdigest()[:24]}"
        self._sent[held] = sent = unique_id(wanted, self._taken)
        self._taken.add(sent)
        return sent


def _said(texts: list[str], phase: Any = None) -> Iterable[dict[str, Any]]:
    """Yield one message of what was said; nothing where there is nothing, which strict servers refuse."""
    text = "".join(texts).removeprefix("\n\n")  # what sets a further message apart on the screen
    if text.strip():
        told = {"phase": phase} if phase else {}
        # llama.cpp takes what an assistant said in this shape alone; the hosted service takes it without an id.
        content = [{"type": "output_text", "text": text}]
        yield {"type": "message", "role": "assistant", **told, "content": content}


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
        kind, call_id = loose_json.text(item.get("type")), loose_json.text(item.get("call_id"))
        if kind == "message":
            role = "user" if item.get("role") == "user" else "assistant"
            parts = tuple(_parts(loose_json.parts(item.get("content"))))
            # Of a conversation that another client wrote: what it told the model as the system is not said by anybody.
            if parts and item.get("role") in ("user", "assistant"):
                messages.append(Message(role, parts))  # type: ignore[arg-type]  # one of the two above
        elif kind in ("function_call", "custom_tool_call"):
            # An output names its call by the id alone.
            names[call_id] = loose_json.text(item.get("name"))
            source = loose_json.arguments(item.get("arguments") or item.get("input"))
            call = ToolCall(call_id, names[call_id], source, "custom" if kind == "custom_tool_call" else "function")
            _join(messages, "assistant", call)
        elif kind in ("function_call_output", "custom_tool_call_output") and call_id in names:
            output = item.get("output")
            texts = [loose_json.text(loose_json.mapping(part).get("text")) for part in loose_json.listing(output)]
            _join(messages, "tool", ToolOutput(call_id, names[call_id], loose_json.text(output) or "".join(texts)))
    return messages


def _join(messages: list[Message], role: Any, part: Part) -> None:
    """Put `part` into the last message where that is of the same role, else into a new one."""
    if messages and messages[-1].role == role:
        messages[-1] = Message(role, (*messages[-1].parts, part))
    else:
        messages.append(Message(role, (part,)))


def _parts(content: Iterable[Mapping[str, Any]]) -> Iterable[Part]:
    for part in content:
        if text := loose_json.text(part.get("text")):
            yield Text(text)
        elif refusal := loose_json.text(part.get("refusal")):
            yield Refusal(refusal)
        elif part.get("type") == "input_image":
            yield Image(url=loose_json.text(part.get("image_url")), file_id=loose_json.text(part.get("file_id")))
