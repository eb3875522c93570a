"""`%assistant tools`: the tools of this notebook, and `%assistant tools add …`, `%assistant tools remove …`.

What can be added: something of the notebook, a battery, or an MCP server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import ToolError, UsageError
from ...tools.definition import Tool
from ...tools.results.reprs import clean
from ..table import Table

if TYPE_CHECKING:
    from ...tools.lookup import Found
    from ..config import Config

_NONE = "no tools: mark functions with @tool, or %assistant tools add NAME"


def tools(magics: Config, words: list[str]) -> Table:
    """List the tools, `add` some, or `remove` some.

    `add` takes names of functions, modules and objects of the notebook, the batteries (python, variables, cells,
    new_cell, and code_interpreter, which is the service's own where it has one), and `mcp:COMMAND ARGUMENTS` or
    `mcp:URL` for a server of the Model Context Protocol, which stands last.
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
    # All are looked up before one is added, so that a mistake in the last name adds none.
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
            # After all are gone from the list: a server is closed by the last of its tools.
            tool.close_unused(known.values())
    return listed(known.values())


BATTERIES = ("python", "variables", "cells", "new_cell", "code_interpreter")
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
    from ...tools.lookup import Found, tools_named

    tools: list[Any] = []
    left_out: list[tuple[str, str]] = []
    for index, word in enumerate(words):
        if word.startswith("mcp:"):
            from ...tools.mcp.client import connect

            # The rest of the line is the server's own command, flags and all.
            tools += connect([word.removeprefix("mcp:"), *words[index + 1 :]], approve, keys)
            break
        # A function of the notebook goes before the battery of its name.
        if word in BATTERIES and not callable(shell.user_ns.get(word)):
            make = import_module(f"..batteries.{word}", __package__).make
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


_KINDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "dict"}
_VARIABLE = re.compile(r"The name of a variable in the notebook that holds a (\w+)\.$")
_DEEP = 4
_LONG = 60  # characters of a type


def signature(tool: Tool) -> str:
    """Return how the model calls it, such as ``largest(column: 'lines' | 'files', count: int = 3)``."""
    if tool.custom:
        return f"{tool.name}(free text)"
    try:
        schema = tool.schema
    except ToolError as error:
        return f"{tool.name}(…), not usable yet: {error}"
    required = schema.get("required", ())
    return f"{tool.name}({', '.join(_parameter(n, s, n in required, schema) for n, s in schema['properties'].items())})"


def summary(tool: Tool) -> str:
    """Return the first line of its description; empty where it has none."""
    return clean(next(iter(tool.description.strip().splitlines()), ""))


def marks(tool: Tool) -> str:
    """Return what is special about it, in a few words; empty where nothing is."""
    said = []
    if tool.approve:
        said.append("may ask first" if callable(tool.approve) else "asks first")
    if tool.thread:
        said.append("in a thread")
    if tool.timeout is not None:
        said.append(f"at most {tool.timeout:g} s")
    if tool.strict:
        said.append("strict")
    if tool.untrusted:
        said.append("results from outside")
    return ", ".join(said)


def _parameter(name: str, schema: Mapping[str, Any], required: bool, root: Mapping[str, Any]) -> str:
    variable = _VARIABLE.search(str(schema.get("description", "")))
    kind = variable[1] if variable else _kind(schema, root)
    said = f"{name}: {kind if len(kind) <= _LONG else kind[: _LONG - 1] + '…'}"
    if required:
        return said
    return f"{said} = {schema['default']!r}" if "default" in schema else f"{said} = …"


def _kind(schema: Any, root: Mapping[str, Any], depth: int = 0) -> str:
    if not isinstance(schema, Mapping) or depth > _DEEP:
        return "…"
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    if reference:
        target = root.get("$defs", {}).get(reference, {})
        # The name of a model says more in one line than its fields.
        return _kind(target, root, depth + 1) if "enum" in target else reference
    if "enum" in schema or "const" in schema:
        return " | ".join(repr(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        options = schema.get("anyOf") or schema["oneOf"]
        return " | ".join(dict.fromkeys(_kind(option, root, depth + 1) for option in options))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_KINDS.get(str(one), str(one)) for one in kind)
    if kind == "array":
        return f"list[{_kind(schema['items'], root, depth + 1)}]" if schema.get("items") else "list"
    return _KINDS.get(str(kind), "Any")
