"""Pairs: which of two replies to one input is better, by a person who can't see whose they are, or by a judge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeAlias

from ..run_list import RunList, SweepRun
from .intervals import LEVEL, kappa
from .measures import said_of
from .summary_statistics import name_of

Choice: TypeAlias = Literal["first", "second", "tie"]
_PRIOR = 0.5  # of a tie with an imaginary side of strength 1: so that a side that never lost stays finite
_DRAWS = 300


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs, by their numbers, in the order in which they are shown, and which was chosen; "" for none yet."""

    first: int
    second: int
    choice: Choice | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a column is: the chance that it is chosen before a middling one, with its 95 % interval."""

    column: int
    name: str
    value: float
    low: float
    high: float
    pairs: int


@dataclass
class BlindPairs:
    """Pairs of replies of different columns to the same input, in random order, without a word on whose they are.

    Parameters
    ----------
    runs : RunList
        The runs; equal replies and those without a usable answer are not asked about.
    seed : int
        Of the order.
    """

    runs: RunList
    seed: int = 0
    judged: list[Pair] = field(default_factory=list)
    waiting: list[Pair] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.waiting = list(_all_pairs(self.runs, Random(self.seed)))

    def __len__(self) -> int:
        return len(self.waiting) + len(self.judged)

    def next(self) -> Pair | None:
        """Return the next pair; None where all are judged."""
        return self.waiting[0] if self.waiting else None

    def choose(self, choice: Choice) -> None:
        """Say which of the pair that `next` gave is better."""
        pair = self.waiting.pop(0)
        self.judged.append(Pair(pair.first, pair.second, choice))

    def undo(self) -> None:
        """Take the last choice back."""
        if self.judged:
            last = self.judged.pop()
            self.waiting.insert(0, Pair(last.first, last.second))

    def strengths(self) -> list[Strength]:
        """Return how strong each column is, the strongest first; see `strengths`."""
        return strengths(self.runs, self.judged)

    def kappa(self) -> float:
        """Return how far the choices agree with the judge's scores, ties of either left out; nan where none is left."""
        mine, judges = [], []
        for pair in self.judged:
            a, b = self.runs.run(pair.first).score, self.runs.run(pair.second).score
            if a is None or b is None or a == b or pair.choice == "tie":
                continue
            # By the order of the columns, not that of the screen, which is random.
            turned = column_of(self.runs, pair.first) > column_of(self.runs, pair.second)
            mine.append((pair.choice == "first") != turned)
            judges.append((a > b) != turned)
        return kappa(mine, judges)

    @property
    def line(self) -> str:
        """What there is to say so far, in a line."""
        found = self.strengths()
        if not found:
            return f"0 of {len(self):,} pairs"
        named = " · ".join(
            f"{one.name} {100 * one.value:.0f} ({100 * one.low:.0f}–{100 * one.high:.0f})" for one in found
        )
        agreed = self.kappa()
        judge = "" if math.isnan(agreed) else f" · κ with the judge {agreed:.2f}"
        return f"{len(self.judged):,} of {len(self):,} pairs · {named}{judge}"


def _all_pairs(runs: RunList, random: Random) -> Iterable[Pair]:
    plan = runs.plan
    found = []
    for row in range(len(plan.inputs)):
        for repeat in range(plan.repeat):
            cells = [runs.cell(row, column)[repeat] for column in range(len(plan.variants))]
            # What failed is no reply to choose, and two that say the same are no choice.
            usable = [run for run in cells if run.ok]
            for place, one in enumerate(usable):
                found += [
                    _shuffled(one, other, random) for other in usable[place + 1 :] if said_of(one) != said_of(other)
                ]
    random.shuffle(found)
    return found


def _shuffled(one: SweepRun, other: SweepRun, random: Random) -> Pair:
    first, second = (one, other) if random.random() < 0.5 else (other, one)
    return Pair(first.task.number, second.task.number)


def column_of(runs: RunList, number: int) -> int:
    """Return which variant a run is of."""
    return number // runs.plan.repeat % len(runs.plan.variants)


def strengths(runs: RunList, pairs: Sequence[Pair], *, seed: int = 0) -> list[Strength]:
    """Return how strong each column is, by Bradley and Terry's model (1952), the strongest first.

    Parameters
    ----------
    runs : RunList
        Of which the pairs are.
    pairs : sequence of Pair
        Those that were judged; a tie counts half for each. Empty for no strengths.
    seed : int
        Of the bootstrap over pairs, from which the intervals come.
    """
    judged = [pair for pair in pairs if pair.choice]
    if not judged:
        return []
    outcomes = [(column_of(runs, p.first), column_of(runs, p.second), _points(p)) for p in judged]
    columns = sorted({column for first, second, _ in outcomes for column in (first, second)})
    random = Random(seed)
    drawn = [bradley_terry(_drawn(outcomes, random), columns) for _ in range(_DRAWS)]
    middle = bradley_terry(outcomes, columns)
    tail = int((1 - LEVEL) / 2 * _DRAWS)
    varied = [name for name, values in runs.plan.vary.items() if len(values) > 1]
    found = []
    for column in columns:
        value = middle[column]
        # Held to hold the middle: a draw of few pairs may leave the estimate outside of its own interval.
        values = sorted(one[column] for one in drawn)
        count = sum(column in (first, second) for first, second, _ in outcomes)
        name = name_of(runs.plan.variants[column], varied)
        found.append(Strength(column, name, value, min(values[tail], value), max(values[-1 - tail], value), count))
    return sorted(found, key=lambda one: -one.value)


