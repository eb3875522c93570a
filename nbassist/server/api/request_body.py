"""Reading what a client sends, within limits of size and time."""

from __future__ import annotations

import asyncio
import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from starlette.requests import Request

from ..config import ServerLimits
from ..state import server_of
from ..text import clean_json
from .bodies import Body
from .checks import check_body
from .errors import ApiError
from .field_checks import HOSTED_TOOLS

B = TypeVar("B", bound=Body)

_DEEPEST = 128
"""Levels of arrays and objects in a body; far fewer than what Python or a store can walk through."""

PIECE = 256 * 1024
"""Bytes that are gone through at a time; others are served between two."""


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request.

    Raises
    ------
    ApiError
        Of status 413 where it is longer than `most` bytes, 408 where it takes longer than `seconds`.
    """
    # Refused before it is sent, where a client says how long it will be; counted all the same, as it need not say so.
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    pieces, length = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                length += len(piece)
                if length > most:
                    raise _too_large(most)
                pieces.append(piece)
    except TimeoutError:
        raise ApiError("The request took too long to arrive.", status=408) from None
    return b"".join(pieces)


async def read_json(request: Request, limits: ServerLimits) -> Any:
    """Return the JSON of a request, an empty body as an empty object; its strings can be stored.

    Raises
    ------
    ApiError
        Where it is no JSON, a number in it is none that JSON has, it has too many values, or is nested too deeply.
    """
    raw = await read_body(request, limits.body_bytes, limits.body_seconds)
    if not raw.strip():
        return {}
    await check_values(raw, limits.body_values)
    try:
        # `json.loads` alone would take other encodings, and surrogates in UTF-8, which can't be answered with.
        text = raw.decode("utf-8-sig")
        with _uncollected():
            value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ApiError(
            "We could not parse the JSON body of your request. The body has to be valid JSON, in UTF-8."
        ) from None
    _check_lengths(value, limits.body_items)
    if raw.count(b"{") + raw.count(b"[") > _DEEPEST and _is_deep(value):
        raise ApiError(f"The JSON body of your request is nested too deeply: this server takes {_DEEPEST} levels.")
    # Only an escape can bring in what the store can't hold, and most bodies have none of these two.
    return clean_json(value) if b"\\u" in raw else value


async def check_values(raw: bytes, most: int) -> None:
    """Refuse JSON that has more commas and opening brackets than `most`, those in its strings not counted.

    To parse millions of values holds up everybody else; to count them does not, as it can be done bit by bit.

    Raises
    ------
    ApiError
        Of status 413.
    """
    # Those in strings counted, which is quick: few bodies have as many even so.
    if _separators(raw) <= most:
        return
    count, within, escape = 0, False, b""
    for start in range(0, len(raw), PIECE):
        await asyncio.sleep(0)
        # Without escaped quotes each quote begins a string or ends one. An escape may be cut in two by a piece's end.
        piece = (escape + raw[start : start + PIECE]).replace(rb"\\", b"").replace(rb"\"", b"")
        escape = b"\\" if piece.endswith(b"\\") else b""
        parts = piece.split(b'"')
        count += _separators(b"".join(parts[within::2]))
        if count > most:
            raise ApiError(
                f"The request is too large: this server takes up to {most:,} values in one body, all messages, parts "
                "and numbers together.",
                status=413,
            )
        within ^= len(parts) % 2 == 0


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _check_lengths(value: Any, most: int, path: str = "") -> None:
    """Refuse more messages, parts of one, or properties, than are looked at one by one while others wait.

    Raises
    ------
    ApiError
        Of status 400, which names the list or the object.
    """
    if not isinstance(value, dict):
        return
    if len(value) > most:
        # None of ours has as many: each that is not known would become an error of its own.
        raise ApiError(
            f"Invalid '{path or 'body'}': too many properties. Expected an object with at most {most} properties, but "
            f"got an object with {len(value)} properties instead.",
            param=path or None,
            code="object_above_max_properties",
        )
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        if isinstance(inner, list):
            if len(inner) > most:
                raise ApiError(
                    f"Invalid '{here}': array too long. Expected an array with maximum length {most}, but got an array "
                    f"with length {len(inner)} instead.",
                    param=here,
                    code="array_above_max_length",
                )
            if name in ("messages", "additional_messages"):
                parts = 0
                for number, message in enumerate(inner):
                    _check_lengths(message, most, f"{here}[{number}]")
                    parts += _parts(message)
                if parts > most:
                    raise ApiError(
                        f"Invalid '{here}': too many parts. Expected messages with at most {most} parts of content, "
                        f"attachments and their tools together, but got {parts} instead.",
                        param=here,
                        code="array_above_max_length",
                    )
        elif name == "thread":
            _check_lengths(inner, most, here)


def _parts(message: Any) -> int:
    """Return how many parts of content, attachments and tools of those a message has."""
    if not isinstance(message, dict):
        return 0
    lists = [message.get("content"), message.get("attachments")]
    attachments = lists[1] if isinstance(lists[1], list) else ()
    lists += [one.get("tools") for one in attachments if isinstance(one, dict)]
    return sum(len(one) for one in lists if isinstance(one, list))


async def read_model(request: Request, kind: type[B]) -> B:
    """Return the body of a request, checked, within the server's limits and with its word on hosted tools.

    Raises
    ------
    ApiError
        Where it is not such a body.
    """
    config = server_of(request).config
    taken = config.own_tools if config.hosted_tools == "refuse" else HOSTED_TOOLS
    value = await read_json(request, config.limits)
    with _uncollected():
        return check_body(kind, value, taken=taken)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from going over all that is being made here, again and again, while others wait."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _too_large(most: int) -> ApiError:
    return ApiError(f"The request is too large: this server takes up to {most} bytes.", status=413)


def _is_deep(value: Any) -> bool:
    level = [value]
    # Level by level: recursion would end in what it is to find.
    for _ in range(_DEEPEST):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return any(isinstance(item, dict | list) for item in level)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value
