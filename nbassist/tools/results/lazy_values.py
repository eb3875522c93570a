"""What is never read by looking at it: iterators, cursors, files, lazy tables. It is named with its type."""

from __future__ import annotations

import io
from typing import Any

_CURSOR = ("fetchone", "fetchall", "fetchmany", "fetchdf")
_LAZY = (("collect",), ("compute",), ("execute", "to_pandas"))  # polars and Spark; Dask and its like; Ibis
_REPR_COMPUTES_NOTHING = ("dask", "xarray", "distributed")  # though they have `compute` and `__await__`
_REPR_COMPUTES = (("django.db.models", "QuerySet"), ("django.db.models", "RawQuerySet"))


def unread(value: Any) -> str | None:
    """Return what an object is in a few words, where to look into it would change it or make it compute.

    Only its class is asked, so that a stand-in which answers to every name is not taken for one. None for what may
    be looked at.
    """
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if isinstance(value, type) or root in _REPR_COMPUTES_NOTHING:
        return None
    if isinstance(value, io.IOBase):
        return f"{name_of(value)}{_of_file(value)}, not read"
    if _has(kind, "__next__", *_CURSOR):
        return f"{name_of(value)}, not read"
    if _has(kind, "__anext__", "__await__"):
        return f"{name_of(value)}, not awaited"
    if any(all(_has(kind, name) for name in names) for names in _LAZY):
        return f"{name_of(value)}, not computed"
    if any(kind.__module__.startswith(module) and kind.__name__ == name for module, name in _REPR_COMPUTES):
        return f"{name_of(value)}, not computed"
    return None


def is_lazy(value: Any) -> bool:
    """Whether its rows can't be had without computing it, though its repr can."""
    return unread(value) is not None or type(value).__module__.partition(".")[0] in _REPR_COMPUTES_NOTHING


def name_of(value: Any) -> str:
    """Return the name of an object's class with its article, such as ``a polars LazyFrame`` or ``an Order``."""
    kind = type(value)
    root = kind.__module__.partition(".")[0].strip("_")
    name = kind.__name__ if root in ("builtins", "main", "") or root == kind.__name__ else f"{root} {kind.__name__}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _has(kind: type, *names: str) -> bool:
    return any(callable(getattr(kind, name, None)) for name in names)


def _of_file(value: Any) -> str:
    name = getattr(value, "name", None)
    return f" of {name}" if isinstance(name, str) else ""
