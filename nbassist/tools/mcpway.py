"""The way to an MCP server, a process or a URL, through the `mcp` package; and in words why there was none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .reprs import clean, cut

_TIMEOUT, _SILENCE = 30.0, 300.0  # seconds: for an answer to begin, and between the parts of one that streams


def is_url(word: str) -> bool:
    """Return whether the first word of a server is a URL, and not a command."""
    return word.startswith(("http://", "https://"))


class Way:
    """How one server is reached.

    Parameters
    ----------
    words : tuple of str
        A URL, or a command and its arguments.
    keys : tuple of str
        Variables of the environment that it gets: a process as they are, a URL its one as a bearer token.
    """

    def __init__(self, words: tuple[str, ...], keys: tuple[str, ...] = ()) -> None:
        self._words = words
        self._keys = keys
        self._last_words = ""
        self._refused = False

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """Connect; the connection ends with the context, and so does the process where there is one."""
        keys = {name: os.environ[name] for name in self._keys}
        opened = self._url(keys) if is_url(self._words[0]) else self._process(keys)
        async with opened as client:
            yield client

    def why(self, error: BaseException) -> str:
        """Return the innermost error in one line, with what mends it or what the process wrote last."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = str(error) or type(error).__name__
        if self._refused:
            said = (
                f"it refused the key in {self._keys[0]}" if self._keys else "it asks for a key: --key NAME before mcp:"
            )
        elif isinstance(error, FileNotFoundError):
            said = f"there is no command {self._words[0]!r}"
        elif self._last_words:
            said += f"; it wrote: {self._last_words}"
        return cut(" ".join(clean(said).split()), 300)

    @asynccontextmanager
    async def _url(self, keys: dict[str, str]) -> AsyncIterator[Any]:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        async def look(response: httpx2.Response) -> None:
            self._refused = response.status_code in (401, 403)

        http = httpx2.AsyncClient(
            headers=[("Authorization", f"Bearer {key}") for key in keys.values()],
            timeout=httpx2.Timeout(_TIMEOUT, read=_SILENCE),
            event_hooks={"response": [look]},
        )
        async with http, Client(streamable_http_client(self._words[0], http_client=http)) as client:
            yield client

    @asynccontextmanager
    async def _process(self, keys: dict[str, str]) -> AsyncIterator[Any]:
        from mcp import Client, StdioServerParameters, stdio_client

        command, *arguments = self._words
        process = StdioServerParameters(command=command, args=arguments, cwd=os.getcwd(), env=keys or None)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            try:
                async with Client(stdio_client(process, errlog=log)) as client:
                    yield client
            finally:
                log.seek(max(log.seek(0, os.SEEK_END) - 4_000, 0))
                self._last_words = next((line for line in reversed(log.read().splitlines()) if line.strip()), "")
