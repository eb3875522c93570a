"""Vectors of chunks in the store: 32-bit floats of length 1, one for each window of a chunk's text, one after another.

All are compared with the question's: 100,000 of 384 numbers take 16 ms with numpy, and an index for them would be a
library that not every Python can load. They are read once, and kept by a `VectorCache`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, func, insert, select, text

from ..tables import chunks, store_files
from ..tables import vectors as table

_LOCK = 0x6E626176
"""Key of the lock on PostgreSQL under which vectors are numbered."""


def packed(vector: Sequence[float]) -> bytes:
    """Return a vector as it is kept, of length 1; one of zeros stays so."""
    import numpy as np

    found = np.asarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(found))
    return bytes((found / length if length else found).astype("<f4").tobytes())


def keep(connection: Connection, model: str, found: Mapping[int, bytes]) -> None:
    """Keep the vectors of chunks, in place of those that they had; of chunks that are gone meanwhile, none."""
    # One after another, as a reader asks for what came after the last number that it has seen.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    there = set(connection.execute(select(chunks.c.seq).where(chunks.c.seq.in_(found))).scalars())
    # Of the time, so that a number does not come again after all vectors were deleted.
    added = max(newest(connection) + 1, time.time_ns() // 1000)
    connection.execute(delete(table).where(table.c.chunk.in_(there)))
    if there:
        rows = [{"chunk": seq, "model": model, "vector": found[seq], "added": added} for seq in sorted(there)]
        connection.execute(insert(table), rows)


def newest(connection: Connection) -> int:
    """Return the number of the vectors that were kept last; 0 where there are none."""
    return int(connection.execute(select(func.max(table.c.added))).scalar() or 0)


def since(connection: Connection, scope: str, model: str, after: int) -> list[tuple[int, int, bytes]]:
    """Return the vectors of a store that were kept after that number, each with its chunk and its file's `seq`."""
    statement = (
        select(table.c.chunk, chunks.c.store_file, table.c.vector)
        .select_from(table.join(chunks, chunks.c.seq == table.c.chunk))
        .where(table.c.added > after, table.c.model == model, chunks.c.scope == scope)
    )
    return [(row.chunk, row.store_file, row.vector) for row in connection.execute(statement)]


def stand(connection: Connection) -> tuple[int, ...]:
    """Return numbers that are others once a chunk was added, a file was read, or vectors were kept."""
    read = select(func.count()).select_from(store_files).where(store_files.c.status == "completed")
    last = connection.execute(select(func.max(chunks.c.seq))).scalar()
    return newest(connection), int(last or 0), int(connection.execute(read).scalar() or 0)


def missing(connection: Connection, model: str, most: int) -> list[tuple[int, str]]:
    """Return chunks, the oldest first, that have no vector of this model, each with the text that is its own.

    Where chunks overlap, what the one before has is left out: it is embedded once.
    """
    before = chunks.alias("before")
    columns = chunks.join(store_files, store_files.c.seq == chunks.c.store_file)
    columns = columns.outerjoin(table, (table.c.chunk == chunks.c.seq) & (table.c.model == model))
    follows = (before.c.store_file == chunks.c.store_file) & (before.c.position == chunks.c.position - 1)
    ended = (before.c.begin + func.length(before.c.text)).label("ended")
    statement = (
        select(chunks.c.seq, chunks.c.text, chunks.c.begin, ended)
        .select_from(columns.outerjoin(before, follows))
        .where(table.c.chunk.is_(None), store_files.c.status == "completed", ~store_files.c.deleted)
    )
    rows = connection.execute(statement.order_by(chunks.c.seq).limit(most))
    return [(row.seq, _own(row.text, max(0, (row.ended or 0) - row.begin))) for row in rows]


def _own(words: str, shared: int) -> str:
    """Return a text without its first characters, but with the line that they end in."""
    begin = max(words.rfind("\n", 0, shared) + 1, shared - 200)
    return words[begin:] if shared else words
