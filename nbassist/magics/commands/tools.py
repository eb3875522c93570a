"""`%assistant tools`: the tools of this notebook, and `%assistant tools add …`, `%assistant tools remove …`."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..table import Table

if TYPE_CHECKING:
    from ...tools import Tool
    from ..config import Config

_NONE = "no tools: mark functions with @tool, or %assistant tools add NAME"


def tools(magics: Config, words: list[str]) -> Table:
    """List the tools, `add` some, or `remove` some.

    `add` takes names of functions, modules and objects of the notebook, the batteries (python, variables, cells,
    new_cell), and `mcp:COMMAND ARGUMENTS` or `mcp:URL` for a server of the Model Context Protocol, which stands last.
    With --approve each call has to be allowed by a person, with --no-approve none; --key NAME gives the server what
    that variable of the environment holds, a URL as its bearer token. `remove` takes names and globs.
    """
    from ...tools import current

    if not words:
        return listed(current().values())
    verb, *names = words
    if verb == "add":
        return add(magics, names)
    if verb == "remove":
        return remove(names)
    near = get_close_matches(verb, ["add", "remove"], n=1)
    hint = f"did you mean {near[0]}?" if near else "there are: add NAME …, remove NAME …"
    raise UsageError(f"%assistant tools has no {verb!r}; {hint}")


def listed(found: Iterable[Tool], note: str = "") -> Table:
    """Return a table of tools: how each is called, what it does, what is special about it."""
    from ...tools.listing import marks, signature, summary

    rows = tuple((signature(tool), summary(tool), marks(tool)) for tool in found)
    return Table(("tool", "what it does", ""), rows, note) if rows else Table((), (), note or _NONE)


def add(magics: Config, names: list[str]) -> Table:
    """Add tools by name.

    Raises
    ------
    UsageError
        Where no name is given, or a flag is unknown.
    ToolError
        Where what is named can't be a tool; nothing is added then.
    """
    from ...tools import registry
    from ..sources import find

    approve: bool | None = None
    keys: list[str] = []
    while names and names[0].startswith("--"):
        flag = names.pop(0)
        if flag == "--key":
            if not names:
                raise UsageError("--key names a variable of the environment: --key NAME mcp:…")
            keys.append(names.pop(0))
        elif flag in ("--approve", "--no-approve"):
            approve = flag == "--approve"
        else:
            raise UsageError(f"there is no flag {flag}; there are --approve, --no-approve and --key NAME")
    if not names:
        raise UsageError("add what? %assistant tools add NAME …")
    if keys and not any(name.startswith("mcp:") for name in names):
        raise UsageError("--key is for a server: %assistant tools add --key NAME mcp:…")
    found = find(magics.shell, names, approve, keys)
    registry().update({tool.name: tool for tool in found.tools})
    left_out = "; ".join(f"{name} ({why})" for name, why in found.left_out)
    return listed(found.tools, f"left out: {left_out}" if left_out else "")


def remove(patterns: list[str]) -> Table:
    """Remove tools by name or glob; a server whose last tool goes is closed.

    Raises
    ------
    UsageError
        Where no pattern is given, or one matches nothing.
    """
    from ...tools import registry

    if not patterns:
        raise UsageError("remove what? %assistant tools remove NAME …; a glob such as * is allowed")
    known = registry()
    for pattern in patterns:
        matching = [name for name in known if fnmatchcase(name, pattern)]
        if not matching:
            near = get_close_matches(pattern, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
            raise UsageError(f"there is no tool {pattern!r}; {hint}")
        gone = [known.pop(name) for name in matching]
        for tool in gone:
            tool.close_unused(known.values())
    return listed(known.values())
