"""Where the model is: any Chat Completions endpoint, and the ways in which it gives no reply."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..text import clean


class Upstream(Protocol):
    """An endpoint of Chat Completions.

    Attributes
    ----------
    api_key : str
        Its key, empty where it needs none; never in a response or a log line.
    default_model : str
        For a request that names no model; empty where there is none.
    extra : mapping
        Fields for every request, such as `stop` or `temperature`; what a client chose goes before them.
    tool_note : str
        What this model is told behind the outputs of its tools; empty for a model that needs no telling.
    context : int
        Tokens of its context; 0 where that is not known.
    """

    @property
    def api_key(self) -> str: ...
    @property
    def default_model(self) -> str: ...
    @property
    def extra(self) -> Mapping[str, Any]: ...
    @property
    def tool_note(self) -> str: ...
    @property
    def context(self) -> int: ...
    async def base_url(self) -> str:
        """Return the URL up to and with `/v1`; an engine starts at the first call, and raises LocalError if not."""
        ...


@dataclass(frozen=True, slots=True)
class UrlUpstream:
    """An endpoint that somebody else runs, at `url`, up to and with `/v1`."""

    url: str
    api_key: str = field(default="", repr=False)
    default_model: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    tool_note: str = ""
    context: int = 0

    async def base_url(self) -> str:
        """Return `url`."""
        return self.url.rstrip("/")


class UpstreamError(Exception):
    """The upstream gave no reply, or broke off; `code` is one of those of a run's `last_error`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(clean(" ".join(message.split()))[:1000])
        self.code = code


class ContextOverflowError(UpstreamError):
    """The upstream says that the prompt is longer than its model's context."""


class UnknownModelError(UpstreamError):
    """The upstream says that it has no such model."""


_UNKNOWN = re.compile(
    r"model[_ ]not[_ ](?:found|exist)|(?:invalid|unknown|unsupported) model|not a valid model|no such model|"
    r"(?:models?|deployment)\b.{0,120}\b(?:not found|does not exist|doesn't exist|not exist|is not available)",
    re.IGNORECASE | re.DOTALL,
)


def is_unknown_model(status: int, words: str) -> bool:
    """Return whether a refusal says that there is no such model."""
    return status in (400, 404, 422) and bool(_UNKNOWN.search(words))
