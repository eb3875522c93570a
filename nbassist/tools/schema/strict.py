"""Schemas that a service can hold a model to: the strict subset of JSON schema.

Source: https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas": every object closed, every
property required, no free-form objects, no default; an optional property is one that may be null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ToolError
from .for_model import takes_null

_STRUCTURE = (
    "type",
    "properties",
    "required",
    "additionalProperties",
    "description",
    "anyOf",
    "items",
    "$ref",
    "$defs",
)
_LIMITS = ("pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_KEYWORDS = frozenset((*_STRUCTURE, *_LIMITS, "$defs", "enum", "const", "minItems", "maxItems"))
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
_MEANS = frozenset(("type", "enum", "const", "anyOf", "$ref"))  # without one of these anything is allowed


def fits(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is strict as it stands."""
    return not _problem(schema)


def made_strict(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the schema with each optional parameter required and nullable, which makes it strict.

    Raises
    ------
    ToolError
        Where something in it has no strict form.
    """
    required = list(schema.get("required", ()))
    properties = {
        key: dict(value) if key in required else _nullable(value, schema.get("$defs", {}))
        for key, value in schema["properties"].items()
    }
    closed = {**schema, "properties": properties, "required": list(properties), "additionalProperties": False}
    problem = _problem(closed)
    if problem:
        raise ToolError(f"{name} can't be strict: {problem}")
    return closed


def _nullable(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in schema.items() if key not in ("default", "description")}
    described = {"description": schema["description"]} if "description" in schema else {}
    if "default" in schema and schema["default"] is not None:
        said = described.get("description", "")
        # A strict schema has no default; the model is told of it in words. Where the function takes null, that is none.
        word = "The default is" if takes_null(rest, definitions) else "Null for the default,"
        described = {"description": f"{said} {word} {schema['default']!r}.".strip()}
    if takes_null(rest, definitions):
        return {**described, **rest}
    return {**described, "anyOf": [*rest.get("anyOf", [rest]), {"type": "null"}]}


def _problem(schema: Any, where: str = "") -> str:
    """One line about the first thing in a schema that is not strict; empty where all is."""
    if not isinstance(schema, Mapping):
        return f"{where or 'it'} has no schema"
    for key in schema:
        if key not in _KEYWORDS:
            return f"{where or 'it'} uses {key}"
    if not _MEANS & set(schema):
        return f"{where or 'it'} can be anything"
    if schema.get("format") not in (None, *_FORMATS):
        return f"{where} has the format {schema['format']}"
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return f"{where or 'it'} is an object with keys of any name"
        optional = [key for key in properties if key not in schema.get("required", ())]
        if optional:
            return f"{_inside(where, optional[0])} may be left out"
    if schema.get("type") == "array" and "items" not in schema:
        return f"{where} is a list of anything"
    return next((problem for inner, path in _inner(schema, where) if (problem := _problem(inner, path))), "")


def _inner(schema: Mapping[str, Any], where: str) -> list[tuple[Any, str]]:
    found = [(inner, _inside(where, key)) for key, inner in schema.get("properties", {}).items()]
    found += [(inner, key) for key, inner in schema.get("$defs", {}).items()]
    found += [(inner, where) for inner in schema.get("anyOf", ())]
    if "items" in schema:
        found.append((schema["items"], f"{where}[]"))
    return found


def _inside(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
