"""What a conversation holds, and what a backend is asked to send: frozen records with `to_dict` and `from_dict`.

`PartialMessage` is the message that the model is writing, before it stands in a conversation.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from ..errors import ConversationError
from .events import CallKind

Role: TypeAlias = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a message, markdown where the model wrote it.

    `label` names what is shown along with a prompt, such as a variable; it is empty for what was said.
    """

    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's refusal, in its words."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model's reasoning, or a summary of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image as bytes, by URL, or as the id of a file at the endpoint; one of the three is set."""

    media_type: str = "image/png"
    data: bytes = b""
    url: str = ""
    file_id: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file as bytes, or as the id of one at the endpoint; one of the two is set."""

    name: str
    media_type: str = "application/octet-stream"
    data: bytes = b""
    file_id: str = ""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something of the endpoint's own, sent back unchanged to `wire` (a backend's name) at `home`, and to no other.

    `home` is the endpoint's URL; empty in a thread that was saved before it was kept.
    """

    wire: str
    data: Mapping[str, Any]
    home: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it; `arguments` is JSON text and may be invalid."""

    id: str
    name: str
    arguments: str
    kind: CallKind = "function"


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The answer to one call: text and images for the model, and one line of `error` where it failed."""

    call_id: str
    name: str
    output: str
    error: str | None = None
    seconds: float = 0.0
    images: tuple[Image, ...] = ()


Part: TypeAlias = Text | Refusal | Reasoning | Image | File | Opaque | ToolCall | ToolOutput
_PARTS: dict[str, type[Part]] = {
    "text": Text,
    "refusal": Refusal,
    "reasoning": Reasoning,
    "image": Image,
    "file": File,
    "opaque": Opaque,
    "tool_call": ToolCall,
    "tool_output": ToolOutput,
}
_NAMES = {kind: name for name, kind in _PARTS.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Parameters
    ----------
    role : {"user", "assistant", "tool"}
        A `tool` message holds one or more `ToolOutput` and nothing else.
    parts : tuple of Part
        In the order in which they came.
    complete : bool
        False where the model was cut or interrupted in the middle of it.
    cell : str
        The notebook cell that a prompt came from; empty where that is not known.
    """

    role: Role
    parts: tuple[Part, ...]
    complete: bool = True
    # Not compared: two messages that say the same are the same to a model, whatever cell they came from.
    cell: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """The text parts, joined; empty where there are none."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def said(self) -> str:
        """The text parts without what is shown along with them; empty where there are none."""
        return "".join(part.text for part in self.parts if isinstance(part, Text) and not part.label)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that `json.dumps` takes; `from_dict` gives back an equal message."""
        data = {"role": self.role, "complete": self.complete, "parts": [_part_to_dict(p) for p in self.parts]}
        return {**data, "cell": self.cell} if self.cell else data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Message:
        """Read what `to_dict` wrote.

        Raises
        ------
        ConversationError
            Where `data` is not such a dictionary.
        """
        try:
            role = data["role"]
            if role not in ("user", "assistant", "tool"):
                raise ValueError(f"role {role!r}")
            parts = tuple(_part_from_dict(part) for part in data["parts"])
            return cls(role, parts, bool(data.get("complete", True)), str(data.get("cell", "")))
        except (KeyError, TypeError, ValueError) as error:
            raise ConversationError(f"not a saved message: {error}") from error


def _part_to_dict(part: Part) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(part, name) for name in part.__dataclass_fields__}
    if isinstance(part, Image | File):
        fields["data"] = base64.b64encode(part.data).decode("ascii")
    elif isinstance(part, ToolOutput):
        fields["images"] = [_part_to_dict(image) for image in part.images]
    return {"type": _NAMES[type(part)], **fields}


def _part_from_dict(data: Mapping[str, Any]) -> Part:
    # An unknown type or field is an error, not passed over: a thread of a later version would be sent with holes in it.
    fields = {name: value for name, value in data.items() if name != "type"}
    part = _PARTS[data["type"]](**fields)
    if isinstance(part, Image | File):
        part = replace(part, data=base64.b64decode(fields.get("data", "")))
    elif isinstance(part, ToolOutput):
        images = [_part_from_dict(image) for image in fields.get("images", ())]
        part = replace(part, images=tuple(image for image in images if isinstance(image, Image)))
    return part


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it.

    Parameters
    ----------
    name, description : str
        The description may be empty.
    parameters : mapping
        A JSON schema of type object. For a custom tool, whose argument is free text: its `format` on the wire, or
        empty for any text.
    strict : bool
        Whether the schema is one that the hosted service can hold the model to.
    kind : {"function", "custom"}
        Whether its arguments are JSON or free text.
    service : str
        The type of a tool of the service's own that does the same, where it has that; empty for none.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False
    kind: Literal["function", "custom"] = "function"
    service: str = ""


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """What the reply has to be: JSON that `schema` allows, under a `name` of letters, digits, `_` and `-`."""

    name: str
    schema: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """All that a backend needs for one turn.

    Parameters
    ----------
    messages : tuple of Message
        The whole history, oldest first, the new prompt or tool outputs last.
    since : int
        The endpoint already holds `messages[:since]` under `cursor`; 0 where it holds nothing.
    cursor : mapping of str to str
        What the backend gave at the end of the turn before; empty at the start.
    model, instructions : str
        Empty for the endpoint's own choice, or none.
    tools : tuple of ToolSpec
        Empty where the model can call nothing.
    tool_choice : {"auto", "none", "required"}
        Whether it may, may not, or must call.
    parameters : mapping
        Further parameters of the model, by their names on the wire.
    reasoning : str
        How much the model is to think: "none", "minimal", "low", "medium", "high", "xhigh" or "max"; empty for its
        own choice.
    output : OutputSchema, optional
        What the reply has to be; None for free text.
    """

    messages: tuple[Message, ...]
    since: int = 0
    cursor: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    instructions: str = ""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reasoning: str = ""
    output: OutputSchema | None = None

    @property
    def new(self) -> tuple[Message, ...]:
        """The messages that the endpoint does not hold yet."""
        return self.messages[self.since :]


class PartialMessage:
    """The parts of it, in the order in which they came; the pieces of a text are joined once, at its end."""

    def __init__(self) -> None:
        # Adding each delta to a string would copy it each time: quadratic in the length of a reply.
        self.parts: list[Part | _Pieces] = []

    def add_piece(self, kind: type[Text] | type[Refusal] | type[Reasoning], text: str) -> None:
        """Take a piece of text; it goes on with the last part where that is of the same kind."""
        last = self.parts[-1] if self.parts else None
        # Text after a call is a part of its own: the order of parts is what strict endpoints check.
        if not (isinstance(last, _Pieces) and last.kind is kind):
            last = _Pieces(kind)
            self.parts.append(last)
        last.texts.append(text)

    def look(self) -> tuple[Part, ...]:
        """Return the parts as they stand."""
        return tuple(part.join() if isinstance(part, _Pieces) else part for part in self.parts)

    def take(self) -> tuple[Part, ...]:
        """Return the whole parts, and begin anew."""
        parts = self.look()
        self.parts = []
        return parts


class _Pieces:
    """A part whose text still comes."""

    def __init__(self, kind: type[Text] | type[Refusal] | type[Reasoning]) -> None:
        self.kind = kind
        self.texts: list[str] = []

    def join(self) -> Part:
        """Return the part as it stands."""
        return self.kind("".join(self.texts))
