"""nbassist: an assistant in the notebook, whose tools are functions of that notebook.

This module names what is public, and imports none of it before it is used. Begin with `assistant`, which puts a run
together, or with `magics`, which is how a notebook comes to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Assistant",
    "AuthenticationError",
    "BackendError",
    "ConnectionFailedError",
    "Conversation",
    "ConversationError",
    "Journal",
    "JournalError",
    "LocalError",
    "LocalUnavailableError",
    "ModelFileError",
    "NbassistError",
    "NotAnEndpointError",
    "OrderError",
    "RateLimitError",
    "Reply",
    "RequestRefusedError",
    "Runs",
    "ServerFailedError",
    "SettingsError",
    "StreamBrokenError",
    "Sweep",
    "Threads",
    "Tool",
    "ToolError",
    "ToolResult",
    "UsageError",
    "__version__",
    "load_ipython_extension",
    "tool",
]

if TYPE_CHECKING:
    from .assistant import Assistant
    from .core.conversation import Conversation
    from .errors import (
        AuthenticationError,
        BackendError,
        ConnectionFailedError,
        ConversationError,
        JournalError,
        LocalError,
        LocalUnavailableError,
        ModelFileError,
        NbassistError,
        NotAnEndpointError,
        OrderError,
        RateLimitError,
        RequestRefusedError,
        ServerFailedError,
        SettingsError,
        StreamBrokenError,
        ToolError,
        UsageError,
    )
    from .journal import Journal
    from .reply import Reply
    from .sweep import Runs, Sweep
    from .threads import Threads
    from .tools import Tool, ToolResult, tool

_HOMES = {
    "Assistant": ".assistant",
    "Conversation": ".core.conversation",
    "Reply": ".reply",
    "Sweep": ".sweep",
    "Tool": ".tools",
    "ToolResult": ".tools",
    "tool": ".tools",
    **{name: ".errors" for name in __all__ if name.endswith("Error")},
}
_ALSO = {"Journal": ".journal", "Runs": ".sweep", "Threads": ".threads"}
"""Names for the few who put an assistant together by hand: they are there, and not shown to all."""


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import nbassist` costs nothing."""
    home = _HOMES.get(name) or _ALSO.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    """Return what Tab shows: the names that people use, still without importing anything."""
    return sorted(_HOMES)


def load_ipython_extension(shell: Any) -> None:
    """Register `%%assistant` and `%assistant`; called by `%load_ext nbassist`."""
    from .magics import register

    register(shell)
