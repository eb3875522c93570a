"""How far a judge can be trusted: beside the person's ratings, and by what its scores go with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from ..run_list import RunList, SweepRun
from .intervals import Interval, corrected_mean, correlation, kappa_interval
from .judge import HIGHEST, LOWEST
from .measures import points
from .summary_statistics import name_of

_FEW = 5  # ratings: of fewer nothing is said
_FOLLOWS = 0.3
_GOOD = 4  # of the judge's scores


@dataclass(frozen=True, repr=False)
class Trust:
    """A judge beside a person.

    Parameters
    ----------
    rubric : str
        By which it judged.
    rated : int
        Replies that both saw.
    kappa, low, high : float
        Cohen's kappa of good or not, with its interval; nan where it can't be said.
    corrected : mapping of str to Interval
        For each column the share of good replies that the person would find (prediction-powered inference).
    length : float
        The correlation of score and length; nan where either does not vary.
    """

    rubric: str
    rated: int
    kappa: float
    low: float
    high: float
    corrected: Mapping[str, Interval]
    length: float

    @property
    def lines(self) -> list[str]:
        """What there is to say, a line each; nothing where there is nothing."""
        found = []
        if self.rated >= _FEW:
            agreed = (
                "can't be said" if math.isnan(self.kappa) else f"{self.kappa:.2f} ({self.low:.2f} to {self.high:.2f})"
            )
            found.append(f"{self.rubric} beside your ratings: κ {agreed} on {self.rated:,} replies")
            shown = [
                f"{name} {100 * one.value:.0f}%" + ("" if math.isinf(one.half) else f" ±{100 * one.half:.0f}")
                for name, one in self.corrected.items()
            ]
            if shown:
                found.append(f"{self.rubric}, corrected by your ratings: {' · '.join(shown)}")
        if not math.isnan(self.length) and abs(self.length) > _FOLLOWS:
            found.append(f"{self.rubric}: scores follow the length of the reply (r = {self.length:.2f})")
        return found

    def __repr__(self) -> str:
        return "\n".join(self.lines) or f"{self.rubric}: {self.rated:,} replies are rated, too few to say anything"


def trust(runs: RunList, rubric: str) -> Trust:
    """Return how far the judge of a rubric can be trusted.

    A score of 4 or 5 is good, as is a rating of at least half; replies without a usable answer say nothing of a judge.
    """
    plan = runs.plan
    varied = [name for name, values in plan.vary.items() if len(values) > 1]
    seen = [
        [run for column in range(len(plan.variants)) for run in runs.cell(row, column) if _both(run, rubric)]
        for row in range(len(plan.inputs))
    ]
    rows = [[(run.scores[rubric] >= _GOOD, _rated_good(run)) for run in row] for row in seen if row]
    agreed = kappa_interval(rows) if rows else (math.nan, math.nan, math.nan)
    corrected = {}
    for column, variant in enumerate(plan.variants):
        judged = [
            mean for row in range(len(plan.inputs)) if (mean := _row_mean(runs.cell(row, column), rubric)) is not None
        ]
        both = [
            pair for row in range(len(plan.inputs)) if (pair := _row_pair(runs.cell(row, column), rubric)) is not None
        ]
        if len(both) >= 2:
            corrected[name_of(variant, varied)] = corrected_mean(judged, both)
    usable = [run for run in runs.touched() if run.ok and rubric in run.scores]
    length = correlation([run.scores[rubric] for run in usable], [float(len(run.text)) for run in usable])
    return Trust(rubric, sum(map(len, rows)), *agreed, corrected, length)


def _both(run: SweepRun, rubric: str) -> bool:
    return run.ok and rubric in run.scores and points(run.rating) is not None


def _rated_good(run: SweepRun) -> bool:
    worth = points(run.rating) or 0.0
    return worth >= 0.5 if worth <= 1.0 else worth > (LOWEST + HIGHEST) / 2


def _row_mean(cell: list[SweepRun], rubric: str) -> float | None:
    found = [float(run.scores[rubric] >= _GOOD) for run in cell if rubric in run.scores]
    return fmean(found) if found else None


def _row_pair(cell: list[SweepRun], rubric: str) -> tuple[float, float] | None:
    found = [run for run in cell if _both(run, rubric)]
    if not found:
        return None
    return fmean(float(run.scores[rubric] >= _GOOD) for run in found), fmean(float(_rated_good(run)) for run in found)
