"""Requests after the first: what the `openai` package puts around a body is the same each time, and is made once.

Making a request takes the package longer than sending it, so that of a sweep it would be a third of the work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx2
import openai


class Template:
    """What stands around the body of a request.

    Parameters
    ----------
    first : Request
        As the package made it and sent it.
    base_url : str
        What stands before the paths.
    """

    def __init__(self, first: httpx2.Request, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self._headers = [(name, value) for name, value in first.headers.raw if name.lower() != b"content-length"]
        self._extensions = {"timeout": first.extensions["timeout"]}

    def post(self, path: str, body: Mapping[str, Any]) -> httpx2.Request:
        """Return a request with another body, and maybe to another path."""
        content = json.dumps(dict(body), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return httpx2.Request(
            "POST", _url(self._base + path), headers=self._headers, content=content, extensions=self._extensions
        )


@lru_cache(maxsize=64)
def _url(text: str) -> httpx2.URL:
    return httpx2.URL(text)


def check_status(response: httpx2.Response) -> None:
    """Look at the status of an answer, whose body has been read where it is no success.

    Raises
    ------
    openai.APIStatusError
        As the package raises it where it is anything but a success.
    """
    if response.is_success:
        return
    try:
        body = response.json()
    except ValueError:
        body = response.text
    inner = body.get("error", body) if isinstance(body, dict) else body
    raise openai.APIStatusError(f"Error code: {response.status_code}", response=response, body=inner)
