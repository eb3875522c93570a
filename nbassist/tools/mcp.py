"""Servers of the Model Context Protocol: a process or a URL whose tools the model can call, through the `mcp` package.

Each server lives in one task of the background loop from `connect` until its last tool is removed or Python ends.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ToolError
from . import background
from .decorator import registry
from .mcptool import McpTool, made
from .mcpway import Way, is_url
from .reprs import clean

T = TypeVar("T")

_PATIENCE = 60.0  # seconds for a server to start and to say what it has: some are fetched on first use
_GOODBYE = 3.0  # seconds for it to end
_servers: dict[tuple[str, ...], Server] = {}


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
    if find_spec("mcp") is None:
        raise ToolError("MCP servers need the package mcp: pip install 'nbassist[mcp]'")
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
    server = Server(key, tuple(keys))
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
