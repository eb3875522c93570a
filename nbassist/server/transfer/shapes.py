"""What stands in an object of the API, in the shape that this server keeps it in: times, content, tools, steps.

What people exported is often `model_dump()` of the SDK's objects, in which all that was left out is null. The API
itself leaves it out, and an upstream that is sent a null may refuse the request.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..api.field_checks import HOSTED_TOOLS

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_LATEST = 1e11
"""A time above that is no number of seconds (the year 5138), so it is one of milliseconds, or of less."""


def instant(value: Any) -> float | None:
    """Return a time as `seconds` does, with what it says beyond whole seconds."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        # Digits would be read as a date of ISO 8601 that has no hyphens: milliseconds as the year 1712.
        value = float(value)
    if isinstance(value, int | float):
        if not -_LATEST <= value < math.inf:
            return None
        found = float(value)
        while found > _LATEST:
            found /= 1000
        return found
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def seconds(value: Any) -> int | None:
    """Return a time as seconds since 1970, None where it is none.

    It may be a number of seconds, milli-, micro- or nanoseconds, also as a string of digits, or ISO 8601.
    """
    found = instant(value)
    return None if found is None else int(found)


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping without the names whose value is null."""
    return {name: item for name, item in value.items() if item is not None}


def tools(value: Any) -> list[dict[str, Any]]:
    """Return tools as they are once the API made them: see `ToolBody.to_wire`."""
    return [_tool(tool) for tool in value or ()]


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    kind, found = str(tool["type"]), without_nulls(tool)
    if kind == "function":
        given = tool["function"]
        parameters = given.get("parameters")
        function = without_nulls({"name": str(given["name"]), "description": given.get("description")})
        function["parameters"] = {"type": "object", "properties": {}} if parameters is None else dict(parameters)
        return {"type": kind, "function": {**function, "strict": bool(given.get("strict"))}}
    if kind == "file_search" and kind in found:
        settings = without_nulls(found[kind])
        if "ranking_options" in settings:
            options = dict(settings["ranking_options"])
            # The API shows the third one as null.
            hybrid = {"hybrid_search": options.pop("hybrid_search")} if "hybrid_search" in options else {}
            settings["ranking_options"] = {**without_nulls(options), **hybrid}
        return {"type": kind, **({kind: settings} if settings else {})}
    return found


def choice(value: Any) -> Any:
    """Return what is said of the choice of a tool, `auto` where nothing is."""
    return without_nulls(value) if isinstance(value, Mapping) else value or "auto"


def response_format(value: Any) -> Any:
    """Return the form of answers, `auto` where nothing is said of it."""
    if not isinstance(value, Mapping):
        return value or "auto"
    found = without_nulls(value)
    if isinstance(described := found.get("json_schema"), Mapping):
        # The SDK's own name of the field, since `schema` is taken by pydantic.
        named = {"schema" if name == "schema_" else name: item for name, item in described.items()}
        found["json_schema"] = without_nulls(named)
    return found


def resources(value: Any) -> dict[str, Any] | None:
    """Return what a tool is given; None where that is nothing."""
    if not isinstance(value, Mapping):
        return None
    return {name: without_nulls(item) for name, item in value.items() if isinstance(item, Mapping)} or None


def attachments(value: Any) -> list[dict[str, Any]] | None:
    """Return the files that a message attaches, those that name one; None where there are none."""
    given = [item for item in value or () if isinstance(item, Mapping) and isinstance(item.get("file_id"), str)]
    found: list[dict[str, Any]] = []
    for item in given:
        kept = without_nulls(item)
        if "tools" in kept:
            kinds = [tool.get("type") for tool in kept["tools"] if isinstance(tool, Mapping)]
            kept["tools"] = [{"type": kind} for kind in kinds if kind in HOSTED_TOOLS]
        found.append(kept)
    return found or None


def content(value: Any) -> list[dict[str, Any]]:
    """Return the parts of a message's content, which may be a text alone."""
    if value is None:
        return []
    return [_part(part) for part in ([value] if isinstance(value, str | Mapping) else value)]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": {"value": part, "annotations": []}}
    kind = part.get("type")
    if kind == "text" or ("type" not in part and "text" in part):
        text = part["text"]
        held = text if isinstance(text, Mapping) else {"value": text}
        kept = {"value": str(held.get("value") or ""), "annotations": list(held.get("annotations") or [])}
        return {"type": "text", "text": kept}
    if kind == "image_file":
        return {"type": kind, kind: {"detail": "auto", **without_nulls(part[kind])}}
    if kind == "image_url":
        held = {"url": part[kind]} if isinstance(part[kind], str) else without_nulls(part[kind])
        return {"type": kind, kind: {"detail": "auto", **held}}
    if kind == "refusal":
        return {"type": kind, kind: str(part[kind])}
    raise ValueError(f"a part of the type {kind!r}")


def step_details(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a step did: the message that it wrote, or its calls, of a shape that can be shown.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        Where it says neither, or not enough of a call.
    """
    if "tool_calls" in value and value.get("type") in (None, "tool_calls"):
        return {"type": "tool_calls", "tool_calls": [_call(call) for call in value["tool_calls"] or ()]}
    return {
        "type": "message_creation",
        "message_creation": {"message_id": _text(value["message_creation"]["message_id"])},
    }


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ("function", *HOSTED_TOOLS)
    kind = call.get("type") or next((name for name in kinds if isinstance(call.get(name), Mapping)), None)
    if kind not in kinds:
        raise ValueError(f"a call of the type {kind!r}")
    held = call.get(kind) or {}
    shown: dict[str, Any]
    if kind == "function":
        arguments = held.get("arguments") or ""
        said = arguments if isinstance(arguments, str) else json.dumps(arguments)
        shown = {"name": _text(held["name"]), "arguments": said, "output": held.get("output")}
    elif kind == "file_search":
        shown = {**without_nulls(held), "results": _mappings(held.get("results"))}
    else:
        shown = {"input": str(held.get("input") or ""), "outputs": _mappings(held.get("outputs"))}
    return {"id": _text(call["id"]), "type": kind, kind: shown}


def _mappings(value: Any) -> list[dict[str, Any]]:
    given = value if isinstance(value, Sequence) else ()
    return [dict(item) for item in given if isinstance(item, Mapping)]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} in place of a text")
    return value
