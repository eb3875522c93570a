"""What may be said of numbers from a few rows: intervals, comparisons, and how many rows would tell.

Pure functions of numbers. The rows are what was drawn; repeats of one row are averaged first and are not rows (Miller
2024, "Adding Error Bars to Evals", arXiv 2411.00640).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, variance

LEVEL = 0.95
"""Of intervals; a comparison is settled where its corrected p is below 1 - LEVEL."""
FEWEST = 5
"""Rows: below, no comparison is settled."""
_Z = 1.959964 + 0.841621  # of a two-sided test at 5 %, and of power 80 %


@dataclass(frozen=True, slots=True)
class Interval:
    """A number, and how far it may be off.

    Parameters
    ----------
    value : float
        The estimate.
    half : float
        Half the width of its 95 % interval; infinite where nothing can be said.
    n : int
        Rows it comes from.
    """

    value: float
    half: float
    n: int

    @property
    def half_of_share(self) -> float:
        """Half the width where the value is a share from 0 to 1, which nothing beyond these can be."""
        return self.half if math.isinf(self.half) else min(self.half, max(self.value, 1 - self.value))

    @property
    def low(self) -> float:
        """The lower end."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """The upper end."""
        return self.value + self.half


@dataclass(frozen=True, slots=True)
class Comparison:
    """A difference between two columns, row by row.

    Parameters
    ----------
    interval : Interval
        The mean difference.
    p : float
        Of a paired test that there is none, not corrected.
    """

    interval: Interval
    p: float


def mean_interval(rows: Sequence[float], *, share: bool = False) -> Interval:
    """Return the mean of rows with its interval: ± t(n-1)·sd/√n.

    Parameters
    ----------
    rows : sequence of float
        The mean of each row's repeats.
    share : bool
        Whether they are shares from 0 to 1, or differences of these. Where all rows are then 0, or all 1, the spread
        says nothing, and the exact binomial bound stands in its place (Clopper, Pearson 1934). Without any spread
        nothing can be said of other numbers.
    """
    n = len(rows)
    if n == 0:
        return Interval(math.nan, math.inf, 0)
    value = fmean(rows)
    if n == 1:
        return Interval(value, math.inf, 1)
    spread = variance(rows)
    # Forty of forty right is not "100 % ±0": the t interval would be of no width, and claim to know.
    if spread == 0.0:
        exact = share and value in (-1.0, 0.0, 1.0)
        return Interval(value, 1 - ((1 - LEVEL) / 2) ** (1 / n) if exact else math.inf, n)
    return Interval(value, t_quantile(n - 1) * math.sqrt(spread / n), n)


def paired(first: Sequence[float], second: Sequence[float], *, share: bool = False) -> Comparison:
    """Return by how much `second` differs from `first`, row by row, and how likely that is where nothing differs.

    The p is that of the paired t-test, or of the exact test of signs' flips where that is higher: three rows that all
    differ by one have no spread, and still are only three.

    Raises
    ------
    ValueError
        Where they have not the same length.
    """
    differences = [b - a for a, b in zip(first, second, strict=True)]
    interval = mean_interval(differences, share=share)
    n = len(differences)
    if n < 2:
        return Comparison(interval, 1.0)
    # Rows that did not move say nothing of the direction, so they do not count towards the least p there can be.
    moved = sum(one != 0 for one in differences)
    floor = min(1.0, 2.0 * 0.5**moved)
    error = math.sqrt(variance(differences) / n)
    p = t_tail(interval.value / error, n - 1) if error else (1.0 if interval.value == 0 else 0.0)
    return Comparison(interval, max(p, floor))


def holm(values: Sequence[float], family: int = 0) -> list[float]:
    """Return p-values corrected for how many there are (Holm 1979), in the order in which they came.

    Parameters
    ----------
    values : sequence of float
        Of the comparisons at hand.
    family : int
        How many were made in all, earlier ones included; never taken as fewer than are at hand.
    """
    count = max(family, len(values))
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [1.0] * len(values)
    # A corrected p is never below that of a smaller one: the order of the comparisons is kept.
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (count - place) * values[number]))
        found[number] = highest
    return found


def rows_needed(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    difference: float,
    repeats: int,
    *,
    scale: float = 0.0,
) -> int:
    """Return how many rows would tell a difference apart in four of five sweeps (Miller 2024, equation 9).

    Parameters
    ----------
    first, second : sequence of sequence of float
        The repeats of each row, of both.
    difference : float
        What is to be told apart.
    repeats : int
        Of each row, in the sweep to come.
    scale : float
        From the worst to the best. Where no row has differed yet, one more is taken to do so by that much.

    Returns
    -------
    int
        0 where it can't be said: there is no difference, or there are fewer than two rows.
    """
    if difference == 0 or len(first) < 2:
        return 0
    # Repeats make the noise within a row smaller, and only more rows make the differences between rows count less.
    noise_first, noise_second = _within(first), _within(second)
    k = fmean(len(row) for row in first)
    gaps = [fmean(b) - fmean(a) for a, b in zip(first, second, strict=True)]
    spread = variance(gaps) or scale**2 / (len(gaps) + 1)
    # The spread of the gaps that was seen holds the noise of its k repeats, too.
    between = max(0.0, spread - (noise_first + noise_second) / k)
    rows = _Z**2 * (between + (noise_first + noise_second) / repeats) / difference**2
    return max(FEWEST, math.ceil(rows))


def _within(rows: Sequence[Sequence[float]]) -> float:
    """Return the mean variance of repeats of one row; 0 where nothing is repeated."""
    found = [variance(row) for row in rows if len(row) > 1]
    return fmean(found) if found else 0.0


def kappa(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return how far two agree beyond chance (Cohen 1960): 1 for all, 0 for chance; nan where neither ever differs."""
    n = len(first)
    if n == 0:
        return math.nan
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    yes_first, yes_second = sum(first) / n, sum(second) / n
    chance = yes_first * yes_second + (1 - yes_first) * (1 - yes_second)
    return math.nan if chance == 1.0 else (observed - chance) / (1 - chance)


