"""What columns are compared by: ratings, a judge's scores, checks; and medians, agreement and counts of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, median
from typing import Any

from ...errors import JournalError, UsageError
from ..run_list import RunList, SweepRun

_SHORT = 80
"""Characters; longer texts are not compared letter by letter: no two would agree."""
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

    Case, and how words are spaced, do not count; where replies are read into values, the values are compared. What has
    no usable answer agrees with nothing. Of free text, longer than a label, it is None, too.
    """
    if runs.plan.repeat == 1 or _is_free([run for run in runs.column(variant) if run.ok]):
        return None
    shares: list[float] = []
    for row in range(len(runs.plan.inputs)):
        made = [run for run in runs.cell(row, variant) if run.done]
        pairs = [a.ok and b.ok and said_of(a) == said_of(b) for a, b in combinations(made, 2)]
        if pairs:
            shares.append(fmean(pairs))
    return fmean(shares) if shares else None


def _is_free(runs: list[SweepRun]) -> bool:
    lengths = [len(run.text) for run in runs if run.reply is not None and run.reply.value is None]
    return bool(lengths) and median(lengths) > _SHORT


def answered(runs: Iterable[SweepRun]) -> tuple[int, int]:
    """Return how many runs have a usable answer, and of how many that were made."""
    made = [run for run in runs if run.done]
    return sum(run.ok for run in made), len(made)


def median_of(runs: Iterable[SweepRun], value: Callable[[SweepRun], Any]) -> float | None:
    """Return the median of what is known; None where nothing is."""
    found = [number for run in runs if run.ok and (number := value(run)) is not None]
    return float(median(found)) if found else None


def passed(runs: Iterable[SweepRun], check: str) -> float | None:
    """Return the share of runs that passed a check, or the mean of what it measured; None where none was checked."""
    found = [float(run.checks[check]) for run in runs if check in run.checks]
    return fmean(found) if found else None


def rated(runs: Sequence[SweepRun]) -> float | None:
    """Return the mean of the ratings that are worth something; None where there are none.

    What failed and was not rated is worth nothing, as soon as any is rated.
    """
    found = [worth for run in runs if (worth := rating_of(run)) is not None]
    return fmean(found) if any(points(run.rating) is not None for run in runs) else None


def rating_of(run: SweepRun) -> float | None:
    """Return what the person's rating is worth, 0 for a run that failed; None where there is none."""
    worth = points(run.rating)
    return 0.0 if worth is None and run.done and not run.ok else worth


def scored(runs: Iterable[SweepRun], rubric: str = "") -> float | None:
    """Return the mean of the judge's scores, by one rubric or by all; None where there are none."""
    scores = [run.scores.get(rubric) if rubric else run.score for run in runs]
    found = [score for score in scores if score is not None]
    return fmean(found) if found else None


def different_rows(runs: RunList) -> list[int]:
    """Return the numbers of the inputs whose replies do not all say the same."""
    size = len(runs.plan.variants) * runs.plan.repeat
    rows = range(len(runs.plan.inputs))
    said = [[said_of(run) for run in runs.runs[row * size : (row + 1) * size]] for row in rows]
    return [row for row in rows if any(one != said[row][0] for one in said[row])]


def said_of(run: SweepRun) -> Any:
    """Return what of a reply is compared: its value, else its words."""
    if run.reply is not None and run.reply.value is not None:
        return run.reply.value
    return " ".join(run.text.split()).casefold() or run.error


@dataclass(frozen=True)
class Measure:
    """What columns are compared by.

    Parameters
    ----------
    name : str
        What it is called.
    value : callable
        Of a run; None where it has none.
    scale : float
        From the worst to the best; 0 where that is not known.
    note : str
        What is to be known of it, such as how many are rated.
    """

    name: str
    value: Callable[[SweepRun], float | None]
    scale: float = 0.0
    note: str = ""

    @property
    def share(self) -> bool:
        """Whether it goes from 0 to 1, and is shown in per cent."""
        return self.scale == 1.0


