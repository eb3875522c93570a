"""What a run tells as it happens: few events, each a frozen record of one thing.

A run is one prompt through to its answer, in turns, each one request to the model. Which event may follow which is
part of the interface: the table in `nbassist.core.event_order`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

MimeBundle: TypeAlias = Mapping[str, Any]
"""What IPython displays: MIME type to content."""

TurnReason: TypeAlias = Literal[
    "stop",  # the model said all it had to say
    "tool_calls",  # it waits for tool outputs
    "length",  # its limit of tokens is reached
    "content_filter",
    "cut",  # the stream ended before its terminal event; what came is kept
    "unmarked",  # the stream ended cleanly but without a finish reason: possibly cut short
    "unknown",  # with a reason that is not known to mean a whole answer; the detail holds it
    "cancelled",
    "expired",
    "failed",
]

Finish: TypeAlias = Literal["completed", "incomplete", "interrupted", "failed", "stopped"]
"""How a run ended. `stopped` is a limit of ours: the number of turns, or a call repeated over and over."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a turn or a run took; all zero where the endpoint does not say (`known` is False then).

    Parameters
    ----------
    input_tokens, output_tokens : int
        Tokens read and written, as the endpoint counts them.
    cached_tokens, reasoning_tokens : int
        Those of the input that came from the endpoint's prompt cache, and those of the output spent on reasoning.
    known : bool
        Whether the endpoint gave any figure.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    known: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            # With Assistants the turns before the last give none, and the last gives the sum of the run.
            self.known or other.known,
        )


CallKind: TypeAlias = Literal["function", "custom", "approval"]
"""What a call is. The arguments of a `custom` one are free text, no JSON. An `approval` is no call of ours: the
service asks whether it may run a tool of its own (MCP), and the answer is the word `approved` or `denied`."""

Decision: TypeAlias = Literal["allowed", "always", "edited", "refused"]
"""What the person said to a call: `always` is for the rest of the run, `edited` runs it with other arguments."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """An image as bytes."""

    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event of each run: the prompt is about to be sent.

    Parameters
    ----------
    model : str
        Empty where the endpoint chooses.
    backend : str
        The protocol's name; empty where it is not settled yet.
    note : str
        One line about where in the thread this run stands, such as that it replaces an earlier turn; may be empty.
    """

    model: str = ""
    backend: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The endpoint took the request.

    Parameters
    ----------
    cursor : mapping of str to str
        What now runs there, enough for a backend to cancel it; empty where there is nothing to cancel.
    model : str
        The model that answers, as the endpoint names it; empty where it does not say.
    replayed : bool
        Whether the turn was recorded before, and nothing was asked.
    """

    cursor: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply; the pieces of a run, joined, are its text."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """A piece of the model's refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning, or of a summary of it."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """The model began to write a call; `call_id` is unique in the conversation."""

    call_id: str
    name: str
    kind: CallKind = "function"


@dataclass(frozen=True, slots=True)
class ToolArgumentsDelta:
    """A piece of a call's arguments, JSON text as the model writes it."""

    call_id: str
    text: str


