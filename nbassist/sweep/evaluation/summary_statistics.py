"""How the columns of a sweep, or its wordings, stand to each other: means with intervals, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ...errors import UsageError
from ..plan import named
from ..run_list import RunList, SweepRun
from .intervals import FEWEST, LEVEL, Interval, holm, mean_interval, paired, rows_needed
from .measures import Measure, answered, measure_of

_WORTH = 0.05  # of the scale: a smaller difference is seldom worth the rows that would show it


@dataclass(frozen=True)
class Side:
    """A column, or a wording over all its columns.

    Parameters
    ----------
    name : str
        What it is called.
    columns : tuple of int
        The variants that it is made of.
    rows : mapping of int to tuple of float
        For each input what its runs are worth.
    mean : Interval
        Over the inputs.
    answered, made : int
        Runs with a usable answer, and runs.
    """

    name: str
    columns: tuple[int, ...]
    rows: Mapping[int, tuple[float, ...]]
    mean: Interval
    answered: int
    made: int


@dataclass(frozen=True)
class Against:
    """A side beside the leader: by how much it differs, the corrected p, and the rows that would tell."""

    side: Side
    difference: Interval
    p: float
    rows: int
    points: float

    @property
    def told(self) -> bool:
        """Whether they are told apart."""
        return self.difference.n >= FEWEST and self.p < 1 - LEVEL


@dataclass(frozen=True, repr=False)
class Standing:
    """How all sides stand, the leader first.

    Parameters
    ----------
    measure : Measure
        What they are compared by.
    leader : Side
        The side with the highest mean, which need not be the best.
    others : tuple of Against
        The other sides, the better first.
    repeats : int
        Of each input.
    inputs : int
        That the leader has been measured on.
    family : int
        Wordings that were tried in this notebook.
    unmeasured : int
        Sides of which nothing is known yet.
    """

    measure: Measure
    leader: Side
    others: tuple[Against, ...]
    repeats: int
    inputs: int
    family: int
    unmeasured: int = 0

    @property
    def told(self) -> bool:
        """Whether the leader is a winner: told apart from each other side."""
        return not self.unmeasured and all(one.told for one in self.others)

    @property
    def tied(self) -> tuple[Side, ...]:
        """The leader and those that can't be told from it."""
        return (self.leader, *(one.side for one in self.others if not one.told))

    @property
    def rows(self) -> int:
        """Inputs that would tell the nearest of them apart, about; 0 where that can't be said."""
        return max((one.rows for one in self.others if not one.told), default=0)

    def __str__(self) -> str:
        open_, settled = self._sides()
        verdict = "" if not self.others else ": told apart" if self.told else ": not told apart"
        return "; ".join([f"{open_}{verdict}", *([f"told apart: {settled}"] if settled else []), *self.remarks()])

    __repr__ = __str__

    @property
    def sides(self) -> str:
        """All sides, the leader first, without a verdict."""
        return " · ".join(filter(None, self._sides()))

    def _sides(self) -> tuple[str, str]:
        told = [f"{one.side.name} {self._gap(one.difference)}" for one in self.others if one.told]
        rest = [f"{one.side.name} {self._gap(one.difference)}" for one in self.others if not one.told]
        first = f"{self.leader.name} {self.number(self.leader.mean)}"
        return (" · ".join([first, *rest]), " · ".join(told)) if rest else (" · ".join([first, *told]), "")

    def remarks(self) -> list[str]:
        """Return what is to be known of it: the rows that would tell, and what is missing."""
        missing = f"{self.unmeasured:,} other, not measured yet" if self.unmeasured else ""
        return [one for one in (self._more(), missing, self.measure.note, self._answers()) if one]

    def number(self, interval: Interval) -> str:
        """Return a mean with its interval, as it is shown."""
        if self.measure.share:
            half = "" if math.isinf(interval.half) else f" ±{100 * interval.half_of_share:.0f}"
            return f"{100 * interval.value:.0f}%{half}"
        return f"{interval.value:.3g}" + ("" if math.isinf(interval.half) else f" ±{interval.half:.2g}")

    def _gap(self, interval: Interval) -> str:
        by = 100 if self.measure.share else 1
        value, half = by * interval.value, by * interval.half
        text = f"{value:+.0f}" if self.measure.share else f"{value:+.2g}"
        shown = "" if math.isinf(half) else f" ±{half:.0f}" if self.measure.share else f" ±{half:.2g}"
        return (text + shown).replace("-", "−")

    def _more(self) -> str:
        if not self.others or self.told:
            return ""
        if self.inputs <= 1:
            return "one input: repeats say nothing about other inputs"
        open_ = [one for one in self.others if not one.told and one.rows]
        if not open_:
            return ""
        most = max(open_, key=lambda one: one.rows)
        size = f"{100 * most.points:.0f} points need" if self.measure.share else f"{most.points:.2g} needs"
        return f"{size} about {most.rows:,} rows × {self.repeats}"

    def _answers(self) -> str:
        sides = [self.leader, *(one.side for one in self.others)]
        if all(side.answered == side.made for side in sides):
            return ""
        return ", ".join(f"{side.name}: {side.answered} of {side.made} answered" for side in sides)


