"""Imports of much at once, such as those of the first run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Hold the garbage collector back meanwhile.

    A thousand modules are many new objects and no garbage: collections in the middle of importing them find nothing,
    and are a fifth of a first cell's time in a kernel (`benchmarks/small_costs.py`).
    """
    if not gc.isenabled():  # someone else's decision
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
