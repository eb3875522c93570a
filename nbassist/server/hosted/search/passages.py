"""One search: over some stores, by words and, where there are vectors, by meaning; the passages, best first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from ....documents.terms import Coverage, fused, terms
from ...store.schema import files
from ..stores.filters import passes
from ..tables import chunks, scope_of, store_files, vector_stores
from . import fulltext_index
from .vector_cache import VectorCache

_CANDIDATES = 60
"""Chunks that each way to search proposes, from which the ranking is made."""
_NAME_WEIGHT = 0.6
"""How much more a passage counts whose file is named by all words of the question."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What was found: a chunk with the file it is from; the score goes from 0 to 1."""

    file_id: str
    filename: str
    score: float
    attributes: Mapping[str, Any]
    text: str
    page: int | None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for, and how.

    Parameters
    ----------
    queries : sequence of str
        Each is searched for; a passage counts by its best place.
    most : int
        The most passages.
    threshold : float
        The least score.
    filter : mapping, optional
        Over the attributes of files; see `stores.filters`.
    meanings : sequence of bytes, optional
        The vector of each query, where there is an embedder; see `vectors`.
    model : str
        The name under which the embedder's vectors are kept.
    cache : VectorCache
        What this server has read of the vectors of stores.
    """

    queries: Sequence[str]
    most: int = 10
    threshold: float = 0.0
    filter: Mapping[str, Any] | None = None
    meanings: Sequence[bytes] = ()
    model: str = ""
    cache: VectorCache = field(default_factory=VectorCache)


def find(connection: Connection, store_ids: Collection[str], wanted: SearchQuery) -> list[Passage]:
    """Return the passages of those stores, best first; the same text in two stores stands twice.

    A score is the share of the question's words that the best passage has, or how near its meaning comes where vectors
    are there and that is more; for those after it, in proportion to their place in the ranking. It is comparable
    between stores of any size, which the scores of the index are not.
    """
    columns = select(vector_stores.c.seq).where(vector_stores.c.id.in_(store_ids), ~vector_stores.c.deleted)
    scopes = [scope_of(seq) for seq in connection.execute(columns).scalars()]
    allowed = _allowed(connection, store_ids, wanted.filter)
    found: dict[int, float] = {}
    rows: dict[int, Any] = {}
    for index, query in enumerate(wanted.queries):
        for chunk, score in _ranked(connection, scopes, query, wanted, index, allowed, rows):
            found[chunk] = max(found.get(chunk, 0.0), score)
    best = sorted(((c, s) for c, s in found.items() if s >= wanted.threshold), key=lambda pair: (-pair[1], pair[0]))
    return [
        Passage(row.id, row.filename or "", score, row.attributes, row.text, row.page)
        for chunk, score in best[: wanted.most]
        if (row := rows.get(chunk))
    ]


def _ranked(
    connection: Connection,
    scopes: Sequence[str],
    query: str,
    wanted: SearchQuery,
    index: int,
    allowed: Collection[int] | None,
    rows: dict[int, Any],
) -> list[tuple[int, float]]:
    """Return the chunks for one query with their scores, best first; their rows are put into `rows`."""
    asked = terms(query)
    coverage = Coverage(asked)
    by_words = fulltext_index.search(connection, scopes, asked, _CANDIDATES, allowed)
    near: list[tuple[int, float]] = []
    if index < len(wanted.meanings):
        meaning = wanted.meanings[index]
        near = wanted.cache.nearest(connection, scopes, meaning, wanted.model, _CANDIDATES, allowed)
    if not by_words and not near:
        return []
    rows |= _rows(connection, {match.chunk for match in by_words} | {chunk for chunk, _ in near})
    if any(chunk not in rows for chunk, _ in near):
        wanted.cache.forget(scopes, wanted.model)
        near = wanted.cache.nearest(connection, scopes, meaning, wanted.model, _CANDIDATES, allowed)
        rows |= _rows(connection, {chunk for chunk, _ in near})
    ranking = [(chunk, score) for chunk, score in _by_words(by_words, coverage, rows) if chunk in rows]
    top = max(near[0][1], 0.0) if near else 0.0
    if near:
        ranking = fused([[chunk for chunk, _ in ranking], [chunk for chunk, _ in near if chunk in rows]])
    if not ranking:
        return []
    scale = max(coverage.of(rows[ranking[0][0]].text), top) / (ranking[0][1] or 1.0)
    return _neighbours_last([(chunk, min(1.0, max(0.0, score * scale))) for chunk, score in ranking], rows)


def _by_words(
    found: Sequence[fulltext_index.Match], coverage: Coverage, rows: Mapping[int, Any]
) -> list[tuple[int, float]]:
    """Return the matches of the index with weights, best first.

    The index counts rare words over all; a passage that has more of the question's words, or whose file is named by
    them, counts more. Measured with `benchmarks/retrieval.py`: recall at 10 rises from .64 to .81 with this and
    `_neighbours_last`.
    """
    weighed = []
    for match in found:
        if row := rows.get(match.chunk):
            named = 1 + _NAME_WEIGHT * coverage.of(row.filename or "")
            # The index gives zero to words that stand in half of all chunks; in a small store these are all there are.
            weighed.append((match.chunk, (match.score or 1e-6) * coverage.of(row.text) ** 0.5 * named))
    return sorted(weighed, key=lambda pair: (-pair[1], pair[0]))


def _neighbours_last(ranking: Sequence[tuple[int, float]], rows: Mapping[int, Any]) -> list[tuple[int, float]]:
    """Return a ranking in which a chunk that overlaps a better one comes after those that say something else."""
    taken: set[tuple[int, int]] = set()
    first: list[tuple[int, float]] = []
    later: list[tuple[int, float]] = []
    for chunk, score in ranking:
        place = (rows[chunk].store_file, rows[chunk].position)
        beside = {(place[0], place[1] - 1), (place[0], place[1] + 1)}
        (later if beside & taken else first).append((chunk, score))
        taken.add(place)
    # Scores go on falling: who asks for a threshold asks for the best.
    least = first[-1][1] if first else 1.0
    return [*first, *((chunk, min(score, least)) for chunk, score in later)]


def _allowed(connection: Connection, store_ids: Collection[str], filter_: Any) -> list[int] | None:
    if filter_ is None:
        return None
    statement = select(store_files.c.seq, store_files.c.attributes).where(
        store_files.c.vector_store_id.in_(store_ids), ~store_files.c.deleted
    )
    return [row.seq for row in connection.execute(statement) if passes(row.attributes, filter_)]


def _rows(connection: Connection, wanted: Collection[int]) -> dict[int, Any]:
    columns = (
        *(chunks.c.seq, chunks.c.store_file, chunks.c.position, chunks.c.text, chunks.c.page),
        *(store_files.c.id, store_files.c.attributes, files.c.filename),
    )
    joined = chunks.join(store_files, store_files.c.seq == chunks.c.store_file)
    joined = joined.outerjoin(files, files.c.id == store_files.c.id)
    there = (store_files.c.status == "completed", ~store_files.c.deleted)
    statement = select(*columns).select_from(joined).where(chunks.c.seq.in_(wanted), *there)
    return {row.seq: row for row in connection.execute(statement)}
