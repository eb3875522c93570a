"""Ask an endpoint which protocol it speaks."""

from __future__ import annotations

from ..errors import NotAnEndpointError, RequestRefusedError, ServerFailedError
from .assistants import HEADERS
from .transport import Call, Flow, Transport


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
