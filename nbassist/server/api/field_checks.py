"""Fields that may have several shapes, or that this server knows only in part; the checks behind `bodies`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
HOSTED_TOOLS = ("code_interpreter", "file_search")
TAKEN = "taken"
"""The key of a validation's context under which stands what of the hosted service's tools is taken, not refused."""
_MOST_FILES = 20
"""Files that the interpreter of one assistant or thread is given."""


def wrong_type(expected: str, value: Any) -> PydanticCustomError:
    """Return the error for a value of another type; `json_type` of it ends the sentence."""
    return PydanticCustomError("shape", "expected {expected}", {"expected": expected, "got": value})


def wrong_value(value: Any, *supported: str) -> PydanticCustomError:
    """Return the error for a word that is none of those supported."""
    return PydanticCustomError("word", "not supported", {"value": value, "supported": supported})


def missing(name: str) -> PydanticCustomError:
    """Return the error for a field that another one makes necessary."""
    return PydanticCustomError("missing_part", "missing", {"name": name})


def unfit(name: str, why: str) -> PydanticCustomError:
    """Return the error for a field that does not go with the others."""
    return PydanticCustomError("unfit", "{name}: {why}", {"name": name, "why": why})


def not_here(name: str) -> PydanticCustomError:
    """Return the error for what the hosted service had and this server does not."""
    return PydanticCustomError("not_here", "{name} is not available on this server", {"name": name})


def _takes(info: ValidationInfo, name: str) -> bool:
    return name in (info.context or {}).get(TAKEN, ())


def check_tool(value: Any, info: ValidationInfo) -> Any:
    """Refuse the tools of the hosted service that this server neither runs nor keeps."""
    if isinstance(value, dict) and value.get("type") in HOSTED_TOOLS and not _takes(info, value["type"]):
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


def check_attachments(value: Any, info: ValidationInfo) -> Any:
    """Take files for tools of this server, `[{"file_id", "tools": [{"type"}]}]`; refuse those for other tools."""
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise wrong_type("an array of objects", value)
    for item in value:
        if not isinstance(item.get("file_id"), str):
            raise missing("file_id")
        tools = item.get("tools")
        if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
            raise wrong_type("an array of objects", tools)
        for tool in tools or ():
            if tool.get("type") not in HOSTED_TOOLS:
                raise wrong_value(tool.get("type"), *HOSTED_TOOLS)
            if not _takes(info, tool["type"]):
                raise not_here(tool["type"])
    return value


def check_tool_resources(value: Any, info: ValidationInfo) -> Any:
    """Take what names files and vector stores for tools of this server; refuse what does for others.

    `{"code_interpreter": {"file_ids": []}}` is what the service itself showed, and clients send back what they read.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong_type("an object", value)
    found = {}
    for name, resource in value.items():
        if name not in HOSTED_TOOLS:
            raise wrong_value(name, *HOSTED_TOOLS)
        if resource is not None and not isinstance(resource, dict):
            raise wrong_type("an object", resource)
        if any((resource or {}).values()) and not _takes(info, name):
            raise not_here(name)
        if resource is not None and _takes(info, name):
            _RESOURCES[name](resource)
            found[name] = resource
    return found or None


def _check_search(resource: dict[str, Any]) -> None:
    ids, inline = resource.get("vector_store_ids"), resource.get("vector_stores")
    if ids is not None and not (isinstance(ids, list) and all(isinstance(item, str) for item in ids)):
        raise wrong_type("an array of strings", ids)
    if inline is not None and not (isinstance(inline, list) and all(isinstance(item, dict) for item in inline)):
        raise wrong_type("an array of objects", inline)
    if len(ids or ()) + len(inline or ()) > 1:
        raise PydanticCustomError("too_many_stores", "at most one vector store")
    _known(resource, "vector_store_ids", "vector_stores")


def _check_interpreter(resource: dict[str, Any]) -> None:
    ids = resource.get("file_ids")
    if ids is not None and not (isinstance(ids, list) and all(isinstance(item, str) for item in ids)):
        raise wrong_type("an array of strings", ids)
    if len(ids or ()) > _MOST_FILES:
        raise PydanticCustomError("too_many_files", f"at most {_MOST_FILES} files")
    _known(resource, "file_ids")


def _known(resource: dict[str, Any], *names: str) -> None:
    for name in resource:
        if name not in names:
            raise wrong_value(name, *names)


_RESOURCES = {"file_search": _check_search, "code_interpreter": _check_interpreter}


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


def check_tool_choice(value: Any, info: ValidationInfo) -> Any:
    """Take none, auto, required, or the name of one function."""
    if value is None or value in ("none", "auto", "required"):
        return value
    if isinstance(value, str):
        raise wrong_value(value, "none", "auto", "required")
    if not isinstance(value, dict):
        raise wrong_type("a string or an object", value)
    if isinstance(value.get("type"), str) and value["type"] in HOSTED_TOOLS:
        if not _takes(info, value["type"]):
            raise not_here(value["type"])
        return {"type": value["type"]}
    if value.get("type") != "function":
        raise wrong_value(value.get("type"), "function")
    function = value.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise missing("function.name")
    return {"type": "function", "function": {"name": function["name"]}}
