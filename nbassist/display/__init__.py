"""What a person sees of a run: events folded into segments, and a view for each surface. Imports nothing heavy.

It may import the ground (`errors`, `core`) and `config`, never `backends` nor `run`. Begin with `transcript`, which
folds events, and `view`, which chooses the surface; `live`, `static`, `terminal` and `grid` are the surfaces,
`markdown` makes HTML of a model's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .static.reply import bundle
    from .view import CellView, make_view

__all__ = ["CellView", "bundle", "make_view"]
_WHERE = {"bundle": "static.reply", "make_view": "view", "CellView": "view"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
