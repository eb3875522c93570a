"""nbassist: an assistant in the notebook, whose tools are functions of that notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Assistant",
    "Conversation",
    "Journal",
    "Reply",
    "Runs",
    "Sweep",
    "Threads",
    "ToolResult",
    "__version__",
    "load_ipython_extension",
    "tool",
]

if TYPE_CHECKING:
    from .assistant import Assistant, Reply
    from .conversation import Conversation
    from .journal import Journal
    from .sweep import Runs, Sweep
    from .threads import Threads
    from .tools import ToolResult, tool

_HOMES = {
    "Assistant": ".assistant",
    "Conversation": ".conversation",
    "Journal": ".journal",
    "Reply": ".assistant",
    "Runs": ".sweep",
    "Sweep": ".sweep",
    "Threads": ".threads",
    "ToolResult": ".tools",
    "tool": ".tools",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import nbassist` costs nothing."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home, __name__), name)


def load_ipython_extension(shell: Any) -> None:
    """Register `%%assistant` and `%assistant`; called by `%load_ext nbassist`."""
    from .magics import register

    register(shell)
