"""Find out which protocol an endpoint speaks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..errors import NotAnEndpointError, RequestRefusedError, ServerFailedError
from .abilities import is_hosted
from .assistants import HEADERS
from .steps import Call, Step
from .transport import Transport


def protocol(base_url: str, api_key: str) -> str:
    """Return the name of the backend for the endpoint; asks it where its address does not tell.

    Raises
    ------
    BackendError
        Where nothing answers, or the key is refused.
    """
    if is_hosted(base_url):
        return "responses"
    return "assistants" if speaks_assistants(base_url, api_key) else "chat"


def speaks_assistants(base_url: str, api_key: str) -> bool:
    """Return whether the endpoint has assistants; one small request.

    Raises
    ------
    BackendError
        Where nothing answers, or the key is refused.
    """
    answer = Transport(base_url, api_key, HEADERS).run(_assistants())
    return isinstance(answer, dict) and answer.get("object") == "list"


def _assistants() -> Generator[Step, Any, Any]:
    try:
        return (yield Call("GET", "/assistants", query={"limit": 1}))
    except (RequestRefusedError, NotAnEndpointError, ServerFailedError):
        return None
