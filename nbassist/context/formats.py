"""How a value stands in a prompt: each format takes the value and a number, 0 where none is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError
from ..tools import plain, tables
from ..tools.reprs import LIMIT, cut, own_text, short_repr

_HEAD = 5


def as_text(value: Any, number: int = 0) -> str:
    """Return a table or array as its shape, types and first rows, and anything else as its `str`."""
    limit = number or LIMIT
    if isinstance(value, str):
        return cut(value, limit)
    text = own_text(value)
    if text is None:
        text = tables.to_text(value, limit)
    return cut(_str(value) if text is None else text, limit)


def as_head(value: Any, number: int) -> str:
    """Return the first rows of a table, items of a collection, or lines of a text: 5, or as many as asked for."""
    count = number or _HEAD
    if isinstance(value, str):
        lines = value.splitlines()
        return _of("\n".join(lines[:count]), count, len(lines), "lines")
    if hasattr(value, "head") and hasattr(value, "shape"):
        first = value.head(count)
        text = first.to_string() if hasattr(first, "to_string") else str(first)
        return _of(cut(text, LIMIT), count, value.shape[0], "rows")
    if isinstance(value, Mapping):
        first = dict(list(value.items())[:count])
        return _of(short_repr(first), count, len(value), "items")
    if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
        return _of(short_repr(value[:count]), count, len(value), "items")
    return as_text(value)


def as_json(value: Any, number: int) -> str:
    """Return the value as JSON, cut in a way that leaves it valid; a table as a list of its rows."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        value = value.to_dict(orient="records")
    elif hasattr(value, "tolist") and hasattr(value, "shape"):
        value = value.tolist()
    return plain.to_json(value, number or LIMIT)


def as_markdown(value: Any, number: int) -> str:
    """Return a table, or a list of mappings, as a table of markdown."""
    rows, columns = _rows(value)
    shown = rows[:number] if number else rows
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in shown:
        lines.append("| " + " | ".join(_cell(one) for one in row) + " |")
        if sum(map(len, lines[-1:])) and sum(len(line) for line in lines) > LIMIT:
            break
    return _of("\n".join(lines), len(lines) - 2, len(rows), "rows")


def as_repr(value: Any, number: int) -> str:
    """Return the value as its `repr`."""
    return short_repr(value, number or LIMIT)


FORMATS: Mapping[str, Callable[[Any, int], str]] = {
    "head": as_head,
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
    "repr": as_repr,
}


def _rows(value: Any) -> tuple[list[list[Any]], list[str]]:
    if hasattr(value, "to_frame") and not hasattr(value, "columns"):
        value = value.to_frame()
    if hasattr(value, "columns") and hasattr(value, "itertuples"):
        return [list(row) for row in value.itertuples()], ["", *map(str, value.columns)]
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        columns = list(dict.fromkeys(str(key) for row in value for key in row))
        return [[row.get(column, "") for column in columns] for row in value], columns
    raise UsageError(f"{{{{ … | markdown }}}} takes a table or a list of mappings, not a {type(value).__name__}")


def _cell(value: Any) -> str:
    return _str(value).replace("|", "\\|").replace("\n", " ")


def _of(text: str, shown: int, count: int, what: str) -> str:
    return f"{text}\n[the first {shown:,} of {count:,} {what}]" if shown < count else text


def _str(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the object's own code
        return short_repr(value)
