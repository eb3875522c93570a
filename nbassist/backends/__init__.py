"""One module for each wire protocol: a request builder and a decoder, both without IO.

`transport` sends what a builder made, sync or async, and gives a decoder what comes back. `connect` chooses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Protocol

from ..events import Event
from ..messages import Request


class Backend(Protocol):
    """What `nbassist.assistant` asks of a protocol at an endpoint."""

    name: str

    def stream(self, request: Request) -> Iterator[Event]: ...
    def astream(self, request: Request) -> AsyncIterator[Event]: ...
    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str]: ...
    def models(self) -> list[str]: ...


def connect(backend: str, base_url: str, api_key: str) -> Backend:
    """Return the backend named `backend` at `base_url`; "auto" asks the endpoint what it speaks.

    Raises
    ------
    BackendError
        Where it has to ask and gets no answer, or the key is refused.
    """
    from .assistants import AssistantsBackend
    from .chat import ChatBackend
    from .probe import speaks_assistants

    if backend == "auto":
        backend = "assistants" if speaks_assistants(base_url, api_key) else "chat"
    return AssistantsBackend(base_url, api_key) if backend == "assistants" else ChatBackend(base_url, api_key)
