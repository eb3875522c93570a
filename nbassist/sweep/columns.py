"""What can be said of each variant: medians, agreement between repeats, and what the judging came to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from statistics import fmean, median
from typing import Any

from .onerun import Run
from .runlist import RunList

_GOOD = {"good": 1.0, "bad": 0.0, "yes": 1.0, "no": 0.0, "ok": 1.0}


def points(rating: str) -> float | None:
    """Return what a rating is worth: `good` is 1 and `bad` is 0, a number is itself; None for other words."""
    word = rating.strip().lower()
    if word in _GOOD:
        return _GOOD[word]
    try:
        return float(word)
    except ValueError:
        return None


def agreement(runs: RunList, variant: int) -> float | None:
    """Return the share of pairs of repeats that say the same, over all inputs; None where there are no pairs.

    Case, and how words are spaced, do not count; where replies are read into values, the values are compared.
    """
    shares: list[float] = []
    for row in range(len(runs.plan.inputs)):
        said = [_said(run) for run in runs.cell(row, variant) if run.ok]
        pairs = [first == second for first, second in combinations(said, 2)]
        if pairs:
            shares.append(fmean(pairs))
    return fmean(shares) if shares else None


def median_of(runs: Iterable[Run], value: Callable[[Run], Any]) -> float | None:
    """Return the median of what is known; None where nothing is."""
    found = [number for run in runs if run.ok and (number := value(run)) is not None]
    return float(median(found)) if found else None


def passed(runs: Iterable[Run], check: str) -> float | None:
    """Return the share of runs that passed a check; None where none was checked."""
    found = [run.checks[check] for run in runs if check in run.checks]
    return fmean(found) if found else None


def rated(runs: Iterable[Run]) -> float | None:
    """Return the mean of the ratings that are worth something; None where there are none."""
    found = [worth for run in runs if (worth := points(run.rating)) is not None]
    return fmean(found) if found else None


def scored(runs: Iterable[Run]) -> float | None:
    """Return the mean of the judge's scores; None where there are none."""
    found = [run.score for run in runs if run.score is not None]
    return fmean(found) if found else None


def different_rows(runs: RunList) -> list[int]:
    """Return the numbers of the inputs whose replies do not all say the same."""
    size = len(runs.plan.variants) * runs.plan.repeat
    rows = range(len(runs.plan.inputs))
    said = [[_said(run) for run in runs.runs[row * size : (row + 1) * size]] for row in rows]
    return [row for row in rows if any(one != said[row][0] for one in said[row])]


def _said(run: Run) -> Any:
    if run.reply is not None and run.reply.value is not None:
        return run.reply.value
    return " ".join(run.text.split()).casefold() or run.error
