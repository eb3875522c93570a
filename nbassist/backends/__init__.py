"""One package for each wire protocol, `chat`, `responses` and `assistants`: a request builder and a decoder without IO.

Imports the ground (`errors`, `core`) and `config`. Begin with `connect` below, then `chat`, which is what most
endpoints speak. `http` is the way there, the same for all three: it sends what a builder made and gives a decoder what
comes back. `provider_quirks` is the table of how endpoints differ, `refused_options` what is learnt of one on the way.
"""

from __future__ import annotations

from ..config.plugins import load_plugin
from ..config.quirk_names import Access
from ..core.protocols import Backend

__all__ = ["BACKENDS", "Backend", "connect"]

BACKENDS = ("assistants", "responses", "chat")
"""The protocols, by the names that `connect` takes."""


def connect(backend: str, base_url: str, api_key: str, access: Access = Access()) -> Backend:
    """Return the backend named `backend` at `base_url`; "auto" finds out what the endpoint speaks.

    The hosted service speaks Responses, and need not be asked. Any other is asked whether it has assistants, and is
    else taken to speak Chat Completions, which all do: Responses at such a one has to be named. Nothing that it answers
    to that question is an error: what is wrong there, the first prompt is told.

    Parameters
    ----------
    access : Access
        What else is sent with every request, and what a profile says of the endpoint.

    Raises
    ------
    SettingsError
        Where no package adds a backend of that name, or a profile names a provider that there is not.
    """
    if named := access.entries.get("provider"):
        from .provider_quirks import check_name

        check_name(named)
    if backend == "auto":
        from .http.probe import protocol

        backend = protocol(base_url, api_key, access)
    if backend == "assistants":
        from .assistants.backend import AssistantsBackend

        return AssistantsBackend(base_url, api_key, access=access)
    if backend == "responses":
        from .responses.backend import ResponsesBackend

        return ResponsesBackend(base_url, api_key, access=access)
    if backend == "chat":
        from .chat.backend import ChatBackend

        return ChatBackend(base_url, api_key, access=access)
    made: Backend = load_plugin("nbassist.backends", backend)(base_url, api_key)
    return made
