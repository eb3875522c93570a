"""One module for each wire protocol: a request builder and a decoder, both without IO.

`transport` sends what a builder made, sync or async, and gives a decoder what comes back. `connect` chooses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Protocol

from ..events import Event
from ..messages import Message, Request

BACKENDS = ("assistants", "responses", "chat")
"""The protocols, by the names that `connect` takes."""


class Backend(Protocol):
    """What `nbassist.assistant` asks of a protocol at an endpoint."""

    name: str

    def stream(self, request: Request) -> Iterator[Event]: ...
    def astream(self, request: Request) -> AsyncIterator[Event]: ...
    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str] | None: ...
    def models(self) -> list[str]: ...
    def window(self, model: str) -> int: ...
    def open(self, held: str) -> tuple[list[Message], dict[str, str]]: ...


def connect(backend: str, base_url: str, api_key: str) -> Backend:
    """Return the backend named `backend` at `base_url`; "auto" finds out what the endpoint speaks.

    The hosted service speaks Responses, and need not be asked. Any other is asked whether it has assistants, and is
    else taken to speak Chat Completions, which all do: Responses at such a one has to be named.

    Raises
    ------
    BackendError
        Where it has to ask and gets no answer, or the key is refused.
    """
    if backend == "auto":
        from .probe import protocol

        backend = protocol(base_url, api_key)
    if backend == "assistants":
        from .assistants import AssistantsBackend

        return AssistantsBackend(base_url, api_key)
    if backend == "responses":
        from .responses import ResponsesBackend

        return ResponsesBackend(base_url, api_key)
    from .chat import ChatBackend

    return ChatBackend(base_url, api_key)
