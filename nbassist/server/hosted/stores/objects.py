"""From rows to the objects of vector stores on the wire, their fields in the order of the recordings.

Sources: recordings of the hosted service of 2025-09-16. Where OpenAI's description differs they are right: a store has
`description`, and the object of a batch is `vector_store.file_batch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...objects import Row

STATES = ("in_progress", "completed", "failed", "cancelled")
AUTO = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
"""What `auto` stands for; it is shown as these numbers."""


def counts(by_state: Mapping[str, int]) -> dict[str, int]:
    """Return `file_counts`: how many files are in each state, and in all."""
    found = {state: by_state.get(state, 0) for state in STATES}
    return {**found, "total": sum(found.values())}


def store(row: Row, by_state: Mapping[str, int], usage_bytes: int, now: int, search: str) -> dict[str, Any]:
    """Return a vector store.

    Parameters
    ----------
    by_state : mapping
        How many of its files are in which state.
    usage_bytes : int
        What its files take, in bytes.
    now : int
        The time, for one that has expired by it.
    search : str
        By what a search of it would answer: an addition of ours, `nbassist_search`; left out where empty.
    """
    expired = row["expires_at"] is not None and row["expires_at"] <= now
    status = "expired" if expired else "in_progress" if by_state.get("in_progress") else "completed"
    found = {
        "id": row["id"],
        "object": "vector_store",
        "created_at": row["created_at"],
        "name": row["name"],
        "description": row["description"],
        "usage_bytes": usage_bytes,
        "file_counts": counts(by_state),
        "status": status,
        "expires_after": row["expires_after"],
        "expires_at": row["expires_at"],
        "last_active_at": row["last_active_at"],
        "metadata": row["metadata"],
    }
    return {**found, "nbassist_search": search} if search else found


def file(row: Row) -> dict[str, Any]:
    """Return a file in a store."""
    return {
        "id": row["id"],
        "object": "vector_store.file",
        "usage_bytes": row["usage_bytes"],
        "created_at": row["created_at"],
        "vector_store_id": row["vector_store_id"],
        "status": row["status"],
        "last_error": row["last_error"],
        "chunking_strategy": row["chunking_strategy"],
        "attributes": row["attributes"],
    }


def batch(row: Row, by_state: Mapping[str, int]) -> dict[str, Any]:
    """Return a batch of files. One that was cancelled when all its files were read is completed all the same."""
    status = "in_progress" if by_state.get("in_progress") else "cancelled" if row["cancelled"] else "completed"
    return {
        "id": row["id"],
        "object": "vector_store.file_batch",
        "created_at": row["created_at"],
        "status": status,
        "vector_store_id": row["vector_store_id"],
        "file_counts": counts(by_state),
    }


def content_page(texts: Sequence[str]) -> dict[str, Any]:
    """Return the text that was read from a file."""
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": text} for text in texts],
        "has_more": False,
        "next_page": None,
    }


def results_page(queries: Sequence[str], data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a search found."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": list(data),
        "has_more": False,
        "next_page": None,
    }
