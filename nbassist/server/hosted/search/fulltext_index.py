"""The index of words: FTS5 on SQLite, full text on PostgreSQL; both by any of the words of a question, best first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

# bm25 is the less the better; the scope's column weighs nothing. It is computed for each match, and the joins are what
# takes longest, so only the best go through them; a few more than are wanted, for files that are not read yet.
_SQLITE = """
SELECT c.seq AS chunk, best.score FROM
(SELECT rowid AS chunk, -bm25(chunk_words, 0.0, 1.0) AS score FROM chunk_words
 WHERE chunk_words MATCH :wanted ORDER BY score DESC, rowid LIMIT :most * {share}) best
JOIN vector_chunks c ON c.seq = best.chunk
JOIN vector_store_files f ON f.seq = c.store_file
WHERE f.status = 'completed' AND NOT f.deleted {only}
ORDER BY best.score DESC, c.seq LIMIT :most
"""
_BEST, _ALL = 2, 1_000_000
_POSTGRES = """
SELECT c.seq AS chunk, best.score FROM
(SELECT w.chunk, ts_rank(w.words, q.query) AS score
 FROM (SELECT to_tsquery('english', :wanted) AS query) q, chunk_words w
 WHERE w.words @@ q.query AND w.scope = ANY(:scopes) ORDER BY score DESC, w.chunk LIMIT :most * {share}) best
JOIN vector_chunks c ON c.seq = best.chunk
JOIN vector_store_files f ON f.seq = c.store_file
WHERE f.status = 'completed' AND NOT f.deleted {only}
ORDER BY best.score DESC, c.seq LIMIT :most
"""
_ONLY = {
    "sqlite": "AND f.seq IN (SELECT value FROM json_each(:files))",
    "postgresql": "AND f.seq = ANY(CAST(:files AS bigint[]))",
}
_INDEX = """
INSERT INTO chunk_words (chunk, scope, words)
SELECT seq, scope, to_tsvector('english', text) FROM vector_chunks WHERE seq = ANY(:chunks)
"""


@dataclass(frozen=True, slots=True)
class Match:
    """A chunk that has words of the question; its score compares with those of the same question alone."""

    chunk: int
    score: float


def search(
    connection: Connection,
    scopes: Collection[str],
    wanted: Sequence[str],
    most: int,
    files: Collection[int] | None = None,
) -> list[Match]:
    """Return the best chunks, the best first.

    Parameters
    ----------
    scopes : collection of str
        Those of the stores that are searched.
    wanted : sequence of str
        Words, letters and digits alone.
    files : collection of int, optional
        The files in stores, by `seq`, that may be found; None for all.
    """
    if not wanted or not scopes or (files is not None and not files):
        return []
    dialect = connection.dialect.name
    values: dict[str, Any] = {"most": most}
    if dialect == "sqlite":
        words = " OR ".join(f'"{word}"' for word in wanted)
        values["wanted"] = f"scope : ({' OR '.join(scopes)}) AND text : ({words})"
    else:
        values |= {"wanted": " | ".join(wanted), "scopes": list(scopes)}
    found = [] if files is not None else _run(connection, values, "", _BEST)
    if len(found) == most:
        return found
    # The best are of other files, or there are no more.
    if files is not None:
        values["files"] = f"[{','.join(map(str, files))}]" if dialect == "sqlite" else list(files)
    return _run(connection, values, "" if files is None else _ONLY[dialect], _ALL)


def _run(connection: Connection, values: dict[str, Any], only: str, share: int) -> list[Match]:
    postgres = connection.dialect.name == "postgresql"
    statement = text((_POSTGRES if postgres else _SQLITE).format(only=only, share=share))
    if not postgres:
        return [Match(row.chunk, float(row.score)) for row in connection.execute(statement, values)]
    # It takes any word for a rare one, and would read all chunks of all stores.
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    rows = connection.execute(statement, values).all()
    connection.execute(text("SET LOCAL enable_seqscan TO DEFAULT"))
    return [Match(row.chunk, float(row.score)) for row in rows]


def index(connection: Connection, chunks: Sequence[int]) -> None:
    """Add chunks to the index; on SQLite its triggers have done so."""
    if connection.dialect.name == "postgresql" and chunks:
        connection.execute(text(_INDEX), {"chunks": list(chunks)})
