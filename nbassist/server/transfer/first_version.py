"""Objects of the API's first version, which ended with 2024, as the second one has them.

Its tool `retrieval` is `file_search` now, and files that stood in `file_ids` of an assistant or a message are resources
of a tool, and attachments. What is searched is in a vector store: an assistant's files get one, whose id follows from
the assistant's, so that a second import finds it there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..store.schema import made_id
from .reading import FoundObjects

_SEARCH = {"type": "file_search"}
_INTERPRETER = {"type": "code_interpreter"}


def as_of_today(objects: Iterable[FoundObjects]) -> Iterator[FoundObjects]:
    """Yield objects, those of the first version in the form of the second, with the vector stores that they need."""
    for found in objects:
        value = found.value
        match found.kind:
            case "assistant":
                yield from _assistant(value)
            case "message" if _files(value) and not value.get("attachments"):
                # Any tool of the assistant could read them.
                attached = [{"file_id": name, "tools": [_INTERPRETER, _SEARCH]} for name in _files(value)]
                yield FoundObjects("message", {**value, "attachments": attached})
            case "run":
                yield FoundObjects("run", {**value, "tools": _tools(value)} if value.get("tools") else value)
            case "step":
                yield FoundObjects("step", _step(value))
            case _:
                yield found


def _assistant(value: Mapping[str, Any]) -> Iterator[FoundObjects]:
    tools, files = _tools(value), _files(value)
    if not files or value.get("tool_resources"):
        yield FoundObjects("assistant", {**value, "tools": tools} if tools else value)
        return
    resources: dict[str, Any] = {}
    if _INTERPRETER in tools:
        resources["code_interpreter"] = {"file_ids": files}
    if any(_is(tool, "file_search") for tool in tools):
        digest = hashlib.sha256(f"{value.get('id')}\0file_ids".encode()).digest()
        store = made_id("vs", int.from_bytes(digest))
        resources["file_search"] = {"vector_store_ids": [store]}
        made = {"created_at": value.get("created_at")}
        yield FoundObjects("store", {"id": store, "name": value.get("name"), **made})
        for name in files:
            yield FoundObjects("store_file", {"id": name, "vector_store_id": store, **made})
    yield FoundObjects("assistant", {**value, "tools": tools, "tool_resources": resources})


def _step(value: Mapping[str, Any]) -> Mapping[str, Any]:
    details = value.get("step_details")
    calls = details.get("tool_calls") if isinstance(details, Mapping) else None
    if not isinstance(calls, list) or not any(_is(call, "retrieval") for call in calls):
        return value
    # What was found was never told.
    told = [
        {"id": call.get("id"), **_SEARCH, "file_search": {"results": []}} if _is(call, "retrieval") else call
        for call in calls
    ]
    return {**value, "step_details": {"type": "tool_calls", "tool_calls": told}}


def _tools(value: Mapping[str, Any]) -> list[Any]:
    given = value.get("tools")
    return [_SEARCH if _is(tool, "retrieval") else tool for tool in given] if isinstance(given, list) else []


def _files(value: Mapping[str, Any]) -> list[str]:
    given = value.get("file_ids")
    return [name for name in given if isinstance(name, str)] if isinstance(given, list) else []


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, Mapping) and value.get("type") == kind
