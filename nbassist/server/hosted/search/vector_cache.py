"""The vectors of stores in memory, as matrices, with which a question is compared in milliseconds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from . import vectors

_MOST_BYTES = 1 << 30
"""Of all stores together; the one that was not asked for longest goes, and is read again when it is."""


@dataclass(slots=True)
class _Matrix:
    """A row for each window of a store: its vector, its chunk, and the chunk's file in the store, by `seq`."""

    after: int = 0
    rows: Any = None
    chunks: Any = None
    files: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        return 0 if self.rows is None else int(self.rows.nbytes)


class VectorCache:
    """What `nearest` has read of each store; what was added since is read before it answers."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], _Matrix] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def nearest(
        self,
        connection: Connection,
        scopes: Collection[str],
        meaning: bytes,
        model: str,
        most: int,
        allowed: Collection[int] | None = None,
    ) -> list[tuple[int, float]]:
        """Return the chunks of those stores that are nearest in meaning, with the cosine, the nearest first.

        A chunk is as near as the nearest of its windows. One that was deleted since may be among them.

        Parameters
        ----------
        scopes : collection of str
            Those of the stores.
        meaning : bytes
            The question's vector.
        allowed : collection of int, optional
            The files in stores that may be found, by `seq`; None for all.
        """
        found: dict[int, float] = {}
        newest = vectors.newest(connection)
        for scope in scopes:
            matrix = self._matrix(scope, model)
            with matrix.lock:
                if matrix.after < newest:
                    _add(matrix, vectors.since(connection, scope, model, matrix.after), len(meaning))
                    matrix.after = newest
                found |= _nearest(matrix, meaning, most, allowed)
        self._make_room()
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:most]

    def forget(self, scopes: Collection[str], model: str) -> None:
        """Read these stores anew at the next question: chunks of theirs are gone."""
        with self._lock:
            for scope in scopes:
                self._held.pop((scope, model), None)

    def _matrix(self, scope: str, model: str) -> _Matrix:
        with self._lock:
            matrix = self._held.setdefault((scope, model), _Matrix())
            self._held.move_to_end((scope, model))
            return matrix

    def _make_room(self) -> None:
        with self._lock:
            while len(self._held) > 1 and sum(matrix.size for matrix in self._held.values()) > self._most_bytes:
                self._held.popitem(last=False)


def _add(matrix: _Matrix, found: Sequence[tuple[int, int, bytes]], width: int) -> None:
    import numpy as np

    # Of another length are those of a model that has changed under its name.
    found = [row for row in found if len(row[2]) and len(row[2]) % width == 0]
    if not found:
        return
    windows = [len(vector) // width for _, _, vector in found]
    rows = np.frombuffer(b"".join(vector for _, _, vector in found), dtype="<f4").reshape(sum(windows), -1)
    chunks = np.repeat(np.array([chunk for chunk, _, _ in found]), windows)
    files = np.repeat(np.array([file for _, file, _ in found]), windows)
    if matrix.rows is not None:
        # The number of a chunk that was deleted may come again.
        stays = ~np.isin(matrix.chunks, chunks)
        rows = np.concatenate([matrix.rows[stays], rows])
        chunks = np.concatenate([matrix.chunks[stays], chunks])
        files = np.concatenate([matrix.files[stays], files])
    matrix.rows, matrix.chunks, matrix.files = rows, chunks, files


def _nearest(matrix: _Matrix, meaning: bytes, most: int, allowed: Collection[int] | None) -> dict[int, float]:
    import numpy as np

    if matrix.rows is None or matrix.size % len(meaning):
        return {}
    # Not by `@`: its threads wait for each other where the machine is busy, for what one core does in milliseconds.
    scores = np.einsum("ij,j->i", matrix.rows, np.frombuffer(meaning, dtype="<f4"))
    if allowed is not None:
        scores[~np.isin(matrix.files, list(allowed))] = -np.inf
    # The best windows, among which a chunk may stand several times, until there are chunks enough.
    wanted = min(4 * most, len(scores))
    while True:
        best = np.argpartition(-scores, wanted - 1)[:wanted]
        found: dict[int, float] = {}
        for place in best[np.argsort(-scores[best], kind="stable")]:
            if np.isfinite(scores[place]):
                found.setdefault(int(matrix.chunks[place]), float(scores[place]))
        if len(found) >= most or wanted == len(scores):
            return found
        wanted = min(4 * wanted, len(scores))
