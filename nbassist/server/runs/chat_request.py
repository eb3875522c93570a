"""From a thread and a run to the body of a Chat Completions request. Nothing here does IO."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ..hosted.calls import OwnFunction, own_functions
from ..store.leased_writes import Material
from .upstream import Upstream

ChatMessage: TypeAlias = dict[str, Any]
KEPT = "kept"
"""Where a message holds what an upstream wants back with it; `fitted_to` takes it out."""


_BYTES_A_TOKEN = 4
_LOST = {"name": "tool", "arguments": "{}", "output": "[what was found is no longer known]"}
# About what OpenAI counts for 1024 by 1024 pixels in high detail.
_TOKENS_AN_IMAGE = 800
# An upload says nothing of its type that could be relied on; its first bytes do.
_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


def chat_body(
    material: Material,
    upstream: Upstream,
    *,
    model: str = "",
    max_tokens: int | None = None,
    prompt_tokens: int | None = None,
    shortened: int = 0,
) -> dict[str, Any]:
    """Return the body of the request for the next turn of a run.

    Parameters
    ----------
    model : str
        The name that the upstream knows it by; the run's own, or the upstream's default, where this is empty.
    max_tokens : int, optional
        How many tokens the run may still write.
    prompt_tokens : int, optional
        How many it may still read; messages are dropped, the oldest first, until an estimate is below that.
    shortened : int
        How often the history was found too long for the model: each time half of its messages are dropped.
    """
    run = material.run
    body: dict[str, Any] = {
        "messages": _with_note(_messages(material, prompt_tokens, shortened), upstream.tool_note),
        "stream": True,
        "stream_options": {"include_usage": True},
        # What a client chose is put in below, and so goes before it.
        **upstream.extra,
    }
    if model := model or run["model"] or upstream.default_model:
        body["model"] = model
    for name in ("temperature", "top_p", "reasoning_effort"):
        if run[name] is not None:
            body[name] = run[name]
    if run["response_format"] != "auto":
        body["response_format"] = run["response_format"]
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    own = own_functions(run["tools"], material.own)
    if tools := _functions(run) + [function.tool for function in own]:
        body["tools"] = tools
        if run["tool_choice"] != "auto":
            body["tool_choice"] = _tool_choice(run["tool_choice"], material.steps, own)
        if not run["parallel_tool_calls"]:
            body["parallel_tool_calls"] = False
    return body


def tool_names(material: Material) -> tuple[str, ...]:
    """Return the names of the tools that a run may call now."""
    run = material.run
    if run["tool_choice"] == "none":
        return ()
    own = (function.name for function in own_functions(run["tools"], material.own))
    return (*(tool["function"]["name"] for tool in _functions(run)), *own)


def _functions(run: Mapping[Any, Any]) -> list[Any]:
    """Return the functions of a run; of the hosted tools, `own_functions` has those that are run here."""
    return [tool for tool in run["tools"] if tool["type"] == "function"]


def _tool_choice(choice: Any, steps: Sequence[Mapping[Any, Any]], own: Sequence[OwnFunction]) -> Any:
    """A tool that must be called is called once: after that the model may say what it found."""
    called = any(step["type"] == "tool_calls" for step in steps)
    if called and choice != "none":
        return "auto"
    if isinstance(choice, dict) and choice["type"] != "function":
        named = next((function.name for function in own if function.kind == choice["type"]), None)
        return "auto" if named is None else {"type": "function", "function": {"name": named}}
    return choice


def _messages(material: Material, prompt_tokens: int | None, shortened: int) -> list[ChatMessage]:
    run = material.run
    earlier = [
        wire
        for message in material.messages
        # What this run wrote stands in `_of_run`, in its order between the calls.
        if message["run_id"] != run["id"] and (wire := _message(message, material.images))
    ]
    truncation = run["truncation_strategy"]
    if truncation["type"] == "last_messages":
        earlier = earlier[-truncation["last_messages"] :]
    for _ in range(shortened):
        # Halves, as the endpoint does not say by how much it is too long; the last message is always sent.
        earlier = earlier[(len(earlier) + 1) // 2 :] if len(earlier) > 1 else earlier
    of_run = _of_run(material)
    system = [{"role": "system", "content": run["instructions"]}] if run["instructions"] else []
    if prompt_tokens is not None:
        left = prompt_tokens - sum(map(_estimate, system)) - sum(map(_estimate, of_run))
        earlier = _fitting(earlier, left)
    return [*system, *earlier, *of_run]


def _with_note(messages: list[ChatMessage], note: str) -> list[ChatMessage]:
    if note and messages and messages[-1]["role"] == "tool":
        messages[-1] = {**messages[-1], "content": f"{messages[-1]['content']}\n\n{note}"}
    return messages


def _fitting(messages: list[ChatMessage], tokens: int) -> list[ChatMessage]:
    kept: list[ChatMessage] = []
    # The newest first: what is left out is the oldest.
    for message in reversed(messages):
        tokens -= _estimate(message)
        if tokens < 0 and kept:
            break
        kept.append(message)
    return kept[::-1]


def _estimate(message: ChatMessage) -> int:
    content: Any = message.get("content")
    if isinstance(content, list):
        texts = "".join(part.get("text", "") for part in content)
        images: int = sum(part["type"] == "image_url" for part in content)
        return len(texts.encode()) // _BYTES_A_TOKEN + images * _TOKENS_AN_IMAGE + 4
    calls = json.dumps(message["tool_calls"], ensure_ascii=False) if "tool_calls" in message else ""
    return len(f"{content or ''}{calls}".encode()) // _BYTES_A_TOKEN + 4


def _of_run(material: Material) -> list[ChatMessage]:
    """Return what the run has done so far: its messages, and its calls with their outputs."""
    texts = {message["id"]: message for message in material.messages}
    wire: list[ChatMessage] = []
    for step in material.steps:
        details = step["step_details"]
        if details["type"] == "message_creation":
            message = texts.get(details["message_creation"]["message_id"])
            if message is not None and (said := _message(message, material.images)):
                wire.append(said)
            continue
        calls = [_as_function(call, step.get("hosted") or {}) for call in details["tool_calls"]]
        # Text and calls of one turn are one message for Chat Completions, and two steps here.
        if not wire or wire[-1]["role"] != "assistant":
            wire.append({"role": "assistant", "content": None})
        if kept := step.get("kept"):
            wire[-1][KEPT] = kept
        wire[-1]["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]},
            }
            for call in calls
        ]
        wire += [
            {"role": "tool", "tool_call_id": call["id"], "content": call["function"]["output"] or ""} for call in calls
        ]
    return wire


def _as_function(call: Mapping[str, Any], hosted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a call with its output as one of a function, which a call of this server's tools is to the model."""
    if call["type"] == "function":
        return call
    kept = hosted.get(call["id"]) or _LOST
    function = {name: kept[name] for name in ("name", "arguments", "output")}
    return {"id": call["id"], "type": "function", "function": function}


