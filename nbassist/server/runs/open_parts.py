"""What a turn has begun to write: its message, part by part, and its step of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import objects
from ..hosted.calls import OwnCall, OwnFunction, shown_call
from ..hosted.interpreter.code_stream import CodeStream, code_of
from ..hosted.search.citations import Piece, annotation
from ..text import clean


@dataclass(slots=True)
class _Part:
    """A part of a message's content: `kind` is text or refusal, or image_file with the id of a file."""

    kind: str
    pieces: list[str] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    file_id: str = ""

    def to_wire(self) -> dict[str, Any]:
        if self.file_id:
            return {"type": self.kind, self.kind: {"file_id": self.file_id, "detail": "auto"}}
        text = "".join(self.pieces)
        return (
            objects.text_part(text, self.annotations) if self.kind == "text" else {"type": self.kind, self.kind: text}
        )


@dataclass(slots=True)
class OpenMessage:
    """The message that is being written."""

    id: str
    step_id: str
    parts: list[_Part] = field(default_factory=list)
    grew: bool = False

    def content(self) -> list[dict[str, Any]]:
        """Return the content so far; an empty text where nothing was said."""
        return [part.to_wire() for part in self.parts or [_Part("text")]]

    def goes_on(self, kind: str) -> bool:
        """Return whether a text of that kind goes on with the last part."""
        return bool(self.parts) and self.parts[-1].kind == kind

    def continue_text(self, text: str) -> str:
        """Add to the last part; return the text as it is kept."""
        text = clean(text)
        self.parts[-1].pieces.append(text)
        self.grew = True
        return text

    def add_image(self, file_id: str) -> dict[str, Any]:
        """Add a picture as a part of its own; return what a delta tells of it."""
        self.parts.append(_Part("image_file", file_id=file_id))
        return {"index": len(self.parts) - 1, **self.parts[-1].to_wire()}

    def add(self, kind: str, piece: Piece) -> dict[str, Any]:
        """Add a piece, in a new part where it is of another kind; return what a delta tells of it.

        The first delta of a part carries `annotations`, and so does one with a mark; the others do not, as recorded.
        """
        first = not self.goes_on(kind)
        if first:
            self.parts.append(_Part(kind))
        part = self.parts[-1]
        begin = sum(map(len, part.pieces)) if piece.file_id else 0
        text = self.continue_text(piece.text)
        told: dict[str, Any] = {"index": len(self.parts) - 1, "type": kind}
        if kind != "text":
            return {**told, kind: text}
        noted: list[dict[str, Any]] = []
        if piece.file_id:
            made = annotation(Piece(text, piece.file_id), begin)
            # The quote stands in the stream alone, and is empty there, as recorded.
            quote = {name: {**made[name], "quote": ""} for name in ("file_citation",) if name in made}
            noted = [{"index": len(part.annotations), **made, **quote}]
            part.annotations.append(made)
        return {**told, "text": {"value": text, "annotations": noted} if first or noted else {"value": text}}


@dataclass(slots=True)
class OpenCalls:
    """The step of calls that is being written; `calls` are as the wire shows them, functions without outputs.

    `own` are those among them that this server answers itself, by id.
    """

    step_id: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    own: dict[str, OwnCall] = field(default_factory=dict)
    code: dict[str, CodeStream] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)

    def index(self, call_id: str) -> int:
        """Return the place of a call."""
        return self._places[call_id]

    def add(self, call_id: str, name: str) -> dict[str, Any]:
        """Add a call of a function of the client's; return what its first delta tells."""
        function = {"name": clean(name), "arguments": ""}
        self._append({"id": call_id, "type": "function", "function": function})
        # `output` stands in the first delta of a call alone, as recorded.
        return {**self._place(call_id), "function": {**function, "output": None}}

    def add_own(self, call_id: str, function: OwnFunction, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Add a call that this server answers; return what its first delta tells."""
        self.own[call_id] = OwnCall(call_id, function.kind, function.name)
        self._append(shown_call(call_id, function.kind, settings))
        if function.kind == "code_interpreter":
            self.code[call_id] = CodeStream()
        return {**self._place(call_id), function.kind: self.calls[-1][function.kind]}

    def add_code(self, call_id: str, arguments: str, *, whole: bool = False) -> dict[str, Any] | None:
        """Add a piece of the arguments of a call that runs code, or all of them; return what a delta tells, or None."""
        stream = self.code[call_id]
        if whole:
            # What was told can't be taken back; of code that begins in the same way, the rest is told.
            code = code_of(arguments)
            new = code.removeprefix(stream.said) if code.startswith(stream.said) else ""
            stream.said = code
        else:
            new = stream.feed(arguments)
        return {**self._piece(call_id), "code_interpreter": {"input": new}} if new else None

    def output(self, call_id: str, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a delta tells of an output of such a call."""
        return {**self._piece(call_id), "code_interpreter": {"outputs": [output]}}

    def answered(self, call: Mapping[str, Any]) -> None:
        """Put a call that has run in the place of what was shown of it."""
        self.calls[self.index(call["id"])] = dict(call)

    def functions(self) -> list[dict[str, Any]]:
        """Return the calls that the client is to answer."""
        return [call for call in self.calls if call["type"] == "function"]

    def shown(self) -> dict[str, Any]:
        """Return the details of the step."""
        return {"type": "tool_calls", "tool_calls": [_with_output(call) for call in self.calls]}

    def kept(self) -> dict[str, dict[str, Any]] | None:
        """Return what the step keeps of calls that this server answers; None where there are none."""
        return {call_id: call.to_row() for call_id, call in self.own.items()} or None

    def _append(self, call: dict[str, Any]) -> None:
        # A call is asked for with each piece of it: looked for, thousands would cost their number squared.
        self._places.setdefault(call["id"], len(self.calls))
        self.calls.append(call)

    def _piece(self, call_id: str) -> dict[str, Any]:
        index = self.index(call_id)
        return {"index": index, "type": self.calls[index]["type"]}

    def _place(self, call_id: str) -> dict[str, Any]:
        index = self.index(call_id)
        return {"index": index, "id": call_id, "type": self.calls[index]["type"]}


def _with_output(call: dict[str, Any]) -> dict[str, Any]:
    if call["type"] != "function":
        return call
    return {**call, "function": {**call["function"], "output": None}}


def own_by_name(functions: Sequence[OwnFunction]) -> dict[str, OwnFunction]:
    """Return the tools that this server runs, by the name that the model calls them by."""
    return {function.name: function for function in functions}
