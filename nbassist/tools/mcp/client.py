"""Servers of the Model Context Protocol: the way to a process or a URL, and its tools for the model to call."""

from __future__ import annotations

import asyncio
import atexit
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from ...core import runtime_environment
from ...core.installing import pip_install
from ...errors import ToolError
from .. import background_loop
from ..decorator import registry
from ..results.reprs import clean, cut
from .tools import McpTool, made

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
        # The package runs in task groups, which wrap what went wrong, several times over.
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
        # Of the person's variables only those that were named: `mcp` adds the few that every program needs.
        process = StdioServerParameters(command=command, args=arguments, cwd=os.getcwd(), env=keys or None)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            try:
                async with Client(stdio_client(process, errlog=log)) as client:
                    yield client
            finally:
                # A server that fails says why on standard error, as a rule in its last line.
                log.seek(max(log.seek(0, os.SEEK_END) - 4_000, 0))
                self._last_words = next((line for line in reversed(log.read().splitlines()) if line.strip()), "")


T = TypeVar("T")

_PATIENCE = 60.0  # seconds for a server to start and to say what it has: some are fetched on first use
_GOODBYE = 3.0  # seconds for it to end
_servers: dict[tuple[str, ...], McpServer] = {}


def connect(words: Sequence[str], approve: bool | None = None, keys: Sequence[str] = ()) -> list[McpTool]:
    """Start a server, or connect to one, and return its tools; one that is connected already is connected anew.

    Parameters
    ----------
    words : sequence of str
        A URL of the protocol's streamable HTTP, or a command and its arguments. A process gets no variables of the
        environment but the few that every program needs.
    approve : bool, optional
        Whether calls have to be allowed by a person; None for all but those that the server says only read.
    keys : sequence of str
        Variables of the environment that the server gets: a process as they are, a URL the one as a bearer token.

    Raises
    ------
    ToolError
        In one line: the package `mcp` is missing, a key is not set, or the server does not start, does not answer or
        has no tools.
    """
    if not runtime_environment.THREADS:
        raise ToolError("MCP servers are spoken to on a thread, and a browser has none: use functions of the notebook")
    if find_spec("mcp") is None:
        raise ToolError(f"MCP servers need the package mcp: {pip_install('mcp')}")
    if not words or not words[0]:
        raise ToolError("name a server: mcp:COMMAND ARGUMENTS or mcp:https://…")
    for name in keys:
        if not os.environ.get(name):
            raise ToolError(f"{name} is not set in the environment: set it, and start Jupyter from there")
    if is_url(words[0]) and len(keys) > 1:
        raise ToolError("a URL takes one key, its bearer token")
    key = tuple(words)
    if key in _servers:
        _servers[key].close()
    server = McpServer(key, tuple(keys))
    tools = made(server, server.start(), approve, registry())
    if not tools:
        server.close()
        raise ToolError(f"the MCP server {server.name} has no tools")
    _servers[key] = server
    return tools


class McpServer:
    """One connection.

    Attributes
    ----------
    name : str
        As the server names itself; before it did, its command or URL.
    """

    def __init__(self, words: tuple[str, ...], keys: tuple[str, ...] = ()) -> None:
        self.words = words
        self.name = words[0] if is_url(words[0]) else Path(words[0]).name
        self._way = Way(words, keys)
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._task: Future[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return self._task is not None and not self._task.done() and self._client is not None

    def start(self) -> list[Any]:
        """Connect, and return the tools as the server describes them; an interrupt ends the attempt."""
        ready: Future[list[Any]] = Future()
        self._task = background_loop.submit(self._live(ready))
        try:
            return ready.result(_PATIENCE)
        except FutureTimeoutError:
            self.close()
            raise ToolError(f"the MCP server {self.name} did not answer within {_PATIENCE:g} seconds") from None
        except ToolError:
            raise
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                raise ToolError(f"the MCP server {self.name} can't be used: {self._way.why(error)}") from None
            raise

    def close(self) -> None:
        """End the connection, and the process of the server where it has one; does nothing the second time."""
        if _servers.get(self.words) is self:
            del _servers[self.words]
        task, self._client = self._task, None
        if task is None or task.done() or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread().name == background_loop.THREAD:  # which can't wait for itself
            return
        try:
            task.result(_GOODBYE)
        except (Exception, FutureTimeoutError):  # noqa: BLE001 - it is gone, one way or another
            task.cancel()

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """Call a tool of the server, from any loop.

        Raises
        ------
        ToolError
            Where the server has ended, or refuses the call.
        """
        if not self.alive:
            raise self._gone()
        return await self._on_its_loop(self._called(name, arguments))

    def _gone(self) -> ToolError:
        return ToolError(f"the MCP server {self.name} has ended: %assistant tools add starts it again")

    async def _called(self, name: str, arguments: dict[str, Any]) -> Any:
        assert self._task is not None
        answering = asyncio.ensure_future(self._client.call_tool(name, arguments))
        # A server may end in the middle of a call: the task that holds the connection ends then, the call might not.
        ended = asyncio.ensure_future(asyncio.shield(asyncio.wrap_future(self._task)))
        try:
            await asyncio.wait((answering, ended), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
        except Exception as error:  # noqa: BLE001 - whatever the package raises
            if "Connection closed" not in str(error):  # the package's word for a server that went away
                raise ToolError(f"the MCP server {self.name}: {self._way.why(error)}") from None
            self.close()
        finally:
            answering.cancel()
            ended.cancel()
        raise self._gone()

    async def _on_its_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        if asyncio.get_running_loop() is self._loop:
            return await coroutine
        # The connection belongs to the loop that opened it; a call may come from another.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def _live(self, ready: Future[list[Any]]) -> None:
        """Hold the connection open: it has to be closed by the task that opened it."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._way.client() as client:
                found, cursor = [], None
                while True:
                    page = await client.list_tools(cursor=cursor)
                    found += page.tools
                    cursor = page.next_cursor
                    if not cursor:
                        break
                self.name = clean(getattr(client.server_info, "name", "") or self.name)
                self._client = client
                ready.set_result(found)
                await self._stop.wait()
        except BaseException as error:
            if ready.done():
                return  # it ended; the next call says so
            ready.set_exception(error)
            raise
        finally:
            self._client = None


@atexit.register
def _close_all() -> None:
    for server in list(_servers.values()):
        server.close()
