"""Tools as a person reads them in a list: how each is called, what it does, and what is special about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import ToolError
from .definition import Tool
from .reprs import clean

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
