"""Events as JSON and back, each with the seconds since the first."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeAlias, get_args

from ..core import events
from ..core.events import Event, ImageData, Usage

Timed: TypeAlias = tuple[float, Event]
"""Seconds since the first event, and the event."""

_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(events.Event)}


def to_json(timed: Iterable[Timed]) -> list[dict[str, Any]]:
    """Return events as objects that `json.dumps` takes; a field at its default is left out."""
    return [{"t": round(seconds, 4), "event": type(event).__name__, **_fields(event)} for seconds, event in timed]


def from_json(items: Iterable[Mapping[str, Any]]) -> tuple[Timed, ...]:
    """Read what `to_json` wrote.

    Raises
    ------
    ValueError
        Where it is nothing of the kind.
    """
    try:
        return tuple((float(item["t"]), _event(item)) for item in items)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a recorded run: {error}") from error


def pack(timed: Iterable[Timed]) -> bytes:
    """Return events as compressed JSON."""
    return zlib.compress(json.dumps(to_json(timed), ensure_ascii=False, separators=(",", ":")).encode(), 6)


def unpack(data: bytes) -> tuple[Timed, ...]:
    """Read what `pack` wrote; ValueError where it is damaged."""
    try:
        return from_json(json.loads(zlib.decompress(data)))
    except zlib.error as error:
        raise ValueError(f"a recorded run is damaged: {error}") from error


def _fields(value: Any) -> dict[str, Any]:
    found = {}
    for name, default in _defaults(type(value)):  # type: ignore[arg-type]  # a class is hashable
        content = getattr(value, name)
        # A field with a factory has no default to compare with; empty is what each of those makes.
        if content != default and not (content in ({}, ()) and not isinstance(content, float)):
            found[name] = content if isinstance(content, str | int | float) else _plain(content)
    return found


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    # Kept for each class: `fields` walks through it each time, and a reply has thousands of events.
    return tuple((field.name, field.default) for field in fields(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        # Marked by a key that no field has, since JSON has no bytes.
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, ImageData):
        return {"$image": value.media_type, "data": base64.b64encode(value.data).decode("ascii")}
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _event(item: Mapping[str, Any]) -> Event:
    kind = _KINDS[item["event"]]
    named = {name: _read(name, value) for name, value in item.items() if name not in ("t", "event")}
    made: Event = kind(**named)
    return made


def _read(name: str, value: Any) -> Any:
    if name == "usage":
        return Usage(**value)
    if isinstance(value, Mapping):
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
        if "$image" in value:
            return ImageData(value["$image"], base64.b64decode(value["data"]))
        return {key: _read("", item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_read("", item) for item in value]
        # JSON has lists alone; these fields are tuples, as events are frozen.
        return tuple(items) if name in ("display", "images", "thoughts") else items
    return value
