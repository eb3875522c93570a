"""The words of an error, in whatever shape a server puts them: each shape is from a real one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import AuthenticationError, BackendError, RateLimitError, RequestRefusedError, ServerFailedError
from .loose_json import listing, mapping, text

# What a stranger wrote may have any size and depth; a person reads one line of it.
_LONGEST = 2_000
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_DEEPEST = 6
_ITEMS = 5
_PLAIN = ("message", "msg", "detail")
_TELLING = ("errors", "error_message", "error_msg", "errorMessage", "error_description")
"""Names that nothing but an error has."""
_WORDS = (*_PLAIN, *_TELLING)
_FINE = ("0", "200", "ok", "success")
"""Codes that stand in every answer of some servers, and tell that all is well."""
_STATUS = {"rate_limit_exceeded": 429, "rate_limit_error": 429, "insufficient_quota": 429, "overloaded_error": 529}
"""What codes that are words mean, where they decide whether to ask again."""
_RATHER_THAN_NOTHING = ("title", "reason", "description")
_TITLE_BEGINS = re.compile("<title", re.IGNORECASE)
_TITLE_ENDS = re.compile("</title>", re.IGNORECASE)


def error_message(value: Any) -> str:
    """Return the words of an error; empty where there are none.

    Seen: `{"error": {"message": ...}}`, `{"error": "text"}`, `{"message": ...}` and a bare string (OpenAI and its
    followers); the same in an array (Gemini); `{"detail": "text"}` and `{"detail": [{"loc": [...], "msg": ...}]}`
    (FastAPI: vLLM, Mistral), also inside `message` (Mistral); `{"errors": [...]}` (Cloudflare, Hugging Face); `msg`;
    `error.metadata.raw`, what the provider behind a router said (OpenRouter); `failed_generation`, what the model
    wrote where a call went wrong (Groq); a page of HTML, of which the title is taken.
    """
    words = "; ".join(dict.fromkeys(_words(value, 0)))
    # Not within a word: it may be a key, and half of one would not be known for it.
    return words if len(words) <= _LONGEST else words[:_LONGEST].rstrip(_VISIBLE) or words[: _LONGEST // 2]


def error_code(value: Any) -> str:
    """Return what a server calls an error, such as `insufficient_quota`; empty where it has no name.

    Under `code`, else `type` or `status` (Gemini), `error_code`, `error_type` (DeepInfra) or `status_code` (MiniMax); a
    status of HTTP as a number is returned as its digits.
    """
    data = mapping(value[0] if isinstance(value, list) and value else value)
    inner = mapping(data.get("error")) or _of_base(data) or data
    for name in ("code", "type", "status", "error_code", "error_type", "status_code"):
        found = inner.get(name)
        if isinstance(found, str) and found:
            return text(found)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
    return ""


def is_error(chunk: Mapping[str, Any]) -> bool:
    """Return whether a chunk of a stream is an error, be it one that does not say `error`.

    A flat one has words and a code, a type or a status; what has a choice in it is no error, whatever else it has, but
    for what MiniMax puts into each chunk, `{"base_resp": {"status_code": 1004, "status_msg": ...}}`, 0 where all is
    well.
    """
    if chunk.get("error") or _of_base(chunk):
        return True
    if chunk.get("choices") or chunk.get("usage"):
        return False
    if chunk.get("object") == "error" or chunk.get("type") == "error" or any(chunk.get(name) for name in _TELLING):
        return True
    says = any(chunk.get(name) for name in _PLAIN)
    # The chunk of an error may have all that others have, with nothing in it; its code tells.
    code = chunk.get("code", chunk.get("error_type"))
    if says and ("choices" in chunk or "usage" in chunk) and code not in (None, ""):
        return str(code).lower() not in _FINE
    return says and not chunk.get("id")


def _of_base(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what MiniMax says is wrong; empty where nothing is, which it says, too."""
    base = mapping(data.get("base_resp"))
    return base if str(base.get("status_code") or "0") not in _FINE else {}


def _words(value: Any, depth: int) -> list[str]:
    if depth > _DEEPEST:
        return []
    if isinstance(value, str):
        return _of_text(value, depth)
    if isinstance(value, list):
        return [word for item in value[:_ITEMS] for word in _words(item, depth + 1)]
    data = mapping(value)
    if not data:
        return []
    if isinstance(data.get("loc"), list):
        where = ".".join(str(step) for step in data["loc"])
        return [f"{where}: {word}" for word in _words(data.get("msg"), depth + 1)]
    found = [word for name in ("error", *_WORDS) for word in _words(_named(data.get(name)), depth + 1)]
    found = found or _of_text(text(_of_base(data).get("status_msg")), depth + 1)
    if not found:
        found = [word for name in _RATHER_THAN_NOTHING for word in _words(data.get(name), depth + 1)][:1]
    # A router's own words are mostly "Provider returned error": the reason is what the provider said.
    raw = _words(mapping(data.get("metadata")).get("raw"), depth + 1)
    if wrote := text(data.get("failed_generation")).strip():
        raw.append(f"the model wrote: {wrote}")
    parameter = text(data.get("param"))
    if found and parameter and not any(parameter in word for word in found):
        found[-1] += f" ({parameter})"
    return found + raw


def _named(value: Any) -> Any:
    """Return what stands under a name; `{"field": ["what is wrong with it"]}` as words that name the field."""
    if isinstance(value, Mapping) and value and all(isinstance(item, list) for item in value.values()):
        if "detail" in value or "errors" in value:
            return value
        return [f"{name}: {text(item)}" for name, items in value.items() for item in items if isinstance(item, str)]
    return value


def _of_text(value: str, depth: int) -> list[str]:
    source = text(value).strip()
    # Gateways hand on another server's error as a text that is JSON again.
    if source.startswith(("{", "[")):
        try:
            inside = _words(json.loads(source), depth + 1)
        except (ValueError, RecursionError):
            inside = []
        return inside or [source]
    if source[:1] == "<":
        title = " ".join(_title(source).split())
        return [title] if title else []
    return [source] if source else []


def _title(page: str) -> str:
    """Return the title of a page; empty where there is none."""
    # In three steps: one pattern would look for the end anew from each beginning, and a page may be a megabyte of them.
    begin = _TITLE_BEGINS.search(page)
    inside = page.find(">", begin.end()) + 1 if begin else 0
    end = _TITLE_ENDS.search(page, inside) if inside else None
    return page[inside : end.start()] if end else ""


def wait_in_words(value: Any) -> float | None:
    """Return the seconds that a Gemini error asks to wait, `details[].retryDelay` such as `"33s"`; None for none."""
    data = mapping(value[0] if isinstance(value, list) and value else value)
    for detail in listing((mapping(data.get("error")) or data).get("details")):
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)s", text(mapping(detail).get("retryDelay")))
        if found:
            return float(found[1])
    return None


def told_error(data: Any) -> BackendError:
    """Return the error that a stream tells in place of a chunk; a status or a code in it decides what kind it is."""
    code = error_code(data)
    status = int(code) if code.isdecimal() and len(code) == 3 else _STATUS.get(code)
    words = f"the endpoint reports: {error_message(data) or code or 'an error'}"
    if status == 429:
        return RateLimitError(words, retry_after=wait_in_words(data), code=code)
    if status in (401, 403):
        return AuthenticationError(words, status=status)
    # 408 has a client's number, and is the server's failure.
    if status is not None and 400 <= status < 500 and status != 408:
        return RequestRefusedError(words, status=status, code=code)
    return ServerFailedError(words, status=status)
