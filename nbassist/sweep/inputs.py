"""What a sweep goes over: rows of a table, items of a collection; and the names that a prompt has for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import UsageError

MOST = 100_000
"""Inputs; more are not one sweep."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Parameters
    ----------
    index : object
        What it is called: a row's label, a mapping's key, else its position.
    names : mapping of str to object
        What the prompt calls it: `row` or `item`, and `index`.
    label : str
        A few words, for the grid.
    """

    index: Any
    names: Mapping[str, Any]
    label: str


def inputs_of(over: Any) -> tuple[Input, ...]:
    """Return the inputs in `over`, in its order; one without a name where it is None.

    Raises
    ------
    UsageError
        Where it can't be gone over, is empty, or has more than `MOST`.
    """
    if over is None:
        return (Input(0, {}, ""),)
    if isinstance(over, str | bytes) or not isinstance(over, Iterable):
        raise UsageError(f"a sweep goes over a table or a collection, not a {type(over).__name__}")
    if hasattr(over, "iterrows") and hasattr(over, "columns"):
        found = [
            Input(index, {"row": row, "item": row, "index": index}, _label(list(row)))
            for index, row in islice(over.iterrows(), MOST + 1)
        ]
    else:
        named: Any = over
        pairs = named.items() if isinstance(over, Mapping) or hasattr(over, "iloc") else enumerate(over)
        found = [
            Input(index, {"item": item, "row": item, "index": index}, _label([item]))
            for index, item in islice(pairs, MOST + 1)
        ]
    if not found:
        raise UsageError("there is nothing to go over: it is empty")
    if len(found) > MOST:
        raise UsageError(f"a sweep goes over at most {MOST:,} inputs")
    return tuple(found)


def _label(values: list[Any]) -> str:
    text = " · ".join(" ".join(str(value).split()) for value in values)
    return text if len(text) <= 80 else text[:79] + "…"
