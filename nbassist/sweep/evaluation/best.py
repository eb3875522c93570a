"""The best variant, where there is one, else those that can't be told apart; and successive halving."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any

from ..run_list import RunList, SweepRun
from .measures import rated
from .summary_statistics import Standing, standing


@dataclass(frozen=True, slots=True)
class Best:
    """What leads, and whether it is the best.

    Parameters
    ----------
    number : int
        Which of the variants leads.
    variant : mapping
        What it has of what is varied.
    told : bool
        Whether it is the winner: told apart from each other.
    tied : tuple of str
        Those that can't be told apart, the leader first; the winner alone where there is one.
    rows : int
        Inputs that would tell them apart, about; 0 where that can't be said, or need not be.
    why : str
        What it went by, and how all stand.
    run : int
        The best run of what leads.
    """

    number: int
    variant: Mapping[str, Any]
    told: bool
    tied: tuple[str, ...]
    rows: int
    why: str
    run: int

    def __str__(self) -> str:
        if not self.told:
            return f"not told apart: {self.why}"
        return f"{self.tied[0]} (run {self.run}): {self.why}"

    __repr__ = __str__


def best(runs: RunList, by: str = "", *, wordings: bool = False, family: int = 0) -> Best:
    """Return the best variant: by ratings, then the judge's scores, then checks, the first of them that there is.

    Ratings of fewer than half of the replies, or of some columns alone, go last. The parameters are those of
    `nbassist.sweep.evaluation.summary_statistics.standing`.

    Raises
    ------
    UsageError
        Where nothing says which is better.
    """
    found: Standing = standing(runs, by, wordings=wordings, family=family)
    columns = found.leader.columns
    # Of the leader alone: the best single run of all may be luck of a wording that loses.
    candidates = [run for column in columns for run in runs.column(column)]
    run = max((run for run in candidates if run.ok), key=_worth, default=candidates[0])
    number = columns[0]
    return Best(
        number,
        runs.plan.variants[number],
        found.told,
        tuple(side.name for side in found.tied),
        0 if found.told else found.rows,
        "; ".join([f"{found.measure.name}: {found.sides}", *found.remarks()]),
        run.task.number,
    )


def _worth(run: SweepRun) -> tuple[float, float, float]:
    passed = fmean(map(float, run.checks.values())) if run.checks else 0.0
    return rated([run]) or 0.0, run.score or 0.0, passed


@dataclass(frozen=True, slots=True)
class Rung:
    """How many columns are asked on how many inputs, those of earlier rungs included."""

    columns: int
    inputs: int


def rungs(columns: int, inputs: int) -> list[Rung]:
    """Return the rungs: 8 columns and 400 inputs give 8 on 100, 4 on 200, 2 on 400."""
    # As many rungs as halvings down to two: the last two are asked on all rows, and compared on all.
    count = max(1, math.ceil(math.log2(max(columns, 2))))
    found = []
    for step in range(count):
        size = max(1, math.ceil(inputs / 2 ** (count - 1 - step)))
        found.append(Rung(max(2, math.ceil(columns / 2**step)) if columns > 1 else 1, min(size, inputs)))
    return found


def halve(
    runs: RunList, ask: Callable[[list[SweepRun]], None], by: str = "", told: Callable[[str], None] = lambda line: None
) -> list[int]:
    """Ask rung by rung, and return the columns that were asked to the end, the leader first.

    Parameters
    ----------
    runs : RunList
        Those of a plan; they are filled in as they are asked.
    ask : callable
        Asks some runs, and checks and judges them.
    by : str
        What columns are compared by; see `nbassist.sweep.evaluation.measures.measure_of`.
    told : callable
        Told, in a line each, what was left out.

    Raises
    ------
    UsageError
        Where nothing says which is better.
    """
    order = list(range(len(runs.plan.inputs)))
    Random(0).shuffle(order)  # rows may be sorted; the same ones are asked whenever this runs
    alive: Sequence[int] = range(len(runs.plan.variants))
    for rung in rungs(len(alive), len(order)):
        if rung.columns < len(alive):
            ranked = ranking(runs, by)
            kept = [column for column in ranked if column in alive][: rung.columns]
            told(f"{len(alive) - len(kept)} of {len(alive)} columns are asked no more")
            alive = sorted(kept)
        ask([run for row in order[: rung.inputs] for column in alive for run in runs.cell(row, column) if not run.done])
    return [column for column in ranking(runs, by) if column in alive]


def ranking(runs: RunList, by: str = "") -> list[int]:
    """Return the columns that have been measured, the higher means first."""
    found = standing(runs, by)
    return [column for side in (found.leader, *(one.side for one in found.others)) for column in side.columns]
