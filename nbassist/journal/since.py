"""When something was, as a person writes it."""

from __future__ import annotations

import time
from datetime import datetime

from ..errors import UsageError

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds_of(since: str) -> float:
    """Return the time that a person wrote, in seconds since 1970: `30m`, `2h`, `3d`, or `2026-11-22`; 0 for nothing.

    Raises
    ------
    UsageError
        Where it is neither.
    """
    if not since:
        return 0.0
    if since[:-1].isdigit() and since[-1] in _UNITS:
        return time.time() - int(since[:-1]) * _UNITS[since[-1]]
    try:
        return datetime.fromisoformat(since).timestamp()
    except ValueError:
        raise UsageError(f"a time is a span such as 30m, 2h or 3d, or a date, not {since!r}") from None
