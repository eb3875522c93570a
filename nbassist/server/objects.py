"""From rows to the objects of the wire, with their fields in the order of the recordings.

Sources: the recordings of the hosted service of 2025-10-30, and OpenAI's public description of the API. Where the two
disagree, the recordings are right: a step has `expires_at` and no `metadata`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[Any, Any]
"""A row of a table, by column name."""

_RUN_FIELDS = (
    "required_action",
    "last_error",
    "model",
    "instructions",
    "tools",
    "tool_resources",
    "metadata",
    "temperature",
    "top_p",
    "reasoning_effort",
    "max_completion_tokens",
    "max_prompt_tokens",
    "truncation_strategy",
    "incomplete_details",
    "usage",
    "response_format",
    "tool_choice",
    "parallel_tool_calls",
)
_MESSAGE_STATE = ("status", "incomplete_details", "incomplete_at", "completed_at")
ENDED = ("completed", "incomplete", "failed", "cancelled", "expired")
"""The states of a run that is over."""
_STEP_TIMES = ("cancelled_at", "completed_at", "expires_at", "failed_at", "last_error", "step_details")


def assistant(row: Row) -> dict[str, Any]:
    """Return an assistant; a temperature that nobody chose is shown as 1.0."""
    return {
        "id": row["id"],
        "object": "assistant",
        "created_at": row["created_at"],
        "name": row["name"],
        "description": row["description"],
        "model": row["model"],
        "instructions": row["instructions"],
        "tools": row["tools"],
        "top_p": _or_one(row["top_p"]),
        "temperature": _or_one(row["temperature"]),
        "reasoning_effort": row["reasoning_effort"],
        "tool_resources": _assistant_resources(row),
        "metadata": row["metadata"],
        "response_format": row["response_format"],
    }


def thread(row: Row, *, streamed: bool = False) -> dict[str, Any]:
    """Return a thread; in a stream its (empty) tool resources are spelt out, as recorded."""
    return {
        "id": row["id"],
        "object": "thread",
        "created_at": row["created_at"],
        "metadata": row["metadata"],
        "tool_resources": row["tool_resources"] or _resources(streamed),
    }


def message(row: Row) -> dict[str, Any]:
    """Return a message; how far it is, is told of one that a run wrote, and not of a client's own, as recorded."""
    found = {"id": row["id"], "object": "thread.message"}
    found.update((name, row[name]) for name in ("created_at", "assistant_id", "thread_id", "run_id"))
    if row["run_id"] is not None:
        found.update((name, row[name]) for name in _MESSAGE_STATE)
    found.update((name, row[name]) for name in ("role", "content"))
    return {**found, "attachments": row["attachments"] or [], "metadata": row["metadata"]}


def run(row: Row, *, streamed: bool = False) -> dict[str, Any]:
    """Return a run; `expires_at` is null once it is completed, and `usage` until it ended."""
    found: dict[str, Any] = {
        "id": row["id"],
        "object": "thread.run",
        "created_at": row["created_at"],
        "assistant_id": row["assistant_id"],
        "thread_id": row["thread_id"],
        "status": row["status"],
        "started_at": row["started_at"],
        "expires_at": None if row["status"] == "completed" else row["expires_at"],
        "cancelled_at": row["cancelled_at"],
        "failed_at": row["failed_at"],
        "completed_at": row["completed_at"],
    }
    for name in _RUN_FIELDS:
        found[name] = _resources(streamed) if name == "tool_resources" else row[name]
    found["temperature"] = _or_one(row["temperature"])
    found["top_p"] = _or_one(row["top_p"])
    return found


def step(row: Row, *, run_ended: bool = False, found: bool = False) -> dict[str, Any]:
    """Return a step; its usage, known when its turn ended, is shown once the step is over.

    The texts that a file search found are left out unless `found`. `expires_at` is null once its run has ended, for who
    asks then; the stream still told it.
    """
    shown: dict[str, Any] = {
        "id": row["id"],
        "object": "thread.run.step",
        "created_at": row["created_at"],
        "run_id": row["run_id"],
        "assistant_id": row["assistant_id"],
        "thread_id": row["thread_id"],
        "type": row["type"],
        "status": row["status"],
    }
    shown.update((name, row[name]) for name in _STEP_TIMES)
    if not found:
        shown["step_details"] = _without_texts(row["step_details"])
    if run_ended:
        shown["expires_at"] = None
    shown["usage"] = None if row["status"] == "in_progress" else row["usage"]
    if row["expired_at"] is not None:
        shown["expired_at"] = row["expired_at"]
    return shown


def _without_texts(details: Mapping[str, Any]) -> Mapping[str, Any]:
    if not any(call.get("type") == "file_search" for call in details.get("tool_calls") or ()):
        return details
    return {**details, "tool_calls": [_bare(call) for call in details["tool_calls"]]}


def _bare(call: Mapping[str, Any]) -> Mapping[str, Any]:
    # A store may hold what an import took as it was.
    search = call.get("file_search")
    if call.get("type") != "file_search" or not isinstance(search, Mapping):
        return call
    results = search.get("results") or ()
    bare = [{name: value for name, value in result.items() if name != "content"} for result in results]
    return {**call, "file_search": {**search, "results": bare}}


def file(row: Row) -> dict[str, Any]:
    """Return a file, without its content."""
    return {
        "object": "file",
        "id": row["id"],
        "purpose": row["purpose"],
        "filename": row["filename"],
        "bytes": row["bytes"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "status": "processed",
        "status_details": None,
    }


def page(items: Sequence[Mapping[str, Any]], has_more: bool) -> dict[str, Any]:
    """Return a part of a list; the ids of an empty one are null, as recorded (the description wants strings)."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }


def deleted(kind: str, identifier: str) -> dict[str, Any]:
    """Return the answer to a deletion; `kind` is that of the object, such as `thread`."""
    if kind == "file":
        return {"object": "file", "deleted": True, "id": identifier}
    return {"id": identifier, "object": f"{kind}.deleted", "deleted": True}


def text_part(text: str, annotations: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return a part of a message's content."""
    return {"type": "text", "text": {"value": text, "annotations": list(annotations)}}


def message_delta(message_id: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `thread.message.delta` carries."""
    return {"id": message_id, "object": "thread.message.delta", "delta": {"content": [part]}}


def step_delta(step_id: str, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `thread.run.step.delta` carries for a piece of one tool call."""
    details = {"type": "tool_calls", "tool_calls": [call]}
    return {"id": step_id, "object": "thread.run.step.delta", "delta": {"step_details": details}}


def usage(prompt: int, completion: int, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """Return usage; the key is `prompt_token_details`, without an s in the middle, as recorded."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_token_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def total_usage(parts: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Return the sum of the steps' usage, which is the run's; a step without counts for nothing."""
    known = [part for part in parts if part]
    return usage(
        sum(part["prompt_tokens"] for part in known),
        sum(part["completion_tokens"] for part in known),
        sum(part["prompt_token_details"]["cached_tokens"] for part in known),
        sum(part["completion_tokens_details"]["reasoning_tokens"] for part in known),
    )


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def _assistant_resources(row: Row) -> dict[str, Any]:
    resources = dict(row["tool_resources"] or {})
    if "code_interpreter" not in resources and any(tool["type"] == "code_interpreter" for tool in row["tools"]):
        resources["code_interpreter"] = {"file_ids": []}
    return resources


def _resources(streamed: bool) -> dict[str, Any]:
    return {"code_interpreter": {"file_ids": []}} if streamed else {}
