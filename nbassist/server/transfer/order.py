"""In which order objects are written, where their times do not say it: those of one second, as most of a turn are.

The API lists the newest first, and so do dumps of what it listed, in one list or in many pages; what people wrote down
themselves begins with the oldest. An export of ours says the place of each object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .reading import FoundObjects, Kind
from .rows import Row
from .shapes import instant

_WITHIN: Mapping[Kind, str] = {"message": "thread_id", "run": "thread_id", "step": "run_id"}


@dataclass(frozen=True, slots=True)
class OrderHint:
    """What an object says of its place among its like.

    Parameters
    ----------
    time : float or None
        When it was made, in seconds since 1970.
    place : int or None
        Its place in an export of ours.
    is_listed : bool
        Whether it is as the API lists it, and not a role and a text alone.
    is_answer : bool
        Whether it comes of what was there before, so that it is hardly ever the first.
    """

    time: float | None
    place: int | None
    is_listed: bool
    is_answer: bool


def hint_of(found: FoundObjects) -> OrderHint:
    """Return what an object says of its place."""
    value, time = found.value, instant(found.value.get("created_at"))
    own = value.get("nbassist")
    place = own.get("place") if isinstance(own, Mapping) else None
    details = value.get("step_details")
    is_answer = isinstance(details, Mapping) and details.get("type") == "message_creation"
    return OrderHint(
        time,
        place if isinstance(place, int) else None,
        found.kind in _WITHIN and "object" in value and time is not None,
        is_answer or (found.kind == "message" and bool(value.get("run_id"))),
    )


def in_order(kind: Kind, rows: Mapping[str, Row], hints: Mapping[str, OrderHint]) -> list[Row]:
    """Return rows, which stand as they were found, oldest first.

    Parameters
    ----------
    hints : mapping
        What the object of each row said of its place, under the row's key; nothing for what was made here.
    """
    keys = list(rows)
    within = _WITHIN.get(kind)
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(str(rows[key][within]) if within else "", []).append(index)
    ordered = list(keys)
    for places in groups.values():
        # Each thread keeps the places that it had among the others.
        for index, key in zip(places, _of_group([keys[index] for index in places], hints), strict=True):
            ordered[index] = key

    def time(key: str) -> float:
        said, kept = hints[key].time if key in hints else None, int(rows[key]["created_at"])
        return said if said is not None and int(said) == kept else kept

    return [rows[key] for key in sorted(ordered, key=time)]


def _of_group(keys: Sequence[str], hints: Mapping[str, OrderHint]) -> Sequence[str]:
    said = [hints[key] for key in keys if key in hints]
    placed = {key: place for key in keys if key in hints and (place := hints[key].place) is not None}
    if len(placed) == len(keys):
        return sorted(keys, key=placed.__getitem__)
    # The many count: where pages or dumps meet, the time jumps the other way.
    times = [one.time for one in said if one.time is not None]
    later = sum(first < second for first, second in pairwise(times))
    sooner = sum(first > second for first, second in pairwise(times))
    if not later and not sooner:
        # An answer at one end alone tells which one is the newest.
        is_listed = len(said) == len(keys) and all(one.is_listed for one in said)
        return keys[::-1] if is_listed and not said[-1].is_answer > said[0].is_answer else keys
    return keys[::-1] if sooner > later else keys
