"""Reading what a client sends, within limits of size and time."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any, NoReturn, TypeVar

from starlette.requests import Request

from .bodies import Body
from .checks import check_body
from .config import Limits
from .refusals import ApiError
from .text import clean_json

B = TypeVar("B", bound=Body)

_DEEPEST = 128
"""Levels of arrays and objects in a body; far fewer than what Python or a store can walk through."""


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body of a request.

    Raises
    ------
    ApiError
        Of status 413 where it is longer than `most` bytes, 408 where it takes longer than `seconds`.
    """
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


async def read_json(request: Request, limits: Limits) -> Any:
    """Return the JSON of a request, an empty body as an empty object; its strings can be stored.

    Raises
    ------
    ApiError
        Where it is no JSON, a number in it is none that JSON has, or it is nested too deeply.
    """
    raw = await read_body(request, limits.body_bytes, limits.body_seconds)
    if not raw.strip():
        return {}
    try:
        # `json.loads` alone would take other encodings, and surrogates in UTF-8, which can't be answered with.
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ApiError(
            "We could not parse the JSON body of your request. The body has to be valid JSON, in UTF-8."
        ) from None
    if raw.count(b"{") + raw.count(b"[") > _DEEPEST and _is_deep(value):
        raise ApiError(f"The JSON body of your request is nested too deeply: this server takes {_DEEPEST} levels.")
    # Only an escape can bring in what the store can't hold, and most bodies have none of these two.
    return clean_json(value) if b"\\u" in raw else value


async def read_model(request: Request, kind: type[B], limits: Limits) -> B:
    """Return the body of a request, checked.

    Raises
    ------
    ApiError
        Where it is not such a body.
    """
    return check_body(kind, await read_json(request, limits))


def _too_large(most: int) -> ApiError:
    return ApiError(f"The request is too large: this server takes up to {most} bytes.", status=413)


def _is_deep(value: Any) -> bool:
    level = [value]
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
