"""What turns text into vectors: the upstream's `/embeddings`, or the local engine's; both speak the same wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx2

from ....documents.chunking import LONGEST_WINDOW, windows
from ....errors import NbassistError
from . import vectors

_AT_ONCE = 8
"""Windows of one request: on one core a second's work, behind which a question waits."""
_SECONDS = 120.0
_QUERY_SECONDS = 5.0
_AGAIN_SECONDS = 60.0


class EmbeddingError(Exception):
    """There are no vectors now; the words say why."""


class Embedder:
    """An endpoint of embeddings.

    Parameters
    ----------
    base_url : callable
        Returns the URL up to and with `/v1`; an engine starts at the first call.
    model : str
        The name that the endpoint knows the model by, and under which vectors are kept.
    headers : mapping
        Such as the key.
    where : str
        What is said of it: "the upstream", "the local engine".
    """

    def __init__(
        self, base_url: Callable[[], Awaitable[str]], model: str, headers: Mapping[str, str], where: str
    ) -> None:
        self.model = model
        self.where = where
        self._base_url = base_url
        self._headers = dict(headers)
        self._http: httpx2.AsyncClient | None = None
        self._failed_at = float("-inf")
        self.trouble = ""
        """Why it did not answer at the last try; empty where it did."""

    async def ready(self) -> bool:
        """Return whether it is worth asking: not within a minute after it failed."""
        return time.monotonic() - self._failed_at > _AGAIN_SECONDS

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Return the vectors of each text, one after another: one for each window of it.

        Raises
        ------
        EmbeddingError
            Where the endpoint does not answer, or with something else.
        """
        parts = [windows(text) for text in texts]
        flat = [part for of_text in parts for part in of_text]
        found: list[bytes] = []
        for first in range(0, len(flat), _AT_ONCE):
            made = await self._ask(flat[first : first + _AT_ONCE], _SECONDS)
            found += [vectors.packed(vector) for vector in made]
        left = iter(found)
        return [b"".join(next(left) for _ in of_text) for of_text in parts]

    async def embed_queries(self, queries: Sequence[str]) -> list[bytes]:
        """Return the vectors of questions; none where the endpoint fails or is slow, for words answer as well."""
        if not await self.ready():
            return []
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                found = await self._ask([query[:LONGEST_WINDOW] for query in queries], _QUERY_SECONDS)
        except (EmbeddingError, TimeoutError):
            return []
        return [vectors.packed(vector) for vector in found]

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _ask(self, texts: Sequence[str], seconds: float) -> list[list[float]]:
        try:
            url = f"{await self._base_url()}/embeddings"
            if self._http is None:
                self._http = httpx2.AsyncClient(follow_redirects=False)
            body = {"model": self.model, "input": list(texts)}
            response = await self._http.post(url, json=body, headers=self._headers, timeout=seconds)
            if response.status_code != 200:
                raise EmbeddingError(f"{self.where} answered {response.status_code} to /embeddings")
            found = _vectors(response.json(), len(texts))
        except NbassistError as error:  # the local engine can't load its model
            self._fail(str(error))
            raise EmbeddingError(self.trouble) from error
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            self._fail(f"{self.where}: {type(error).__name__}")
            raise EmbeddingError(self.trouble) from error
        except EmbeddingError as error:
            self._fail(str(error))
            raise
        self.trouble = ""
        return found

    def _fail(self, why: str) -> None:
        self._failed_at, self.trouble = time.monotonic(), why


def _vectors(answer: Mapping[str, Any], wanted: int) -> list[list[float]]:
    """Return the vectors of an answer, in the order of its `index`es."""
    entries = sorted(answer["data"], key=lambda entry: entry["index"])
    found = [[float(number) for number in entry["embedding"]] for entry in entries]
    if len(found) != wanted or len({len(vector) for vector in found}) != 1:
        raise ValueError("another number of vectors than of texts")
    return found
