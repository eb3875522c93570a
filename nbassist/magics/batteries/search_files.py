"""`search_files`: the model searches the files that `%assistant files add` named; on every backend, a local one too."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from ...config.paths import data_file
from ...config.settings import makes_vectors
from ...context.searched_files import shown
from ...documents.embedding_cache import KeptVectors
from ...documents.file_index import FileIndex
from ...server import launcher
from ...tools import Tool
from ...tools.citation_marks import SEARCH_TOOLS

NAME = SEARCH_TOOLS[0]
_SECONDS = 60.0
_MODEL = "all-MiniLM-L6-v2"
"""Of `nbassist model get embeddings`: vectors of another are not compared with its."""


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return the vectors of texts, from the embedded server; the first call may start it.

    Raises
    ------
    ModelFileError
        Where the model for them is not on this machine.
    LocalError
        Where the server is not installed, or does not answer so.
    """
    endpoint = launcher.ensure(vectors=True)
    request = urllib.request.Request(
        f"{endpoint.base_url}/embeddings",
        json.dumps({"model": "local", "input": list(texts)}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.token}"},
    )
    # No proxy is to see it: it is this machine's own.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
        entries = sorted(json.load(answer)["data"], key=lambda entry: entry["index"])
    return [entry["embedding"] for entry in entries]


@cache
def index() -> FileIndex:
    """Return the files of this notebook's kernel."""
    return FileIndex(embed if makes_vectors() else None, KeptVectors(partial(data_file, "vectors.db"), _MODEL))


def make(shell: Any, approve: bool = False) -> Tool:
    """Return the tool for one shell."""

    def search_files(query: str) -> str:
        """Search the user's own files and return the passages that answer best, each with its file and page.

        Put the mark of a passage right behind what you take from it.

        Parameters
        ----------
        query
            What to look for: a question, or the words of the answer.
        """
        found = index().search(query)
        if not found:
            names = ", ".join(file.path.name for file in index().files[:20])
            return f"nothing was found; there are {names}" if names else "there are no files: %assistant files add PATH"
        return shown(found)

    return Tool.from_function(search_files, approve=approve)