def kappa_interval(
    rows: Sequence[Sequence[tuple[bool, bool]]], *, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Return kappa with the ends of its 95 % interval, by a bootstrap over rows.

    Parameters
    ----------
    rows : sequence of sequence of (bool, bool)
        For each row what both said of its replies.
    draws, seed : int
        Of the bootstrap.
    """

    def of(drawn: Sequence[Sequence[tuple[bool, bool]]]) -> float:
        pairs = [pair for row in drawn for pair in row]
        return kappa([a for a, _ in pairs], [b for _, b in pairs])

    # Rows are drawn, not replies: repeats of one row are alike, and would make the interval too narrow.
    random = Random(seed)
    found = sorted(value for _ in range(draws) if not math.isnan(value := of([random.choice(rows) for _ in rows])))
    if not found:
        return of(rows), math.nan, math.nan
    tail = (1 - LEVEL) / 2
    return of(rows), found[int(tail * len(found))], found[min(len(found) - 1, int((1 - tail) * len(found)))]


def corrected_mean(judged: Sequence[float], both: Sequence[tuple[float, float]]) -> Interval:
    """Return the mean that a person would find, from a judge of all rows and the person's own of some.

    Prediction-powered inference (Angelopoulos et al. 2023): the judge's mean on all, and the mean of what the person
    said more on the rows that both saw; the variances of both add up.

    Parameters
    ----------
    judged : sequence of float
        The judge's, of each row.
    both : sequence of (float, float)
        The judge's and the person's, of each row that both saw.
    """
    gaps = [person - judge for judge, person in both]
    value = fmean(judged) + fmean(gaps)
    if len(gaps) < 2:
        return Interval(value, math.inf, len(judged))
    # The few rows that both saw are the weaker part, and so its degrees of freedom are the ones that count.
    spread = variance(gaps) / len(gaps) + variance(judged) / len(judged)
    return Interval(value, t_quantile(len(gaps) - 1) * math.sqrt(spread), len(judged))


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Pearson's correlation; nan where either does not vary."""
    if len(first) < 3:
        return math.nan
    a, b = fmean(first), fmean(second)
    across = sum((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    size = math.sqrt(sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second))
    return across / size if size else math.nan


def t_tail(t: float, freedom: int) -> float:
    """Return the chance of a t at least so far from 0, to either side."""
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5) if math.isfinite(t) else 0.0


def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """Return the t that `level` of the distribution lies within, such as 2.776 for 4 degrees of freedom."""
    # By halving: it is called a few times for each grid, and SciPy would be a large dependency for one function.
    low, high = 0.0, 1e3
    for _ in range(80):
        middle = (low + high) / 2
        if t_tail(middle, freedom) > 1 - level:
            low = middle
        else:
            high = middle
    return high


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, its mirror is quick
        return 1.0 - _beta(1.0 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    tiny = 1e-300
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1) or tiny)
    total = d
    for m in range(1, 300):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / (1.0 + top * d or tiny)
            c = 1.0 + top / c or tiny
            total *= d * c
        if abs(d * c - 1.0) < 1e-12:
            break
    return front * total / a
