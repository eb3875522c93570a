"""What nobody asked for is taken back where an endpoint refuses it: asked once more without, and remembered.

The server's own words say what it was; one that refuses without a word is asked once without all of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from ..errors import BackendError, RequestRefusedError, ServerFailedError
from . import loose_json
from .provider_quirks import Learnt

CORRECTIONS = 6
"""How often one request is mended."""
_STATUSES = (400, 404, 405, 413, 415, 422, 500, 501, None)
"""LiteLLM's proxy answers 500 to what it does not know."""
_MISSING = re.compile(r"missing|must be (passed|provided|included)|is required|pass(ed)? back", re.IGNORECASE)
_UNSIGNED = re.compile(r"missing.{0,10}thought_?signature", re.IGNORECASE)
_WORDS = {
    "stream_options": r"stream.?options|include_usage",
    "strict": r"\bstrict\b",
    "tool_choice": r"tool.?choice",
    "response_format": r"response.?format|json_?schema|structured.?output|json.?mode",
    "parallel_tool_calls": r"parallel.?tool",
    "reasoning_content": r"reasoning_content",
    "reasoning_details": r"reasoning_details",
    "reasoning": r"\breasoning\b(?!_)",
    "thinking": r"\bthinking\b",
    "extra_content": r"extra_content|thought_signature",
    "provider_specific_fields": r"provider_specific_fields",
    "thinking_blocks": r"thinking_blocks",
    "images": r"image_url|image.{0,30}(input|support|content)|support.{0,30}(image|vision)|multi-?modal",
    "call_ids": r"tool.?call.?id|tool_calls\S*\.id",
    "user_after_tool": r"'user' after role|after role 'tool'|user message.{0,20}after.{0,20}tool",
}
_OF_MESSAGES = (
    *("reasoning_content", "reasoning_details", "reasoning", "thinking", "extra_content"),
    *("provider_specific_fields", "thinking_blocks"),
)


def mend(error: BackendError, body: Mapping[str, Any], asked: Collection[str], known: Learnt) -> str:
    """Note in `known` what `error` refuses of a body, and return what to tell of it; empty where nothing can be mended.

    Parameters
    ----------
    error : BackendError
        What came of the request.
    body : mapping
        As it was sent.
    asked : collection of str
        What the person asked for: that is never taken back.
    known : Learnt
        What the endpoint showed of itself.
    """
    if not isinstance(error, RequestRefusedError | ServerFailedError) or error.status not in _STATUSES:
        return ""
    said = str(error)
    here = [name for name in _WORDS if name not in known.refused and name not in asked and _is_in(name, body)]
    if _UNSIGNED.search(said) and not known.unsigned:
        known.unsigned = True
        return "the endpoint wants calls that it did not make itself to be signed: it is asked again with that"
    named = [name for name in here if re.search(_WORDS[name], said, re.IGNORECASE)]
    wanted = [name for name in _OF_MESSAGES if "_" in name and name in said and name not in known.wanted]
    if wanted and _MISSING.search(said):
        known.wanted += wanted
        return f"the endpoint wants {' and '.join(wanted)} in each message: it is asked again with it"
    # Without a word of what was wrong all that nobody asked for goes, and only once: the next such refusal means
    # something else.
    if not named and re.fullmatch(r"HTTP 4\d\d", said) and not known.blind:
        known.blind = True
        named = here
    known.refused += named
    if not named:
        return ""
    words = " and ".join(_TOLD.get(name, name) for name in named)
    return f"the endpoint refuses {words}: it is asked again without, here and from now on"


_TOLD = {
    "call_ids": "ids of calls that are not nine letters and digits",
    "images": "images of what was before",
    "user_after_tool": "a prompt behind a tool's output",
    "response_format": "a schema for the reply (it is told in words)",
}


def _is_in(name: str, body: Mapping[str, Any]) -> bool:
    messages = [loose_json.mapping(message) for message in loose_json.listing(body.get("messages"))]
    calls = [loose_json.mapping(call) for message in messages for call in message.get("tool_calls") or ()]
    if name == "strict":
        tools = [loose_json.mapping(tool) for tool in loose_json.listing(body.get("tools"))]
        return any("strict" in loose_json.mapping(tool.get("function")) or "strict" in tool for tool in tools)
    if name == "call_ids":
        return bool(calls)
    if name == "images":
        return any(_has_picture(message) for message in _before_prompt(messages))
    if name == "user_after_tool":
        roles = [message.get("role") for message in messages]
        return ("tool", "user") in pairwise(roles)
    if name in _OF_MESSAGES:
        return any(name in message for message in (*messages, *calls))
    return name in body


def _before_prompt(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the messages but for the prompt that is asked now: its images are the person's wish."""
    users = [at for at, message in enumerate(messages) if message.get("role") == "user"]
    # What follows an output are its images.
    prompts = [at for at in users if not at or messages[at - 1].get("role") != "tool"]
    return [message for at, message in enumerate(messages) if not prompts or at != prompts[-1]]


def _has_picture(message: Mapping[str, Any]) -> bool:
    parts = map(loose_json.mapping, loose_json.listing(message.get("content")))
    return message.get("role") in ("user", "tool") and any(part.get("type") == "image_url" for part in parts)