def _message(message: Mapping[Any, Any], images: Mapping[str, bytes]) -> ChatMessage | None:
    """Return a message as Chat Completions takes it; None for one of the assistant that says nothing."""
    # A picture that the assistant showed is none that it can be sent: endpoints take pictures of the user alone.
    said = [part for part in message["content"] if message["role"] == "user" or part["type"] in ("text", "refusal")]
    parts = [_part(part, images) for part in said]
    if message["role"] == "assistant" or all(part["type"] == "text" for part in parts):
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        kept = {KEPT: message["kept"]} if message.get("kept") else {}
        return {"role": message["role"], "content": text, **kept} if text or message["role"] == "user" else None
    return {"role": message["role"], "content": parts}


def _part(part: Mapping[str, Any], images: Mapping[str, bytes]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]["value"]}
    if part["type"] == "refusal":
        return {"type": "text", "text": part["refusal"]}
    if part["type"] == "image_url":
        return {"type": "image_url", "image_url": dict(part["image_url"])}
    content = images.get(part["image_file"]["file_id"])
    if content is None:
        return {"type": "text", "text": "[an image that was deleted]"}
    data = base64.b64encode(content).decode("ascii")
    url = {"url": f"data:{_media_type(content)};base64,{data}", "detail": part["image_file"]["detail"]}
    return {"type": "image_url", "image_url": url}


def _media_type(content: bytes) -> str:
    return next((kind for start, kind in _SIGNATURES if content.startswith(start)), "image/png")
