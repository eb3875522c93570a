"""Fields that may have several shapes, or that this server knows only in part; the checks behind `bodies`."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import PydanticCustomError

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HOSTED_TOOLS = ("code_interpreter", "file_search")


def wrong_type(expected: str, value: Any) -> PydanticCustomError:
    """Return the error for a value of another type; `json_type` of it ends the sentence."""
    return PydanticCustomError("shape", "expected {expected}", {"expected": expected, "got": value})


def wrong_value(value: Any, *supported: str) -> PydanticCustomError:
    """Return the error for a word that is none of those supported."""
    return PydanticCustomError("word", "not supported", {"value": value, "supported": supported})


def missing(name: str) -> PydanticCustomError:
    """Return the error for a field that another one makes necessary."""
    return PydanticCustomError("missing_part", "missing", {"name": name})


def not_here(name: str) -> PydanticCustomError:
    """Return the error for what the hosted service had and this server does not."""
    return PydanticCustomError("not_here", "{name} is not available on this server", {"name": name})


def check_tool(value: Any) -> Any:
    """Refuse the tools that the hosted service ran itself."""
    if isinstance(value, dict) and value.get("type") in _HOSTED_TOOLS:
        raise not_here(value["type"])
    return value


def metadata_pairs(value: Any) -> Any:
    """Refuse more than 16 pairs; more than that the hosted service did not keep."""
    if isinstance(value, dict) and len(value) > 16:
        raise PydanticCustomError("too_many_pairs", "too many", {"actual": len(value)})
    return value


def content_parts(value: Any) -> Any:
    """Read a bare string as one part of text."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise wrong_type("a string or an array of objects", value)
    return value


def check_attachments(value: Any) -> Any:
    """Refuse attachments: they feed file search and the code interpreter alone."""
    if value is None or value == []:
        return None
    if not isinstance(value, list):
        raise wrong_type("an array of objects", value)
    raise not_here("attachments")


def check_tool_resources(value: Any) -> Any:
    """Take resources that name nothing; refuse all others, for their tools are not here."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong_type("an object", value)
    for name, resource in value.items():
        if name not in _HOSTED_TOOLS:
            raise wrong_value(name, *_HOSTED_TOOLS)
        if resource is not None and not isinstance(resource, dict):
            raise wrong_type("an object", resource)
        if any((resource or {}).values()):
            raise not_here(name)
    return None


def check_response_format(value: Any) -> Any:
    """Take `auto`, or an object of type text, json_object or json_schema."""
    if value is None or value == "auto":
        return value
    if isinstance(value, str):
        raise wrong_value(value, "auto")
    if not isinstance(value, dict):
        raise wrong_type("a string or an object", value)
    kind = value.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise wrong_value(kind, "text", "json_object", "json_schema")
    schema = value.get("json_schema")
    if kind == "json_schema":
        if not isinstance(schema, dict):
            raise missing("json_schema") if schema is None else wrong_type("an object", schema)
        if not (isinstance(schema.get("name"), str) and _NAME.fullmatch(schema["name"])):
            raise PydanticCustomError("pattern", "name", {"field": "json_schema.name", "pattern": _NAME.pattern})
        if not isinstance(schema.get("schema", {}), dict):
            raise wrong_type("an object as json_schema.schema", schema["schema"])
    return value


def check_tool_choice(value: Any) -> Any:
    """Take none, auto, required, or the name of one function."""
    if value is None or value in ("none", "auto", "required"):
        return value
    if isinstance(value, str):
        raise wrong_value(value, "none", "auto", "required")
    if not isinstance(value, dict):
        raise wrong_type("a string or an object", value)
    if isinstance(value.get("type"), str) and value["type"] in _HOSTED_TOOLS:
        raise not_here(value["type"])
    if value.get("type") != "function":
        raise wrong_value(value.get("type"), "function")
    function = value.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise missing("function.name")
    return {"type": "function", "function": {"name": function["name"]}}
