"""Passages by their meaning, beside their words: vectors made in the background, as whoever gives them allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from ..core.installing import pip_install
from ..errors import NbassistError
from .chunking import windows
from .embedding_cache import KeptVectors

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Returns the vector of each text; raises `NbassistError` or `OSError` where there are none now."""

_AT_ONCE = 8
_AGAIN_SECONDS = 60.0


class Meanings:
    """Vectors of passages, which are made on a thread of their own, the oldest first.

    Parameters
    ----------
    embed : callable
        What gives vectors; called from that thread and, for questions, from the caller's.
    kept : KeptVectors, optional
        Where those that were made before are looked for; without it each is made.
    """

    def __init__(self, embed: Embed, kept: KeptVectors | None = None) -> None:
        self._embed = embed
        self._kept = kept
        self._lock = threading.Lock()
        self._waiting: dict[int, str] = {}
        self._made: dict[int, Any] = {}
        self._matrix: tuple[Any, Any] | None = None
        self._thread: threading.Thread | None = None
        self._failed_at = float("-inf")
        self.trouble = ""
        """Why there are no more vectors just now; empty where nothing is wrong."""

    @property
    def progress(self) -> tuple[int, int]:
        """How many passages have vectors, and how many there are."""
        with self._lock:
            return len(self._made), len(self._made) + len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether vectors are being made."""
        return self._thread is not None and self._thread.is_alive()

    def add(self, passages: dict[int, str]) -> None:
        """Have vectors made for passages, each under a number of its own."""
        with self._lock:
            self._waiting |= passages
            if not self._waiting or self.is_busy or self._resting():
                return
            if find_spec("numpy") is None:
                self.trouble = pip_install("files")
                return
            self._thread = threading.Thread(target=self._work, name="nbassist-vectors", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # a kernel in a browser has no threads
                self.trouble = "this kernel can start no thread"

    def forget(self, numbers: Sequence[int]) -> None:
        """Let passages go."""
        with self._lock:
            for number in numbers:
                self._waiting.pop(number, None)
                self._made.pop(number, None)
            self._matrix = None

    def nearest(self, question: str, most: int) -> list[int]:
        """Return the passages that are nearest in meaning, the nearest first; none where there are no vectors."""
        self.add({})
        with self._lock:
            if not self._made or self._resting():
                return []
            import numpy as np  # there is a vector, so it is installed

            if self._matrix is None:
                numbers = np.repeat(list(self._made), [len(rows) for rows in self._made.values()])
                self._matrix = np.concatenate(list(self._made.values())), numbers
            rows, numbers = self._matrix
        try:
            scores = np.einsum("ij,j->i", rows, _rows(self._embed([question]))[0])
        except (NbassistError, OSError, ValueError) as error:
            self._fail(error)
            return []
        # A passage is as near as the nearest of its windows.
        best = dict.fromkeys(int(numbers[place]) for place in np.argsort(-scores, kind="stable")[: 8 * most])
        return list(best)[:most]

    def _resting(self) -> bool:
        return time.monotonic() - self._failed_at < _AGAIN_SECONDS

    def _fail(self, error: Exception) -> None:
        self._failed_at, self.trouble = time.monotonic(), str(error) or type(error).__name__

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                number, text = next(iter(self._waiting.items()))
            try:
                rows = self._made_of(text)
            except (NbassistError, OSError, ValueError) as error:
                return self._fail(error)
            with self._lock:
                # Not where the file was removed, or read anew, meanwhile.
                if self._waiting.pop(number, None) is not None:
                    self._made[number] = rows
                    self._matrix, self.trouble = None, ""

    def _made_of(self, text: str) -> Any:
        """Return the vectors of a passage: those that are kept, or new ones, which are kept."""
        if self._kept is not None and (known := self._kept.find(text)) is not None:
            return known
        parts = windows(text)
        rows = _joined([_rows(self._embed(parts[at : at + _AT_ONCE])) for at in range(0, len(parts), _AT_ONCE)])
        if self._kept is not None:
            self._kept.keep(text, rows)
        return rows


def _rows(vectors: Sequence[Sequence[float]]) -> Any:
    import numpy as np

    rows = np.asarray(vectors, dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _joined(pieces: Sequence[Any]) -> Any:
    import numpy as np

    return np.concatenate(pieces)