# Only this one is acted on. The pieces before it are for the eye: their text may still be taken back by a cut.
@dataclass(frozen=True, slots=True)
class ToolCallReady:
    """A call stands whole; `arguments` is its JSON text, exactly as written (it may be invalid)."""

    call_id: str
    name: str
    arguments: str
    kind: CallKind = "function"


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The person is asked whether a call may run; asked again where the arguments that they gave are wrong.

    Parameters
    ----------
    call_id, name : str
        The call.
    arguments : str
        JSON text, as it would be called.
    problem : str
        What is wrong with them, where the person edited them and is asked again; empty otherwise.
    kind : CallKind
        As of the call: those of a `custom` one are free text, and those of an `approval` can't be edited.
    """

    call_id: str
    name: str
    arguments: str
    problem: str = ""
    kind: CallKind = "function"


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """What the person said; without a person, or by a policy, it is said for them.

    Parameters
    ----------
    call_id : str
        The call that was asked about.
    decision : Decision
        Whether it runs.
    comment : str
        A word to the model where it is refused; may be empty.
    arguments : str
        JSON text to call it with in place of the model's, where they were edited.
    """

    call_id: str
    decision: Decision
    comment: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool ran, or was refused.

    Parameters
    ----------
    call_id, name : str
        The call that this answers.
    output : str
        The text for the model: the result, or what went wrong.
    error : str, optional
        One line for the person; None where the tool returned.
    seconds : float
        How long it ran.
    display : tuple of MIME bundles
        What it printed, displayed and returned, in order, for the person; may be empty.
    traceback : str
        The traceback of an error in the tool, as plain text; empty where there is none.
    images : tuple of ImageData
        For models that see; may be empty.
    """

    call_id: str
    name: str
    output: str
    error: str | None = None
    seconds: float = 0.0
    display: tuple[MimeBundle, ...] = ()
    traceback: str = ""
    images: tuple[ImageData, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerToolEvent:
    """Something that the service runs itself (code interpreter, file search, web search, MCP).

    Parameters
    ----------
    call_id, kind : str
        The call, and the name of the tool on the wire without `_call`, such as `web_search`.
    state : {"running", "completed", "failed"}
        Where it stands.
    text : str
        What it was asked since the last event of the same call, such as code or a query; may be empty.
    output : str
        What came of it since then, as plain text; may be empty.
    """

    call_id: str
    kind: str
    state: Literal["running", "completed", "failed"]
    text: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class ImageReady:
    """An image in the reply, as bytes, or as the id of a file at the endpoint; a `partial` one is a sketch of it."""

    media_type: str
    data: bytes = b""
    file_id: str = ""
    image_id: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class CitationAdded:
    """A source of the reply; `marker` stands for it there, and `passage` and `page` say what was found, where told.
    A file that a code interpreter wrote is one, too; `data` has its bytes where it is small."""

    title: str
    url: str = ""
    marker: str = ""
    passage: str = ""
    page: int | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class ItemKept:
    """Something of the endpoint's own that it wants back unchanged, such as encrypted reasoning.

    `wire` names the backend that reads `data`, a JSON object; `home` is the URL of the endpoint that sent it.
    """

    wire: str
    data: Mapping[str, Any]
    home: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The last event of each turn.

    Parameters
    ----------
    reason : TurnReason
        Why the model stopped. Whether tools are asked for follows from the calls that stand ready.
    usage : Usage
        Of this turn alone; `known` is False where the endpoint gives it only at the end of the run.
    cursor : mapping of str to str, optional
        Where a backend goes on from; empty where the whole history is to be sent again. None where the endpoint stands
        as it did before this turn: what came of it, and the prompt, are sent with the next.
    detail : str
        One line from the endpoint about a reason that is no plain end; may be empty.
    """

    reason: TurnReason
    usage: Usage = Usage()
    # None and empty differ on purpose: after a turn that the endpoint keeps nothing of, what it held before still
    # counts.
    cursor: Mapping[str, str] | None = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of each run.

    Parameters
    ----------
    finish : Finish
        How it ended.
    usage : Usage
        Of all its turns.
    detail : str
        One line for the person; empty for a completed run.
    seconds, writing : float
        From the prompt to the end; those from the first piece of each turn to its last, 0 where that is not known.
    cost : float, optional
        US dollars; None where a price or the usage is not known.
    turns : int
        Requests to the model; 0 where none was answered.
    replayed : bool
        Whether the reply was recorded before, and nothing was asked.
    thoughts : tuple of float
        Seconds of each stretch of reasoning, in order; empty where that is not known.
    """

    finish: Finish
    usage: Usage = Usage()
    detail: str = ""
    seconds: float = 0.0
    cost: float | None = None
    turns: int = 0
    replayed: bool = False
    writing: float = 0.0
    thoughts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrying:
    """The request failed before any output and goes out again in `seconds`; so do all others where it is `everyone`."""

    seconds: float
    attempt: int
    detail: str
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the person should know that does not end the run, in one line."""

    text: str


Event: TypeAlias = (
    RunStarted
    | TurnStarted
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolArgumentsDelta
    | ToolCallReady
    | ApprovalAsked
    | ApprovalAnswered
    | ToolFinished
    | ServerToolEvent
    | ImageReady
    | CitationAdded
    | ItemKept
    | TurnEnded
    | RunEnded
    | Retrying
    | Warned
)
