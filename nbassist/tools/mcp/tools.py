"""The tools of an MCP server as tools of the notebook: their schemas as they are, what they answer as results."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from ...errors import ToolError
from ..citation_marks import SEARCH_TOOLS
from ..definition import Tool
from ..results.reprs import cut
from ..results.result import ToolResult
from ..schema.argument_errors import Mistakes
from ..schema.validate import read_object

_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_MISTAKES = 10


class McpConnection(Protocol):
    """Where the tools are; see `nbassist.tools.mcp.client.McpServer`."""

    name: str
    words: tuple[str, ...]

    async def call(self, name: str, arguments: dict[str, Any]) -> Any: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class McpTool(Tool):
    """A tool of a server; `remote` is its name there."""

    server: McpConnection = field(kw_only=True, compare=False)
    remote: str = field(kw_only=True)
    input_schema: Mapping[str, Any] = field(kw_only=True, compare=False)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """As the server gave it, but for what the services would refuse."""
        from ..schema.for_model import accepted

        return accepted(self._given)

    @property
    def _given(self) -> dict[str, Any]:
        return {"type": "object", "properties": {}, **self.input_schema}

    @cached_property
    def _validator(self) -> Any:
        from jsonschema.validators import validator_for
        from referencing import Registry

        # A registry of its own: without one, a reference to another place would be fetched.
        return validator_for(self._given)(self._given, registry=Registry())

    def arguments(self, text: str, *, raw: bool = False) -> dict[str, Any] | Mistakes:
        """Read the arguments, and hold them to the server's schema."""
        data = read_object(text)
        if isinstance(data, Mistakes):
            return data
        try:
            errors = sorted(self._validator.iter_errors(data), key=lambda error: error.json_path)
        except Exception:  # noqa: BLE001 - a schema that can't be used: the server validates by itself
            return data
        lines = tuple(cut(f"{_place(error)}{error.message}", 300) for error in errors[:_MISTAKES])
        return Mistakes(lines) if lines else data

    def invoke(self, arguments: dict[str, Any]) -> Any:
        """Call it at its server; a coroutine."""
        return self.function(arguments)

    def close_unused(self, others: Iterable[Tool]) -> None:
        """Close the server where no other tool is one of its own."""
        if not any(isinstance(other, McpTool) and other.server is self.server for other in others):
            self.server.close()


def made(
    server: McpConnection, described: Iterable[Any], approve: bool | None, taken: Mapping[str, Tool]
) -> list[McpTool]:
    """Return the tools of a server; a name that another tool has gets the server's before it."""
    tools = []
    names: set[str] = set()
    for one in described:
        # What the hosted services take as a name, where MCP allows more.
        name = _NO_NAME.sub("_", one.name)[:64]
        # Nor does it get the name of a search of ours, whose outputs are sources.
        if name in names or name in SEARCH_TOOLS or (name in taken and not _is_of(taken[name], server)):
            name = f"{_NO_NAME.sub('_', server.name)[:20]}-{name}"[:64]
        names.add(name)
        reads = bool(one.annotations and one.annotations.read_only_hint)
        tools.append(
            McpTool(
                _calling(server, one.name),
                name,
                one.description or getattr(one, "title", "") or "",
                # The server's own word that a tool only reads; without one it is asked about.
                approve=not reads if approve is None else approve,
                # Whatever a server answers was written by somebody else.
                untrusted=True,
                server=server,
                remote=one.name,
                input_schema=one.input_schema,
            )
        )
    return tools


def _is_of(tool: Tool, server: McpConnection) -> bool:
    return isinstance(tool, McpTool) and tool.server.words == server.words


def _calling(server: McpConnection, name: str) -> Any:
    async def call(arguments: dict[str, Any]) -> ToolResult:
        return result_of(await server.call(name, arguments))

    return call


def result_of(answer: Any) -> ToolResult:
    """Return what a server answered: its texts, or its structured content where it wrote none, and its images.

    Raises
    ------
    ToolError
        Where the server says that the tool failed.
    """
    texts: list[str] = []
    images: list[bytes] = []
    for part in answer.content:
        kind = getattr(part, "type", "")
        if kind == "text":
            texts.append(part.text)
        elif kind == "image":
            try:
                images.append(base64.b64decode(part.data))
            except (binascii.Error, ValueError):
                texts.append("[an image that can't be read]")
        elif kind == "resource":
            texts.append(getattr(part.resource, "text", None) or f"[{part.resource.uri}, bytes]")
        else:
            texts.append(f"[{kind}: {getattr(part, 'uri', '')}]")
    if not texts and answer.structured_content is not None:
        texts.append(json.dumps(answer.structured_content, ensure_ascii=False))
    text = "\n".join(texts)
    if answer.is_error:
        raise ToolError(text or "the tool failed, and says no more")
    return ToolResult(text or ("an image" if images else "done, no result"), images=tuple(images))


def _place(error: Any) -> str:
    return f"{error.json_path.removeprefix('$').removeprefix('.')}: " if error.json_path != "$" else ""
