"""What the three protocols share: a transport that drives their flows, sync or async."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...config.imports import without_collections
from ...config.quirk_names import Access
from ...core.events import Event
from ...core.messages import Message, Request
from ...errors import BackendError
from .requests import STALL, Flow, Step, choose_model, find_window, list_models


class HttpBackend(ABC):
    """A protocol at one endpoint; what it says there stands in `_flow`.

    Parameters
    ----------
    base_url : str
        Up to and with `/v1`.
    api_key : str
        Its key; empty where it needs none.
    headers : mapping of str to str
        Sent with every request.
    stall : float
        Seconds without an event after which a stream is taken for cut.
    access : Access
        What else is sent with every request, and what a profile says of the endpoint.
    """

    name: str

    def __init__(
        self,
        base_url: str,
        api_key: str,
        headers: Mapping[str, str] | None = None,
        *,
        stall: float = STALL,
        access: Access = Access(),
    ) -> None:
        with without_collections():
            from .transport import Transport  # imports openai, which who only builds and decodes does without

        self._transport = Transport(base_url, api_key, headers, stall=stall, access=access)
        self._base_url = base_url
        self._access = access
        self._model = ""

    def stream(self, request: Request) -> Iterator[Event]:
        """Send `request` and yield the events of the turn; closing the iterator closes the stream.

        Raises
        ------
        BackendError
            Where nothing of a turn came.
        ConversationError
            Where the endpoint keeps the conversation, and it is gone there or stays busy.
        """
        return self._transport.drive(self._flow(request))

    def astream(self, request: Request) -> AsyncIterator[Event]:
        """As `stream`, on an event loop."""
        return self._transport.adrive(self._flow(request))

    def models(self) -> list[str]:
        """Return the names of the endpoint's models, in its order; at least one.

        Raises
        ------
        BackendError
            Where it does not tell, or has none.
        """
        return self._transport.run(list_models())

    def window(self, model: str) -> int:
        """Return the tokens of a model's context; 0 where the endpoint does not say."""
        try:
            return self._transport.run(find_window(model))
        except BackendError:
            return 0  # what is wrong there is told by the request itself

    @abstractmethod
    def cancel(self, cursor: Mapping[str, str], *, forget: bool = False) -> dict[str, str] | None:
        """Stop what `cursor` names at the endpoint, and return the cursor to go on from."""

    @abstractmethod
    def open(self, held: str) -> tuple[list[Message], dict[str, str]]:
        """Return what the endpoint holds under the id `held`: its messages, oldest first, and the cursor.

        Raises
        ------
        ConversationError
            Where it holds no such thing.
        """

    @abstractmethod
    def _flow(self, request: Request) -> Flow:
        """Say what `request` takes, step by step, and yield the events of its turn."""

    def _named(self, request: Request) -> Generator[Step, Any, Request]:
        """Return `request` with a model: the endpoint's first where none is named."""
        if request.model:
            return request
        if not self._model:
            self._model = choose_model((yield from list_models()))
        return replace(request, model=self._model)
