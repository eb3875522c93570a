"""Every run on disk: what was asked and what came, to look up, to compare, and to give again without asking.

The journal never costs a reply: it is written on a thread of its own, and where it can't be, that is said once. Imports
the ground (`errors`, `core`), `config` and `run`. Begin with `journal`; `database` is the file, `tables` what is in it;
`recording` is a run on its way there, `cache` the backend that gives replies again.
"""

from __future__ import annotations

from .entry import Entry
from .journal import Journal, default_journal
from .recording import Recording, entry_of

__all__ = ["Entry", "Journal", "Recording", "default_journal", "entry_of"]
