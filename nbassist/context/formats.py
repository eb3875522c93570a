"""How a value stands in a prompt: each format takes the value and a number, 0 where none is given.

Every format is bounded before it converts, and changes nothing: see `introspection`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from ..errors import UsageError
from ..tools.results import bounded_json, tables
from ..tools.results.lazy_values import is_lazy, unread
from ..tools.results.reprs import LIMIT, brief, cut, is_collection, own_text, short_repr, without_addresses
from ..tools.results.tables import Rows, rows_of
from .introspection import bounded_in_time

_HEAD = 5
_CELL = 500  # characters of one cell of a table
_MOST = 2_000  # rows of a table that are laid out as text


def as_text(value: Any, number: int = 0) -> str:
    """Return a table or array as its shape, types and first rows, and anything else as its `str`."""
    limit = number or LIMIT
    if isinstance(value, str):
        return cut(value, limit)
    if is_collection(value):
        return brief(value, limit)
    if bounded_json.is_scalar(value):
        return str(value)
    text = unread(value) or own_text(value) or tables.to_text(value, limit)
    return cut(_str(value) if text is None else text, limit)


def as_head(value: Any, number: int) -> str:
    """Return the first rows of a table, items of a collection, or lines of a text: 5, or as many as asked for."""
    count = number or _HEAD
    if isinstance(value, str):
        return _of(cut(_first_lines(value, count), LIMIT), count, value.count("\n") + 1, "lines")
    if is_lazy(value):
        return as_text(value)
    rows = rows_of(value)
    if rows is not None and rows.columns:
        shown = min(count, len(rows), _MOST)
        return _of(cut(tables.first_rows(value, shown, _CELL), LIMIT), shown, len(rows), "rows")
    if isinstance(value, Mapping):
        first: Any = dict(islice(value.items(), count))
    elif hasattr(value, "__getitem__") and hasattr(value, "__len__"):
        # A slice and not a walk: whatever can be sliced gives its beginning without the rest.
        first = value[: min(count, LIMIT)]
    else:
        return as_text(value)
    text = brief(first, LIMIT) if is_collection(first) else short_repr(first)
    return _of(text, count, len(value), "items")


def as_json(value: Any, number: int) -> str:
    """Return the value as JSON, cut in a way that leaves it valid; a table as a list of its rows."""
    said = unread(value)
    if said:
        # What is said in words of a value is JSON all the same, where JSON was asked for.
        return json.dumps(said, ensure_ascii=False)
    rows = rows_of(value)
    return bounded_json.to_json(value if rows is None else rows, number or LIMIT)


def as_markdown(value: Any, number: int) -> str:
    """Return a table, or a list of mappings, as a table of markdown."""
    if is_lazy(value):
        return as_text(value)
    rows, columns = _table(value)
    lines = ["| " + " | ".join(map(_cell, columns)) + " |", "|" + " --- |" * len(columns)]
    size, shown, most = sum(map(len, lines)), 0, min(number or len(rows), len(rows))
    for row in islice(rows, most):
        line = "| " + " | ".join(map(_cell, row)) + " |"
        size += len(line)
        # The first row always stands, however long it is.
        if shown and size > LIMIT:
            break
        lines.append(line)
        shown += 1
    return _of(cut("\n".join(lines), 2 * LIMIT), shown, len(rows), "rows")


def as_repr(value: Any, number: int) -> str:
    """Return the value as its `repr`."""
    limit = number or LIMIT
    if is_collection(value):
        return brief(value, limit)
    return unread(value) or short_repr(value, limit)


FORMATS: Mapping[str, Callable[[Any, int], str]] = {
    "head": as_head,
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
    "repr": as_repr,
}


def formatted(name: str, value: Any, number: int = 0) -> str:
    """Return a value in the format called `name`, within the time that one look may take."""
    return bounded_in_time(value, lambda: FORMATS[name](value, number))


def _table(value: Any) -> tuple[Any, tuple[str, ...]]:
    rows = rows_of(value)
    if rows is not None and rows.cells is not None:
        return Rows(len(rows), rows.cells), rows.columns
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in islice(value, _MOST)):
        columns = tuple(dict.fromkeys(str(key) for row in islice(value, _MOST) for key in row))
        return _Listed(value, columns), columns
    raise UsageError(f"{{{{ … | markdown }}}} takes a table or a list of mappings, not a {type(value).__name__}")


class _Listed:
    """The rows of a list of mappings."""

    def __init__(self, rows: list[Mapping[Any, Any]], columns: tuple[str, ...]) -> None:
        self._rows, self._columns = rows, columns

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Any:
        return ([row.get(column, "") for column in self._columns] for row in self._rows)


def _first_lines(text: str, count: int) -> str:
    end = -1
    for _ in range(count):
        end = text.find("\n", end + 1)
        if end < 0:
            return text
    return text[:end]


def _cell(value: Any) -> str:
    text = brief(value, _CELL) if is_collection(value) else unread(value) or _str(value)
    return cut(text, _CELL).replace("|", "\\|").replace("\n", " ")


def _of(text: str, shown: int, count: int, what: str) -> str:
    return f"{text}\n[the first {shown:,} of {count:,} {what}]" if shown < count else text


def _str(value: Any) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - the object's own code
        return short_repr(value)
    return without_addresses(cut(text, LIMIT))
