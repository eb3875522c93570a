"""What a reader sees of a run, in order: stretches of text, calls, images, notices. No IO, no markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..core.events import CallKind, Decision, ImageData, MimeBundle
from ..core.text import Cleaner


class Growing:
    """Text that comes in pieces; `pieces` only ever grows, so a reader may keep an index into it."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.closed = False
        # Text is made harmless once, here: nothing behind it sees a control code.
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
class TextSegment:
    """A stretch of the reply, markdown."""

    body: Growing = field(default_factory=Growing)


@dataclass(slots=True, eq=False)
class ReasoningSegment:
    """A stretch of the model's reasoning, markdown; `seconds` is how long it took, 0 where that is not known."""

    body: Growing = field(default_factory=Growing)
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class RefusalSegment:
    """The model's refusal, plain text."""

    body: Growing = field(default_factory=Growing)


CallState: TypeAlias = Literal[
    "writing", "ready", "asking", "running", "done", "failed", "refused", "dropped", "interrupted"
]
"""`asking`: the person is asked whether it may run; `refused`: it may not; `dropped`: the run ended before the call was
run; `interrupted`: while it ran."""


@dataclass(slots=True, eq=False)
class CallSegment:
    """A call of a tool of the notebook, or the question of the service whether it may run one of its own.

    `decision` is what was said to it, None where nothing was; `asked` whether a person was asked, and `comment` their
    word to the model.
    """

    id: str
    name: str
    kind: CallKind = "function"
    arguments: Growing = field(default_factory=Growing)
    state: CallState = "writing"
    output: str = ""
    error: str = ""
    seconds: float = 0.0
    display: tuple[MimeBundle, ...] = ()
    traceback: str = ""
    images: tuple[ImageData, ...] = ()
    asked: bool = False
    decision: Decision | None = None
    comment: str = ""


@dataclass(slots=True, eq=False)
class ServerTool:
    """Something that the service ran itself: what it was asked, and what came of it."""

    id: str
    kind: str
    body: Growing = field(default_factory=Growing)
    output: Growing = field(default_factory=Growing)
    state: Literal["running", "completed", "failed"] = "running"


@dataclass(slots=True, eq=False)
class ImageSegment:
    """An image of the reply; `data` is empty where only its id at the endpoint is known.

    While it is `partial`, a later one takes its place.
    """

    media_type: str
    data: bytes
    file_id: str
    partial: bool = False


@dataclass(slots=True, eq=False)
class Notice:
    """One line that the person should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the reply; `marker` is the text that stands for it there, if any.

    `passage` is what was found there, and `page` where; empty and None where that is not known. `data` is the file
    itself, where the code interpreter wrote it and it is small; else empty.
    """

    title: str
    url: str
    marker: str
    passage: str = ""
    page: int | None = None
    data: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """What it is called: its title, else its address, with the page."""
        return (self.title or self.url) + ("" if self.page is None else f", page {self.page}")


Segment: TypeAlias = TextSegment | ReasoningSegment | RefusalSegment | CallSegment | ServerTool | ImageSegment | Notice
