"""What a person is told once in a session, apart from any reply: that something is not kept on disk, and why."""

from __future__ import annotations

import warnings

from .text import one_line

_told: set[str] = set()


def tell_once(about: str, line: str) -> None:
    """Warn in one line, the first time that there is something to say about `about`."""
    if about in _told:
        return
    _told.add(about)
    # Not `warnings.warn`, which prints a line of our source below it.
    warnings.warn_explicit(one_line(line, 300), RuntimeWarning, "nbassist", 1, registry={})


def forget_all() -> None:
    """Begin anew, as a new session does."""
    _told.clear()
