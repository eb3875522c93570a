"""What a reader sees of a run, in order: stretches of text, calls, images, notices. No IO, no markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..events import MimeBundle
from .clean import Cleaner


class Growing:
    """Text that comes in pieces; `pieces` only ever grows, so a reader may keep an index into it."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.closed = False
        self._cleaner = Cleaner()

    def add(self, text: str) -> None:
        """Take a piece as it came."""
        if cleaned := self._cleaner.feed(text):
            self.pieces.append(cleaned)

    def close(self) -> None:
        """Nothing more comes."""
        if not self.closed:
            self.closed = True
            if rest := self._cleaner.finish():
                self.pieces.append(rest)

    @property
    def text(self) -> str:
        """All of it so far, clean."""
        if len(self.pieces) > 1:  # joined outside of `pieces`, whose indices readers keep
            return "".join(self.pieces)
        return self.pieces[0] if self.pieces else ""


@dataclass(slots=True, eq=False)
class Text:
    """A stretch of the reply, markdown."""

    body: Growing = field(default_factory=Growing)


@dataclass(slots=True, eq=False)
class Reasoning:
    """A stretch of the model's reasoning, markdown."""

    body: Growing = field(default_factory=Growing)


@dataclass(slots=True, eq=False)
class Refusal:
    """The model's refusal, plain text."""

    body: Growing = field(default_factory=Growing)


CallState: TypeAlias = Literal["writing", "ready", "running", "done", "failed", "dropped", "interrupted"]
"""`dropped`: the run ended before the call was run; `interrupted`: while it ran."""


@dataclass(slots=True, eq=False)
class Call:
    """A call of a tool of the notebook."""

    id: str
    name: str
    arguments: Growing = field(default_factory=Growing)
    state: CallState = "writing"
    output: str = ""
    error: str = ""
    seconds: float = 0.0
    display: tuple[MimeBundle, ...] = ()
    traceback: str = ""


@dataclass(slots=True, eq=False)
class ServerTool:
    """Something that the service ran itself."""

    id: str
    kind: str
    body: Growing = field(default_factory=Growing)
    state: Literal["running", "completed", "failed"] = "running"


@dataclass(slots=True, eq=False)
class Image:
    """An image of the reply; `data` is empty where only its id at the endpoint is known."""

    media_type: str
    data: bytes
    file_id: str


@dataclass(slots=True, eq=False)
class Notice:
    """One line that the person should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the reply; `marker` is the text that stands for it there, if any."""

    title: str
    url: str
    marker: str


Segment: TypeAlias = Text | Reasoning | Refusal | Call | ServerTool | Image | Notice
