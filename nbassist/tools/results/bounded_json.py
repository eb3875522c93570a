"""Python data as JSON of a bounded length that stays valid, whatever is in it."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import json
import math
import pathlib
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any

from .lazy_values import unread
from .reprs import own_text, short_repr
from .tables import Rows

_ATOMS = (bool, int, float, str, type(None))
_WRITTEN = (datetime.date, datetime.time, decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath, complex)
_CONTAINERS = (Mapping, list, tuple, Set, deque, range, Iterator, Rows)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))

# What is tried in turn until the text fits: items of a container, characters of a string.
_STEPS = ((10**9, 10**9), (2_000, 5_000), (500, 2_000), (100, 500), (30, 200), (10, 100), (5, 50), (2, 20))
_DEPTH = 40
_DRAWN = 1_000  # items that are taken from an iterator
_SORTED = 10_000  # items of a set; a larger one stands as it is
_BITS = 13_000  # of an integer that Python turns into digits


class _TooLong(Exception):
    """The text is over its limit."""


def is_plain(value: Any) -> bool:
    """Whether JSON can say it: data, dataclass and pydantic instances, dates, bytes, iterators."""
    if isinstance(value, type):
        return False
    return (
        isinstance(value, (*_ATOMS, *_WRITTEN, *_CONTAINERS, *_VIEWS, enum.Enum, bytes, bytearray, datetime.timedelta))
        or dataclasses.is_dataclass(value)
        or _is_pydantic(value)
        or is_scalar(value)
    )


def draw(value: Any, most: int = _DRAWN) -> Any:
    """Turn an iterator into the list of what it gives, at most `most` and then a note; others are returned."""
    if not isinstance(value, Iterator) or isinstance(value, io.IOBase):
        return value
    items = list(islice(value, most))
    # One more is asked for, to know whether there are more.
    if len(items) == most and next(value, items) is not items:
        items.append(f"… and more: only the first {most:,} were taken")
    return items


def to_json(value: Any, limit: int) -> str:
    """Return JSON text of about `limit` characters at most; what is left out is noted in its place.

    NaN and the infinities are strings, since JSON has none; a cycle is ``"<cycle>"``; bytes are their repr.
    """
    for items, characters in _STEPS:
        try:
            data = _Writer(items, characters, limit).write(value, 0)
            text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        except _TooLong:
            continue
        if len(text) <= limit:
            return text
    return json.dumps(f"<{type(value).__name__}, too large to show>")


class _Writer:
    """Turns a value into what `json.dumps` takes; raises `_TooLong` as soon as it is sure not to fit."""

    def __init__(self, items: int, characters: int, limit: int) -> None:
        self.items = items
        self.characters = characters
        self.left = limit
        self.open: set[int] = set()

    def write(self, value: Any, depth: int) -> Any:
        # Each value takes two characters at least, so an endless structure is found out before it is written.
        self._spend(2)
        if isinstance(value, enum.Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            # Python refuses to turn integers of more than 4,300 digits into text.
            return int(value) if value.bit_length() < _BITS else f"<an integer of {value.bit_length():,} bits>"
        if isinstance(value, float):
            return (
                float(value)
                if math.isfinite(value)
                else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]
            )
        if isinstance(value, str):
            return self._string(value)
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, bytes | bytearray):
            return self._string(_of_bytes(value))
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, (*_WRITTEN, datetime.timedelta)):
            return self._string(str(value))
        if is_scalar(value):
            return self.write(value.item(), depth)
        # The containers that this one stands in, not all that were seen: one that stands twice side by side is no
        # cycle.
        if id(value) in self.open:
            return "<cycle>"
        if depth > _DEPTH:
            return "<deeper levels left out>"
        self.open.add(id(value))
        try:
            return self._container(value, depth + 1)
        finally:
            self.open.discard(id(value))

    def _container(self, value: Any, depth: int) -> Any:
        if _is_pydantic(value):
            return self._mapping({name: getattr(value, name) for name in type(value).model_fields}, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return self._mapping({name: getattr(value, name) for name in names if hasattr(value, name)}, depth)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._mapping(dict(zip(value._fields, value, strict=True)), depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if said := unread(value):
            return f"<{said}>"
        if isinstance(value, (Sequence, Set, deque, *_VIEWS)):
            return self._sequence(value, depth)
        return self._string(_described(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for key, item in islice(value.items(), self.items):
            name = key if isinstance(key, str) else str(key.value if isinstance(key, enum.Enum) else key)
            written[self._string(name)] = self.write(item, depth)
        if len(value) > self.items:
            written["…"] = f"{len(value) - self.items:,} more of {len(value):,} keys"
        return written

    def _sequence(self, value: Any, depth: int) -> list[Any]:
        shown: Iterable[Any] = value
        if isinstance(value, Set) and not isinstance(value, _VIEWS):
            shown = _sorted(value)
        written = [self.write(item, depth) for item in islice(shown, self.items)]
        if len(value) > self.items:
            written.append(f"… {len(value) - self.items:,} more of {len(value):,}")
        return written

    def _string(self, text: str) -> str:
        if len(text) > self.characters:
            text = f"{text[: self.characters]}… {len(text) - self.characters:,} more characters"
        self._spend(len(text))
        return str(text)

    def _spend(self, characters: int) -> None:
        self.left -= characters
        if self.left < 0:
            raise _TooLong


def _of_bytes(value: bytes | bytearray) -> str:
    if len(value) <= 200:
        return repr(bytes(value))
    return f"<{len(value):,} bytes, beginning with {bytes(value[:40])!r}>"


def _described(value: Any) -> str:
    from . import tables

    own = unread(value) or own_text(value)
    if own is None:
        own = tables.to_text(value, 2_000)
    return short_repr(value, 500) if own is None else own


def _sorted(value: Set[Any]) -> Iterable[Any]:
    try:
        return sorted(value) if len(value) <= _SORTED else value
    except TypeError:
        return value


def _is_pydantic(value: Any) -> bool:
    return not isinstance(value, type) and isinstance(getattr(type(value), "model_fields", None), dict)


def is_scalar(value: Any) -> bool:
    """Whether it is a number of numpy, or an array that holds nothing else; told without importing numpy."""
    return type(value).__module__.partition(".")[0] == "numpy" and getattr(value, "shape", None) == ()
