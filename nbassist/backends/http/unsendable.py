"""What of a request JSON can't hold: numbers that are none, which only Python's reader and writer know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import UsageError


def unsendable(body: Any) -> UsageError | None:
    """Return what to raise for a request that could not be written as JSON; None where all of its numbers are finite.

    Parameters
    ----------
    body : object
        Of the request, or None.
    """
    for place, value in _not_finite(body, ()):
        return UsageError(f"{'.'.join(place)} is {value}: a request can hold finite numbers only; nothing was sent")
    return None


def _not_finite(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _not_finite(inner, (*place, str(name)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _not_finite(inner, (*place, str(number)))
