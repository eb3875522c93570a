"""Intervals, comparisons and rows needed, against published values and against what they promise."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.sweep.evaluation.intervals import (
    corrected_mean,
    correlation,
    holm,
    kappa,
    kappa_interval,
    mean_interval,
    paired,
    rows_needed,
    t_quantile,
    t_tail,
)


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (39, 2.0227), (120, 1.9799), (10_000, 1.9602)],
)
def test_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert t_quantile(freedom) == pytest.approx(t, abs=1e-4)
    assert t_tail(t, freedom) == pytest.approx(0.05, abs=1e-5)
    assert t_tail(-t, freedom) == t_tail(t, freedom)
    assert t_tail(0.0, freedom) == 1.0


def test_a_mean_is_that_of_the_rows() -> None:
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.value, found.n) == (3.0, 5)
    assert found.half == pytest.approx(2.7764 * math.sqrt(2.5 / 5), abs=1e-4)
    assert (found.low, found.high) == (found.value - found.half, found.value + found.half)
    assert mean_interval([0.4]).half == math.inf
    assert mean_interval([0.5] * 4, share=True).half == math.inf
    assert mean_interval([]).n == 0


def test_shares_that_are_all_one_are_not_certain() -> None:
    assert mean_interval([1.0] * 10, share=True).low == pytest.approx(0.6915, abs=1e-4)  # Clopper, Pearson: 10 of 10
    assert mean_interval([0.0] * 3, share=True).high == pytest.approx(0.7076, abs=1e-4)


def test_a_paired_test_is_that_of_a_textbook() -> None:
    # Student's own data on sleep, 1908: t = 4.0621 with 9 degrees of freedom, p = 0.00283.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired(first, second)
    assert found.interval.value == pytest.approx(1.58)
    assert found.interval.low == pytest.approx(0.7001, abs=1e-4)
    assert found.p == pytest.approx(2 * 0.5**9), "nine of ten moved: no test of them can be surer than that"
    assert t_tail(4.0621, 9) == pytest.approx(0.00283, abs=1e-5)


def test_three_rows_that_agree_are_three_rows() -> None:
    assert paired([0.0] * 3, [1.0] * 3).p == 0.25
    assert paired([0.5] * 40, [0.5] * 40).p == 1.0
    assert paired([0.0], [1.0]).p == 1.0


def test_many_comparisons_are_corrected_by_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01], family=11) == pytest.approx([0.11])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(0, 20))
def test_corrected_values_keep_their_order_and_are_never_smaller(values: list[float], family: int) -> None:
    found = holm(values, family)
    assert all(new >= old for new, old in zip(found, values, strict=True))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [found[n] for n in order] == sorted(found)
    assert all(one <= 1.0 for one in found)


def test_the_rows_needed_are_those_of_the_formula() -> None:
    first = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    second = [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    noise = fmean([0.5, 0, 0, 0.5]) + fmean([0, 0.5, 0.5, 0])
    gaps = [fmean(b) - fmean(a) for a, b in zip(first, second, strict=True)]
    spread = sum((gap - fmean(gaps)) ** 2 for gap in gaps) / 3
    between = max(0.0, spread - noise / 2)
    assert rows_needed(first, second, 0.1, 3) == math.ceil((1.96 + 0.8416) ** 2 * (between + noise / 3) / 0.01)
    assert rows_needed(first, second, 0.0, 3) == 0
    assert rows_needed(first[:1], second[:1], 0.1, 3) == 0
    assert rows_needed([[1.0]] * 9, [[1.0]] * 9, 0.05, 1, scale=1.0) == math.ceil((1.96 + 0.8416) ** 2 * 0.1 / 0.05**2)
    assert rows_needed(first, second, 0.05, 1) > rows_needed(first, second, 0.05, 10)


def test_kappa_is_that_of_a_textbook() -> None:
    # 50 grants read by two: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no give 0.4.
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert kappa([a for a, _ in pairs], [b for _, b in pairs]) == pytest.approx(0.4)
    value, low, high = kappa_interval([[pair] for pair in pairs])
    assert value == pytest.approx(0.4)
    assert low < 0.2 < 0.6 < high
    assert kappa_interval([[pair] for pair in pairs]) == (value, low, high), "the same at each look"
    assert math.isnan(kappa([True] * 3, [True] * 3))
    assert math.isnan(kappa([], []))


def test_a_judge_is_corrected_by_what_the_person_said() -> None:
    both = [(1.0, 0.0), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0)]
    judged = [1.0] * 60 + [0.0] * 40
    found = corrected_mean(judged, both)
    assert found.value == pytest.approx(0.6 - 0.5)
    assert found.half == pytest.approx(t_quantile(3) * math.sqrt((1 / 3) / 4 + (0.24 * 100 / 99) / 100), abs=1e-9)
    assert corrected_mean(judged, both[:1]).half == math.inf


def test_corrected_means_cover_the_truth() -> None:
    random = Random(7)
    held = 0
    for _ in range(300):
        truth = [float(random.random() < 0.6) for _ in range(200)]
        judge = [one if random.random() < 0.8 else 1.0 for one in truth]  # it is too kind
        found = corrected_mean(judge, list(zip(judge[:40], truth[:40], strict=True)))
        held += found.low <= 0.6 <= found.high
    assert held / 300 > 0.92


def test_correlation() -> None:
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1.0)
    assert correlation([1, 2, 3, 4], [1, -1, 1, -1]) == pytest.approx(-0.4472, abs=1e-4)
    assert math.isnan(correlation([1, 1, 1], [1, 2, 3]))


def test_the_interval_of_a_share_is_shown_within_what_a_share_can_be() -> None:
    wide = mean_interval([0.0, 1.0], share=True)
    assert wide.half > 6
    assert wide.half_of_share == 0.5
    assert mean_interval([1.0, 1.0, 1.0, 0.0], share=True).half_of_share == 0.75
