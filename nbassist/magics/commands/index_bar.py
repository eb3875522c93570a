"""A bar in the cell while files are read and get their vectors; the last word of it stays."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from ...display.view import surface
from ...documents.embedding_index import Meanings
from ..table import Table

_CELLS = 20
_SECONDS = 0.5
"""Between two changes: each is a message, and a page shows no more."""


class IndexBar:
    """One display, below which the command's table stands; nothing where nobody watches.

    Parameters
    ----------
    shell : InteractiveShell
        The one whose cell it stands in.
    """

    def __init__(self, shell: Any) -> None:
        self._handle: Any = None
        self._next = 0.0
        if surface(shell)[0] == "live":
            from IPython.display import DisplayHandle

            self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._is_shown = False

    def reading(self, done: int, total: int, path: Path) -> None:
        """Say which file is read."""
        self._show(f"{bar(done, total)} reading {path.name}, {done + 1} of {total}")

    def vectors(self, meanings: Meanings) -> None:
        """Follow the vectors on a thread, until there are no more to come."""
        if self._handle is None:
            return
        if not meanings.progress[1]:
            return self.end("")
        if not meanings.is_busy:  # as in a browser, which has no threads to make them on, nor one to follow them
            return self.end(in_words(meanings))
        threading.Thread(target=self._follow, args=(meanings,), name="nbassist-bar", daemon=True).start()

    def end(self, words: str) -> None:
        """Let some words stay in place of the bar."""
        if self._is_shown or words:
            self._show(words, at_once=True)

    def _follow(self, meanings: Meanings) -> None:
        while True:
            done, total = meanings.progress
            if done >= total or not meanings.is_busy:
                return self.end(in_words(meanings))
            self._show(f"{bar(done, total)} {done} of {total} passages can be found by meaning")
            time.sleep(_SECONDS)

    def _show(self, words: str, at_once: bool = False) -> None:
        if self._handle is None or (time.monotonic() < self._next and not at_once):
            return
        self._next = time.monotonic() + _SECONDS
        table = Table((), (), words)
        if self._is_shown:
            self._handle.update(table)
        else:
            self._handle.display(table)
        self._is_shown = True


def bar(done: int, total: int) -> str:
    """Return a bar of text: how much is done of all."""
    full = _CELLS * done // max(total, 1)
    return "▰" * full + "▱" * (_CELLS - full)


def in_words(meanings: Meanings | None) -> str:
    """Return how far the vectors are; empty where there is nothing to say."""
    if meanings is None or not (total := meanings.progress[1]):
        return ""
    done = meanings.progress[0]
    if meanings.trouble and done < total:
        found = f"{done} of {total} passages are found by meaning, too" if done else "passages are found by their words"
        return f"{found}: {meanings.trouble}"
    if done < total:
        return f"{bar(done, total)} {done} of {total} passages can be found by meaning"
    return f"all {total} passages can be found by meaning, too"
