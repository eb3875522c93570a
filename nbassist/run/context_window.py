"""The context window: how many tokens a history takes, and which of its turns still fit.

Tokens are estimated from the bytes of the text, and the estimate is set right by what the endpoint counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.messages import File, Image, Message, Opaque, Request, Text, ToolCall, ToolOutput
from ..errors import RequestRefusedError

# Bytes of UTF-8 in a token, for English and code in the models of 2025. Other scripts have more bytes to a character
# and fewer characters to a token, so bytes are off by less than characters.
_BYTES = 4.0
# Role and delimiters around each message, in the chat templates that are common.
_MESSAGE = 4
# Services count from some 85 to some 1,600 tokens for one, by its size, which is not looked at here.
_IMAGE = 1_000
# OpenAI says "maximum context length is 8192 tokens", llama.cpp "available context size (4096 tokens)"; all with a 400.
_LIMIT = re.compile(
    r"(?:context (?:length|size|window)|maximum context length)[^0-9]{0,40}?([0-9][0-9,]{2,})"
    r"|n_ctx[^0-9]{0,10}([0-9]{3,})|tokens allowed[^0-9]{0,3}([0-9][0-9,]{2,})|> ?([0-9][0-9,]{2,}) maximum",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.{0,3}(length|size|window)|too many tokens|prompt is too long|token count.{0,20}exceeds"
    r"|reduce the length of the messages",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What of a history is sent.

    Parameters
    ----------
    messages : tuple of Message
        The newest turns that fit, oldest first; the last turn is always in it.
    dropped : int
        Turns that are left out.
    tokens : int
        What they take, about.
    """

    messages: tuple[Message, ...]
    dropped: int
    tokens: int


def tokens_of(messages: Sequence[Message]) -> int:
    """Return about how many tokens messages take."""
    return round(sum(_MESSAGE + sum(_part(part) for part in message.parts) for message in messages))


def tokens_of_request(request: Request) -> int:
    """Return about how many tokens a whole request takes, instructions and tools included."""
    tools = sum(len(f"{tool.name}{tool.description}{tool.parameters}".encode()) for tool in request.tools)
    return tokens_of(request.messages) + round((len(request.instructions.encode()) + tools) / _BYTES)


def fit(request: Request, limit: int, rate: float = 1.0) -> Fitted:
    """Return the newest turns of a request's history that fit into a window.

    Parameters
    ----------
    request : Request
        With the whole history.
    limit : int
        Tokens that the history may take; 0 for no limit.
    rate : float
        Tokens that the endpoint counted for each token of the estimate.
    """
    messages = request.messages
    starts = [i for i, message in enumerate(messages) if message.role == "user"]
    around = tokens_of_request(replace(request, messages=()))
    # By whole turns, so that no output stands without its call. What stands before the first prompt goes with its turn.
    for dropped, start in enumerate([0, *starts[1:]]):
        tokens = round((tokens_of(messages[start:]) + around) * rate)
        if not limit or tokens <= limit or start == (starts or [0])[-1]:
            return Fitted(messages[start:], dropped, tokens)
    return Fitted(messages, 0, round((tokens_of(messages) + around) * rate))


def refused_as_too_long(error: RequestRefusedError) -> int | None:
    """Return the tokens that the endpoint says fit, 0 where it does not say how many; None for another refusal."""
    text = str(error)
    found = _LIMIT.search(text)
    if found:
        return int(next(filter(None, found.groups())).replace(",", ""))
    return 0 if error.code == "context_length_exceeded" or _TOO_LONG.search(text) else None


def _part(part: object) -> float:
    if isinstance(part, Text):
        # A lone surrogate, which a notebook's own text may hold, has no UTF-8.
        return len(part.text.encode(errors="replace")) / _BYTES
    if isinstance(part, ToolCall):
        return len(f"{part.name}{part.arguments}".encode(errors="replace")) / _BYTES + _MESSAGE
    if isinstance(part, ToolOutput):
        return len(part.output.encode(errors="replace")) / _BYTES + _IMAGE * len(part.images)
    if isinstance(part, Image):
        return _IMAGE
    if isinstance(part, File):
        return len(part.data) / _BYTES
    return len(str(part.data)) / _BYTES if isinstance(part, Opaque) else 0.0
