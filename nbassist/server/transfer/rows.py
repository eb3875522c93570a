"""From an object of the API, perhaps incomplete, to the row that this server keeps of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..hosted.stores.objects import AUTO
from ..objects import ENDED
from ..text import IDENTIFIER, clean, clean_json
from . import shapes
from .reading import FoundObjects
from .shapes import seconds

Row = dict[str, Any]


class UnusableError(Exception):
    """An object that can't be kept; its text says why."""


def row_of(found: FoundObjects) -> Row:
    """Return the columns of an object.

    Raises
    ------
    UnusableError
        Where it has no id that can be one, or lacks what it can't be without.
    """
    value = clean_json(dict(found.value))
    identifier = value.get("id")
    if not (isinstance(identifier, str) and IDENTIFIER.fullmatch(identifier)):
        raise UnusableError(f"a {found.kind} without an id that can be one: {str(identifier)[:80]!r}")
    own = value.get("nbassist") if isinstance(value.get("nbassist"), Mapping) else {}
    try:
        row = _MAKERS[found.kind](value, found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnusableError(f"{found.kind} {identifier} is not as the API has them: {error!r}") from None
    if found.kind in ("assistant", "thread", "file", "store"):
        row["owner"] = str(own.get("owner") or "")
    for name in _OWN.get(found.kind, ()):
        row[name] = own.get(name)
    return {"id": identifier, **row}


def _time(value: Mapping[str, Any]) -> int:
    found = seconds(value.get("created_at"))
    return int(time.time()) if found is None else found


def _metadata(value: Mapping[str, Any]) -> dict[str, str]:
    given = value.get("metadata")
    return {str(name): str(item) for name, item in given.items()} if isinstance(given, Mapping) else {}


def _number(value: Any) -> float | None:
    """Return a temperature; 1, which the API showed where nobody chose one, is none chosen."""
    return None if value is None or float(value) == 1.0 else float(value)


def _settings(value: Mapping[str, Any]) -> Row:
    return {
        "model": str(value.get("model") or ""),
        "instructions": value.get("instructions"),
        "tools": shapes.tools(value.get("tools")),
        "temperature": _number(value.get("temperature")),
        "top_p": _number(value.get("top_p")),
        "reasoning_effort": value.get("reasoning_effort"),
        "response_format": shapes.response_format(value.get("response_format")),
        "metadata": _metadata(value),
        "created_at": _time(value),
    }


def _assistant(value: Mapping[str, Any], found: FoundObjects) -> Row:
    names = {"name": value.get("name"), "description": value.get("description")}
    resources = shapes.resources(value.get("tool_resources"))
    return {**_settings(value), **names, "tool_resources": resources, "deleted": False}


def _thread(value: Mapping[str, Any], found: FoundObjects) -> Row:
    resources = shapes.resources(value.get("tool_resources"))
    return {"created_at": _time(value), "metadata": _metadata(value), "tool_resources": resources}


def _message(value: Mapping[str, Any], found: FoundObjects) -> Row:
    if value["role"] not in ("user", "assistant"):
        raise ValueError(f"role {value['role']!r}")
    created = _time(value)
    status = value.get("status") or "completed"
    return {
        "created_at": created,
        "assistant_id": value.get("assistant_id"),
        "thread_id": _in_thread(value),
        "run_id": value.get("run_id"),
        "status": "incomplete" if status == "in_progress" else status,
        "incomplete_details": value.get("incomplete_details"),
        "incomplete_at": seconds(value.get("incomplete_at")),
        "completed_at": seconds(value.get("completed_at")) or (created if status == "completed" else None),
        "role": value["role"],
        "content": shapes.content(value.get("content")),
        "attachments": shapes.attachments(value.get("attachments")),
        "metadata": _metadata(value),
        "deleted": False,
    }


def _run(value: Mapping[str, Any], found: FoundObjects) -> Row:
    created, status = _time(value), str(value.get("status") or "completed")
    ended = status in ENDED
    times = ("started_at", "cancelled_at", "failed_at", "completed_at")
    kept = ("last_error", "max_completion_tokens", "max_prompt_tokens", "incomplete_details", "usage")
    return {
        **_settings(value),
        **{name: seconds(value.get(name)) for name in times},
        **{name: value.get(name) for name in kept},
        "assistant_id": str(value.get("assistant_id") or ""),
        "thread_id": _in_thread(value),
        # Nobody works on it any more, and its thread is not to stay locked.
        "status": status if ended else "expired",
        "expires_at": seconds(value.get("expires_at")) or created + 600,
        "required_action": None,
        "truncation_strategy": value.get("truncation_strategy") or {"type": "auto", "last_messages": None},
        "tool_choice": shapes.choice(value.get("tool_choice")),
        "parallel_tool_calls": value.get("parallel_tool_calls", True) is not False,
    }


def _step(value: Mapping[str, Any], found: FoundObjects) -> Row:
    created, status = _time(value), str(value.get("status") or "completed")
    details = shapes.step_details(value["step_details"])
    times = ("cancelled_at", "completed_at", "expired_at", "failed_at")
    return {
        **{name: seconds(value.get(name)) for name in times},
        "created_at": created,
        "run_id": str(value["run_id"]),
        "assistant_id": str(value.get("assistant_id") or ""),
        "thread_id": _in_thread(value),
        "type": details["type"],
        "status": "expired" if status == "in_progress" else status,
        "expires_at": seconds(value.get("expires_at")) or created + 600,
        "last_error": value.get("last_error"),
        "step_details": details,
        "usage": value.get("usage"),
    }


def _file(value: Mapping[str, Any], found: FoundObjects) -> Row:
    content = found.content or b""
    return {
        "created_at": _time(value),
        "filename": clean(str(value.get("filename") or "file"))[:512],
        "purpose": str(value.get("purpose") or "assistants")[:32],
        "bytes": len(content) or int(value.get("bytes") or 0),
        "content": content,
        "expires_at": seconds(value.get("expires_at")),
        "deleted": False,
    }


def _store(value: Mapping[str, Any], found: FoundObjects) -> Row:
    created = _time(value)
    return {
        "created_at": created,
        "name": value.get("name"),
        "description": value.get("description"),
        "expires_after": value.get("expires_after"),
        "expires_at": seconds(value.get("expires_at")),
        "last_active_at": seconds(value.get("last_active_at")) or created,
        "metadata": _metadata(value),
        "deleted": False,
    }


def _store_file(value: Mapping[str, Any], found: FoundObjects) -> Row:
    strategy = value.get("chunking_strategy")
    is_static = isinstance(strategy, Mapping) and strategy.get("type") == "static"
    return {
        "created_at": _time(value),
        "vector_store_id": str(value["vector_store_id"]),
        # What was read of it did not come along: the server reads it anew.
        "status": "in_progress",
        "last_error": None,
        "usage_bytes": 0,
        "chunking_strategy": dict(strategy) if isinstance(strategy, Mapping) and is_static else AUTO,
        "attributes": dict(value.get("attributes") or {}),
        "deleted": False,
    }


def _batch(value: Mapping[str, Any], found: FoundObjects) -> Row:
    is_cancelled = value.get("status") == "cancelled"
    return {
        "created_at": _time(value),
        "vector_store_id": str(value["vector_store_id"]),
        "cancelled": is_cancelled,
    }


def _in_thread(value: Mapping[str, Any]) -> str:
    thread_id = value["thread_id"]
    if not (isinstance(thread_id, str) and IDENTIFIER.fullmatch(thread_id)):
        raise ValueError("no thread_id")
    return thread_id


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], FoundObjects], Row]] = {
    "assistant": _assistant,
    "thread": _thread,
    "message": _message,
    "run": _run,
    "step": _step,
    "file": _file,
    "store": _store,
    "store_file": _store_file,
    "batch": _batch,
}
_OWN: Mapping[str, tuple[str, ...]] = {
    "message": ("kept",),
    "step": ("kept", "hosted"),
    "store_file": ("batch_id",),
}
"""Columns that the wire has no place for: an export of ours tells them apart."""
