"""What a person sees of a run: events folded into segments, and a view for each surface. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .static import bundle as bundle
    from .view import View as View
    from .view import make_view as make_view

__all__ = ["View", "bundle", "make_view"]
_WHERE = {"bundle": "static", "make_view": "view", "View": "view"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
