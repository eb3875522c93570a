"""Threads: conversations by name, kept on disk for the notebook they belong to, forked, taken back and shown.

Imports the ground (`errors`, `core`). Begin with `threads`; `storage` is the files, `kept_run` a run on a thread that
is kept, `placement` where the prompt of a cell that runs again goes.
"""

from __future__ import annotations

from .history import History
from .placement import Placement, place
from .storage import ThreadStorage
from .threads import Hold, Threads

__all__ = ["History", "Hold", "Placement", "ThreadStorage", "Threads", "place"]
