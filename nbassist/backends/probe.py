"""Find out which protocol an endpoint speaks."""

from __future__ import annotations

from ..errors import NotAnEndpointError, RequestRefusedError, ServerFailedError
from .abilities import is_hosted
from .assistants import HEADERS
from .steps import Call, Flow
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
    answers: list[object] = []

    def flow() -> Flow:
        try:
            answers.append((yield Call("GET", "/assistants", query={"limit": 1})))
        except (RequestRefusedError, NotAnEndpointError, ServerFailedError):
            return

    for _ in Transport(base_url, api_key, HEADERS).drive(flow()):
        pass
    return bool(answers) and isinstance(answers[0], dict) and answers[0].get("object") == "list"
