"""The bodies of requests to `/vector_stores`. Source: OpenAI's description of the API, version 2.3.0."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from ...api.bodies import Body, Metadata, Name
from ...api.field_checks import missing, unfit
from .objects import AUTO

MOST_FILES = 500
"""Files of one request to make a store."""
_MOST_OF_A_BATCH = 2000


class ExpiresAfter(Body):
    anchor: Literal["last_active_at"]
    days: Annotated[int, Field(ge=1, le=365)]


class StaticChunking(Body):
    max_chunk_size_tokens: Annotated[int, Field(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Field(ge=0, le=2048)]

    @model_validator(mode="after")
    def _overlaps_by_half_at_most(self) -> StaticChunking:
        if self.chunk_overlap_tokens > self.max_chunk_size_tokens // 2:
            raise unfit("chunk_overlap_tokens", "it is at most half of max_chunk_size_tokens")
        return self


class Chunking(Body):
    type: Literal["auto", "static"]
    static: StaticChunking | None = None

    @model_validator(mode="after")
    def _has_numbers(self) -> Chunking:
        if self.type == "static" and self.static is None:
            raise missing("static")
        return self


def strategy(given: Chunking | None) -> dict[str, Any]:
    """Return a strategy as it is kept and shown: always static, with its numbers."""
    return dict(AUTO) if given is None or given.static is None else given.model_dump()


class StoreModify(Body):
    name: Name | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class StoreCreate(StoreModify):
    description: Annotated[str, StringConstraints(max_length=512)] | None = None
    file_ids: Annotated[list[str], Field(max_length=MOST_FILES)] | None = None
    chunking_strategy: Chunking | None = None

    @model_validator(mode="after")
    def _cuts_files(self) -> StoreCreate:
        if self.chunking_strategy is not None and not self.file_ids:
            raise unfit("chunking_strategy", "it goes with file_ids alone")
        return self


class InlineStore(Body):
    """A store that is made with an assistant or a thread."""

    file_ids: Annotated[list[str], Field(max_length=10_000)] | None = None
    chunking_strategy: Chunking | None = None
    metadata: Metadata | None = None


class FileAdd(Body):
    file_id: str
    chunking_strategy: Chunking | None = None
    attributes: Any = None


class AttributesModify(Body):
    attributes: Any


class BatchCreate(Body):
    file_ids: Annotated[list[str], Field(min_length=1, max_length=_MOST_OF_A_BATCH)] | None = None
    files: Annotated[list[FileAdd], Field(min_length=1, max_length=_MOST_OF_A_BATCH)] | None = None
    chunking_strategy: Chunking | None = None
    attributes: Any = None

    @model_validator(mode="after")
    def _names_files_once(self) -> BatchCreate:
        if (self.file_ids is None) == (self.files is None):
            raise unfit("file_ids", "give either file_ids or files")
        return self


class SearchRanking(Body):
    """The description has `default-2024-11-15`; the Assistants API, `default_2024_08_21`; both are taken."""

    ranker: Literal["none", "auto", "default-2024-11-15", "default_2024_08_21"] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    hybrid_search: dict[str, Any] | None = None


class Search(Body):
    query: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    rewrite_query: bool = False
    max_num_results: Annotated[int, Field(ge=1, le=50)] = 10
    filters: Any = None
    ranking_options: SearchRanking | None = None