def _drawn(outcomes: Sequence[tuple[int, int, float]], random: Random) -> list[tuple[int, int, float]]:
    """Return outcomes as they might have come: pairs drawn again, and of each two columns another share won.

    Drawing alone would say that three pairs which all went one way leave no doubt.
    """
    drawn = [random.choice(outcomes) for _ in outcomes]
    groups: dict[tuple[int, int], list[float]] = {}
    for first, second, points in drawn:
        key, worth = ((first, second), points) if first < second else ((second, first), 1 - points)
        groups.setdefault(key, []).append(worth)
    found = []
    for (first, second), points_of in groups.items():
        won, count = sum(points_of), len(points_of)
        share = random.betavariate(won + 0.5, count - won + 0.5)
        found += [(first, second, share)] * count
    return found


def _points(pair: Pair) -> float:
    return {"first": 1.0, "second": 0.0}.get(pair.choice, 0.5)


def bradley_terry(outcomes: Sequence[tuple[int, int, float]], columns: Sequence[int]) -> dict[int, float]:
    """Return for each column the chance that it is chosen before a middling one.

    Maximum likelihood with a small prior, by the usual fixed point (Hunter 2004).

    Parameters
    ----------
    outcomes : sequence of (int, int, float)
        Two columns, and what the first got: 1, 0, or 0.5 for a tie.
    columns : sequence of int
        All there are.
    """
    # Each column ties half a time with one of strength 1, so the scale is fixed and nobody is infinitely strong.
    won = dict.fromkeys(columns, _PRIOR)
    met: dict[tuple[int, int], int] = {}
    for first, second, points in outcomes:
        won[first] += points
        won[second] += 1 - points
        key = (min(first, second), max(first, second))
        met[key] = met.get(key, 0) + 1
    strength = dict.fromkeys(columns, 1.0)
    for _ in range(200):
        share = {column: 2 * _PRIOR / (strength[column] + 1.0) for column in columns}
        for (a, b), count in met.items():
            part = count / (strength[a] + strength[b])
            share[a] += part
            share[b] += part
        new = {column: won[column] / share[column] for column in columns}
        change = max(abs(math.log(new[column] / strength[column])) for column in columns)
        strength = new
        if change < 1e-6:
            break
    return {column: strength[column] / (1 + strength[column]) for column in columns}


@dataclass(frozen=True, repr=False)
class JudgedPairs:
    """Pairs as a judge saw them, each in both orders.

    Parameters
    ----------
    pairs : tuple of Pair
        With its choice; a tie where it turned with the order.
    turned : int
        Pairs of which it chose the one that stood in the same place both times: the bias of order.
    strengths : tuple of Strength
        What that says of the columns, the strongest first.
    """

    pairs: tuple[Pair, ...]
    turned: int
    strengths: tuple[Strength, ...]

    def __repr__(self) -> str:
        named = " · ".join(
            f"{one.name} {100 * one.value:.0f} ({100 * one.low:.0f}–{100 * one.high:.0f})" for one in self.strengths
        )
        return f"{len(self.pairs):,} pairs · {named} · {self.turned:,} verdicts turned with the order"


_ASK = """You compare two answers by a rubric.

Rubric:
{rubric}

What was asked:
{prompt}

Answer 1:
{first}

Answer 2:
{second}

Say which meets the rubric better: 1, 2, or 0 where neither does."""


def pair_prompts(runs: RunList, pairs: Sequence[Pair], rubric: str) -> list[str]:
    """Return what a judge is asked: each pair in its order, and then in the other."""
    found = []
    for pair in pairs:
        one, other = runs.run(pair.first), runs.run(pair.second)
        for first, second in ((one, other), (other, one)):
            found.append(_ASK.format(rubric=rubric, prompt=one.task.prompt, first=first.text, second=second.text))
    return found


def pair_verdict() -> Any:
    """Return what a verdict on a pair is read into."""
    from pydantic import BaseModel, Field

    class PairVerdict(BaseModel):
        """Which is better."""

        reason: str
        better: int = Field(ge=0, le=2)

    return PairVerdict


def read_pairs(runs: RunList, pairs: Sequence[Pair], chosen: Sequence[int | None]) -> JudgedPairs:
    """Return what a judge said of pairs, from its choice for each of `pair_prompts`; None where there was none."""
    judged: list[Pair] = []
    turned = 0
    for pair, forth, back in zip(pairs, chosen[::2], chosen[1::2], strict=True):
        if forth is None or back is None:
            continue
        turned += forth == back != 0
        # The same reply both times: first in the one order, second in the other.
        agreed = (forth, back) in ((1, 2), (2, 1))
        judged.append(Pair(pair.first, pair.second, ("first" if forth == 1 else "second") if agreed else "tie"))
    return JudgedPairs(tuple(judged), turned, tuple(strengths(runs, judged)))
