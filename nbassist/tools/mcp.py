"""Servers of the Model Context Protocol: a process or a URL whose tools the model can call, through the `mcp` package.

Each server lives in one task of the background loop from `connect` until its last tool is removed or Python ends.
"""

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

from ..errors import ToolError
from . import background
from .decorator import registry
from .mcptool import McpTool, made
from .reprs import clean, cut

T = TypeVar("T")

_PATIENCE = 60.0  # seconds for a server to start and to say what it has: some are fetched on first use
_GOODBYE = 3.0  # seconds for it to end
_servers: dict[tuple[str, ...], Server] = {}


def connect(words: Sequence[str], approve: bool | None = None) -> list[McpTool]:
    """Start a server, or connect to one, and return its tools; one that is connected already is connected anew.

    Parameters
    ----------
    words : sequence of str
        A URL of the protocol's streamable HTTP, or a command and its arguments. A process gets no variables of the
        environment but the few that every program needs.
    approve : bool, optional
        Whether calls have to be allowed by a person; None for all but those that the server says only read.

    Raises
    ------
    ToolError
        In one line: the package `mcp` is missing, or the server does not start, does not answer or has no tools.
    """
    if find_spec("mcp") is None:
        raise ToolError("MCP servers need the package mcp: pip install 'nbassist[mcp]'")
    if not words or not words[0]:
        raise ToolError("name a server: mcp:COMMAND ARGUMENTS or mcp:https://…")
    key = tuple(words)
    if key in _servers:
        _servers[key].close()
    server = Server(key)
    tools = made(server, server.start(), approve, registry())
    if not tools:
        server.close()
        raise ToolError(f"the MCP server {server.name} has no tools")
    _servers[key] = server
    return tools


class Server:
    """One connection.

    Attributes
    ----------
    name : str
        As the server names itself; before it did, its command or URL.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.name = Path(words[0]).name if "://" not in words[0] else words[0]
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._task: Future[None] | None = None
        self._last_words = ""

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return self._task is not None and not self._task.done() and self._client is not None

    def start(self) -> list[Any]:
        """Connect, and return the tools as the server describes them; an interrupt ends the attempt."""
        ready: Future[list[Any]] = Future()
        self._task = background.submit(self._live(ready))
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
                raise ToolError(f"the MCP server {self.name} can't be used: {self._why(error)}") from None
            raise

    def close(self) -> None:
        """End the connection, and the process of the server where it has one; does nothing the second time."""
        if _servers.get(self.words) is self:
            del _servers[self.words]
        task, self._client = self._task, None
        if task is None or task.done() or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread().name == background.THREAD:  # which can't wait for itself
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
        ended = asyncio.ensure_future(asyncio.shield(asyncio.wrap_future(self._task)))
        try:
            await asyncio.wait((answering, ended), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
        except Exception as error:  # noqa: BLE001 - whatever the package raises
            if "Connection closed" not in str(error):  # the package's word for a server that went away
                raise ToolError(f"the MCP server {self.name}: {self._why(error)}") from None
            self.close()
        finally:
            answering.cancel()
            ended.cancel()
        raise self._gone()

    async def _on_its_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        if asyncio.get_running_loop() is self._loop:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def _live(self, ready: Future[list[Any]]) -> None:
        """Hold the connection open: it has to be closed by the task that opened it."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._connected() as client:
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

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        from mcp import Client, StdioServerParameters, stdio_client

        if self.words[0].startswith(("http://", "https://")):
            async with Client(self.words[0]) as client:
                yield client
            return
        command = StdioServerParameters(command=self.words[0], args=list(self.words[1:]), cwd=os.getcwd())
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            try:
                async with Client(stdio_client(command, errlog=log)) as client:
                    yield client
            finally:
                log.seek(max(log.seek(0, os.SEEK_END) - 4_000, 0))
                self._last_words = next((line for line in reversed(log.read().splitlines()) if line.strip()), "")

    def _why(self, error: BaseException) -> str:
        """The innermost error, in one line, and the last that its process wrote to standard error."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = str(error) or type(error).__name__
        if self._last_words:
            said += f"; it wrote: {self._last_words}"
        if isinstance(error, FileNotFoundError):
            said = f"there is no command {self.words[0]!r}"
        return cut(" ".join(clean(said).split()), 300)


@atexit.register
def _close_all() -> None:
    for server in list(_servers.values()):
        server.close()
