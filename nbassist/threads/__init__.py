"""Threads: conversations by name, kept on disk for the notebook they belong to, forked, taken back and shown."""

from __future__ import annotations

from .history import History
from .placing import Placing, place
from .shelf import Shelf
from .threads import Hold, Threads

__all__ = ["History", "Hold", "Placing", "Shelf", "Threads", "place"]
