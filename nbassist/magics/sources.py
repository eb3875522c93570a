"""What a word after `%assistant tools add` stands for: something of the notebook, a battery, or an MCP server."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ToolError

if TYPE_CHECKING:
    from ..tools.adding import Found

BATTERIES = ("python", "variables", "cells", "new_cell")
"""Tools that come with nbassist, off until they are added; each is made by a module of its own in `batteries`."""


def find(shell: Any, words: list[str], approve: bool | None = None, keys: Sequence[str] = ()) -> Found:
    """Return the tools that the words stand for, in their order.

    Parameters
    ----------
    shell : InteractiveShell
        Of the notebook.
    words : list of str
        As written; all that follows `mcp:…` belongs to that server's command.
    approve : bool, optional
        Whether their calls need approval; None for what each says of itself.
    keys : sequence of str
        Variables of the environment that the MCP server gets.

    Raises
    ------
    ToolError
        In one line, where one of them can't be had.
    """
    from ..tools.adding import Found, tools_named

    tools: list[Any] = []
    left_out: list[tuple[str, str]] = []
    for index, word in enumerate(words):
        if word.startswith("mcp:"):
            from ..tools.mcp import connect

            tools += connect([word.removeprefix("mcp:"), *words[index + 1 :]], approve, keys)
            break
        if word in BATTERIES and not callable(shell.user_ns.get(word)):
            make = import_module(f".batteries.{word}", __package__).make
            tools.append(make(shell) if approve is None else make(shell, approve))
            continue
        try:
            found = tools_named(word, shell.user_ns, approve)
        except ToolError as error:
            near = get_close_matches(word, BATTERIES, n=1)
            if near and "is not defined" in str(error):
                raise ToolError(f"{word!r} is not defined in this notebook; did you mean {near[0]}?") from None
            raise
        tools += found.tools
        left_out += found.left_out
    return Found(tuple(tools), tuple(left_out))