def standing(runs: RunList, by: str = "", *, wordings: bool = False, family: int = 0) -> Standing:
    """Return how the columns stand, or the wordings over all else that is varied.

    Parameters
    ----------
    runs : RunList
        Those that were made count; of no usable answer the worst.
    by : str
        What to go by; see `measure_of`.
    wordings : bool
        Whether columns that share a wording are one side.
    family : int
        How many wordings were tried in all.

    Raises
    ------
    UsageError
        Where nothing says which is better.
    """
    measure = measure_of(runs, by)
    groups = _groups(runs, wordings)
    sides = [side for name, columns in groups.items() if (side := _side(runs, measure, name, columns)).rows]
    if not sides:
        raise UsageError("nothing says which is better: rate, check or judge the runs first")
    # All are held against the leader alone: each with each would be more comparisons to correct for, and tell less.
    order = sorted(range(len(sides)), key=lambda number: -sides[number].mean.value)
    leader = sides[order[0]]
    pairs = [(sides[number], *_shared(leader, sides[number])) for number in order[1:]]
    compared = [
        paired([fmean(r) for r in ours], [fmean(r) for r in theirs], share=measure.share) for _, ours, theirs in pairs
    ]
    # A side that shares no row with the leader is not told from it.
    corrected = holm([one.p for one in compared], max(family, len(runs.plan.variants)) - 1)
    others = []
    for (side, ours, theirs), found, p in zip(pairs, compared, corrected, strict=True):
        # A gap of next to nothing would need a million rows: what is not worth telling apart is not asked for.
        least = _WORTH * measure.scale
        difference = max(abs(found.interval.value), least) if ours else 0.0
        repeats = runs.plan.repeat * len(leader.columns)
        rows = rows_needed(ours, theirs, difference, repeats, scale=measure.scale) if ours else 0
        others.append(Against(side, found.interval, p, rows, difference))
    return Standing(
        measure, leader, tuple(others), runs.plan.repeat, len(leader.rows), family, len(groups) - len(sides)
    )


def _groups(runs: RunList, wordings: bool) -> dict[str, tuple[int, ...]]:
    plan = runs.plan
    varied = [name for name, values in plan.vary.items() if len(values) > 1]
    names = [name for name in varied if name in plan.alternatives] if wordings else varied
    found: dict[str, tuple[int, ...]] = {}
    for number, variant in enumerate(plan.variants):
        title = name_of(variant, names)
        found[title] = (*found.get(title, ()), number)
    return found


def name_of(variant: Mapping[str, object], names: Sequence[str]) -> str:
    """Return what a column is called: what is varied, with its value."""
    parts = [f"{name} = {short}" for name in names if (short := _short(named(variant[name])))]
    return ", ".join(parts) or "the only variant"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:39]}…"


def _side(runs: RunList, measure: Measure, name: str, columns: tuple[int, ...]) -> Side:
    # By row, whatever of the other things is varied: a wording that was asked of two models has both in its rows.
    rows: dict[int, tuple[float, ...]] = {}
    every: list[SweepRun] = []
    for row in range(len(runs.plan.inputs)):
        cell = [run for column in columns for run in runs.cell(row, column) if run.done]
        every += cell
        values = tuple(value for run in cell if (value := measure.value(run)) is not None)
        if values:
            rows[row] = values
    usable, made = answered(every)
    mean = mean_interval([fmean(values) for values in rows.values()], share=measure.share)
    return Side(name, columns, rows, mean, usable, made)


def _shared(first: Side, second: Side) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    rows = [row for row in first.rows if row in second.rows]
    return [first.rows[row] for row in rows], [second.rows[row] for row in rows]
