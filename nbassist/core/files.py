"""Putting a file that was written whole into the place of another."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PATIENCE = 2.0  # seconds
_POLL = 0.02


def put_in_place(draft: Path, target: Path, *, busy: type[OSError] | None = None) -> None:
    """Give a file the name of another, which it replaces: whoever reads sees the one or the other, whole.

    Windows refuses that while anybody has the target open, a scanner of viruses or another kernel that reads it for a
    moment; there it is tried again for two seconds.

    Parameters
    ----------
    draft : Path
        Is gone afterwards.
    target : Path
        Need not exist.
    busy : type, optional
        The error that says that it is open elsewhere; `PermissionError` on Windows, and none elsewhere, where it means
        what it says.

    Raises
    ------
    OSError
        Where it can't be done; the draft is still there.
    """
    busy = busy or (PermissionError if os.name == "nt" else None)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.replace(draft, target)
            return
        except OSError as error:
            if busy is None or not isinstance(error, busy) or time.monotonic() > deadline:
                raise
            time.sleep(_POLL)
