"""From an object of the API, perhaps incomplete, to the row that this server keeps of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..hosted.stores.objects import AUTO
from ..objects import ENDED
from ..text import IDENTIFIER, clean, clean_json
from .reading import FoundObjects

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
    if found.kind in ("message", "step"):
        row["kept"] = own.get("kept")
    return {"id": identifier, **row}


def seconds(value: Any) -> int | None:
    """Return a time as seconds since 1970, from seconds, milliseconds or ISO 8601; None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return int(value / 1000 if value > 1e11 else value)
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return int(str(value)) if str(value).isdigit() else None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


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
        "tools": list(value.get("tools") or []),
        "temperature": _number(value.get("temperature")),
        "top_p": _number(value.get("top_p")),
        "reasoning_effort": value.get("reasoning_effort"),
        "response_format": value.get("response_format") or "auto",
        "metadata": _metadata(value),
        "created_at": _time(value),
    }


def _assistant(value: Mapping[str, Any], found: FoundObjects) -> Row:
    names = {"name": value.get("name"), "description": value.get("description")}
    return {**_settings(value), **names, "tool_resources": value.get("tool_resources") or None, "deleted": False}


def _thread(value: Mapping[str, Any], found: FoundObjects) -> Row:
    resources = value.get("tool_resources") or None
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
        "content": _content(value.get("content")),
        "attachments": value.get("attachments") or None,
        "metadata": _metadata(value),
        "deleted": False,
    }


def _content(content: Any) -> list[Any]:
    if content is None:
        return []
    if isinstance(content, str):
        content = [content]
    return [_part(part) for part in ([content] if isinstance(content, Mapping) else content)]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": {"value": part, "annotations": []}}
    if part.get("type") == "text" or ("type" not in part and "text" in part):
        text = part["text"]
        held = text if isinstance(text, Mapping) else {"value": text}
        kept = {"value": str(held.get("value") or ""), "annotations": list(held.get("annotations") or [])}
        return {"type": "text", "text": kept}
    if part.get("type") == "image_file":
        return {"type": "image_file", "image_file": {"detail": "auto", **part["image_file"]}}
    if part.get("type") == "image_url":
        held = part["image_url"]
        return {
            "type": "image_url",
            "image_url": {"detail": "auto", **({"url": held} if isinstance(held, str) else held)},
        }
    if part.get("type") == "refusal":
        return {"type": "refusal", "refusal": str(part["refusal"])}
    raise ValueError(f"a part of the type {part.get('type')!r}")


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
        "tool_choice": value.get("tool_choice") or "auto",
        "parallel_tool_calls": value.get("parallel_tool_calls", True) is not False,
    }


def _step(value: Mapping[str, Any], found: FoundObjects) -> Row:
    created, status = _time(value), str(value.get("status") or "completed")
    times = ("cancelled_at", "completed_at", "expired_at", "failed_at")
    return {
        **{name: seconds(value.get(name)) for name in times},
        "created_at": created,
        "run_id": str(value["run_id"]),
        "assistant_id": str(value.get("assistant_id") or ""),
        "thread_id": _in_thread(value),
        "type": str(value.get("type") or value["step_details"]["type"]),
        "status": "expired" if status == "in_progress" else status,
        "expires_at": seconds(value.get("expires_at")) or created + 600,
        "last_error": value.get("last_error"),
        "step_details": dict(value["step_details"]),
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
}