def measures(runs: RunList) -> list[Measure]:
    """Return what there is to go by: ratings, the judge's scores, checks; few ratings go last."""
    made = [run for run in runs.touched() if run.done]
    rated = [run for run in made if points(run.rating) is not None]
    found = []
    if any(run.scores for run in made):
        judged = sum(run.score is not None for run in made)
        note = "" if judged == len(made) else f"{judged:,} of {len(made):,} judged"
        found.append(Measure("judge's score", lambda run: run.score, 4.0, note))
    if any(run.checks for run in made):
        yes_or_no = all(isinstance(value, bool) for run in made for value in run.checks.values())
        found.append(Measure("checks passed" if yes_or_no else "checks", _checked, 1.0 if yes_or_no else 0.0))
    if rated:
        worth = [points(run.rating) or 0.0 for run in rated]
        scale = 1.0 if max(worth) <= 1.0 and min(worth) >= 0.0 else 0.0
        note = f"{len(rated):,} of {len(made):,} rated" if len(rated) < len(made) else ""
        ours = Measure("rating", rating_of, scale, note)
        most = 2 * len(rated) >= sum(run.ok for run in made)
        if most and _everywhere(runs):
            return [ours, *found]
        found = [replace(one, note="; ".join(filter(None, (one.note, f"{note}, too few to go by")))) for one in found]
        found.append(ours)
    return found


def measure_of(runs: RunList, by: str) -> Measure:
    """Return the measure of that name: `rating`, `judge`, a check or a rubric; the first that there is for "".

    Raises
    ------
    UsageError
        Where there is none.
    """
    found = measures(runs)
    if not by:
        if not found:
            raise UsageError("nothing says which is better: rate, check or judge the runs first")
        return found[0]
    if by in runs.check_names:
        values = [run.checks[by] for run in runs.touched() if by in run.checks]
        yes_or_no = all(isinstance(value, bool) for value in values)
        return Measure(by, lambda run: run.checks.get(by), 1.0 if yes_or_no else 0.0)
    if by in runs.rubric_names:
        return Measure(by, lambda run: run.scores.get(by), 4.0)
    for one in found:
        if one.name.startswith(by) or one.name.endswith(by):
            return one
    known = [*runs.check_names, *runs.rubric_names, *(one.name for one in found)]
    raise UsageError(f"there is nothing called {by!r} to go by; there are {', '.join(dict.fromkeys(known)) or 'none'}")


def _everywhere(runs: RunList) -> bool:
    columns = (runs.column(number) for number in range(len(runs.plan.variants)))
    return all(any(points(run.rating) is not None for run in column) for column in columns)


def _checked(run: SweepRun) -> float | None:
    return fmean(map(float, run.checks.values())) if run.checks else None


class RatingBook:
    """Writes ratings, and gives replies those that they have from before.

    Parameters
    ----------
    assistant : Assistant
        Whose journal, and file of replies, keep them.
    """

    def __init__(self, assistant: Any) -> None:
        self._assistant = assistant
        self._made = time.time()

    def keep(self, run: SweepRun, name: str) -> None:
        """Write the rating of a run, which the journal knows by `name`."""
        if self._assistant.journal is not None:
            self._assistant.journal.rate_named(name, run.rating, since=self._made)
        for store in self._stores:
            if run.key:
                store.keep_rating(run.key, run.rating)

    def find(self, runs: RunList) -> None:
        """Give replies that are not rated the ratings that they have from before."""
        found = {run.key: run for run in runs.touched() if run.key and not run.rating}
        for store in self._stores if found else ():
            with suppress(JournalError):  # what can't be read is not worth the sweep
                for key, rating in store.kept_ratings(list(found)).items():
                    found[key].rating = rating

    @property
    def _stores(self) -> list[Any]:
        stores = (self._assistant.journal, self._assistant.replies)
        return [store for store in stores if hasattr(store, "keep_rating")]
