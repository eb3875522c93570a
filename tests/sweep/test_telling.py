"""What is told from runs: a winner only where there is one, half the requests, pairs, how far to trust a judge."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from nbassist.errors import UsageError
from nbassist.journal import Journal
from nbassist.sweep import Runs, Sweep
from nbassist.sweep.evaluation.best import rungs
from nbassist.sweep.evaluation.pairs import Pair, bradley_terry
from nbassist.sweep.plan import make_plan
from nbassist.sweep.run_grid import RunsGrid
from nbassist.sweep.view import make_sweep_view, run_and_judge

THREE = "{{ alt: 'A' | 'B' | 'C' }}: {{ item }}"


def right_in(shares: dict[str, float], seed: int = 0) -> Callable[[str, str], str]:
    """A model that is right in a share of the inputs, by the first letter of the prompt."""

    def say(prompt: str, model: str) -> str:
        drawn = random.Random(f"{prompt}{seed}").random()
        return "yes" if drawn < shares[prompt[0]] else "no"

    return say


def test_a_winner_is_named_where_it_is_one_and_the_numbers_stand_beside_it(swept: Callable[..., Sweep]) -> None:
    runs = swept(right_in({"A": 0.9, "B": 0.4, "C": 0.3}), THREE, over=range(80)).run()
    runs.check("text == 'yes'", "right")
    found = runs.best()
    assert (found.number, found.told, found.tied, found.rows) == (0, True, ("alt = A",), 0)
    line = RunsGrid(runs).notes()[0]
    assert "told apart" in line
    assert "not told apart" not in line
    stands = runs.standing()
    assert stands.leader.mean.low < 0.9 < stands.leader.mean.high
    assert all(one.difference.high < 0 and one.p < 0.001 for one in stands.others)


def test_those_that_can_not_be_told_apart_are_said_with_the_rows_that_would(swept: Callable[..., Sweep]) -> None:
    runs = swept(right_in({"A": 0.8, "B": 0.76, "C": 0.2}), THREE, over=range(40), repeat=3).run()
    runs.check("text == 'yes'", "right")
    found = runs.best()
    assert not found.told
    assert set(found.tied) == {"alt = A", "alt = B"}
    assert found.rows > 40
    assert f"need about {found.rows:,} rows × 3" in str(found)
    assert str(found).startswith("not told apart: checks passed: ")


def test_one_input_says_nothing_of_others(swept: Callable[..., Sweep]) -> None:
    runs = swept(right_in({"A": 1.0, "B": 0.0, "C": 0.0}), THREE, over=["x"], repeat=20).run()
    runs.check("text == 'yes'", "right")
    assert not runs.best().told
    assert "one input: repeats say nothing about other inputs" in str(runs.best())


def test_wordings_are_compared_over_all_else_that_is_varied(swept: Callable[..., Sweep]) -> None:
    runs = swept(
        right_in({"A": 0.9, "B": 0.3}), "{{ alt: 'A' | 'B' }}: {{ item }}", over=range(30), vary={"model": ["m", "n"]}
    ).run()
    runs.check("text == 'yes'", "right")
    assert len(runs.standing().others) == 3
    by_wording = runs.standing(wordings=True)
    assert (by_wording.leader.name, by_wording.leader.columns, len(by_wording.others)) == ("alt = A", (0, 2), 1)
    assert runs.best(wordings=True).tied == ("alt = A",)


def test_wordings_of_earlier_cells_count_in_the_correction(swept: Callable[..., Sweep], journal: Journal) -> None:
    made = swept(right_in({"A": 0.9, "B": 0.6}), "{{ alt: 'A' | 'B' }}: {{ item }}", over=range(30))
    made.run().check("text == 'yes'", "right")
    alone = made.runs.standing().others[0].p
    for number in range(9):
        Sweep(made.assistant, f"A{number} {{{{ item }}}}", over=["x"]).run()
    assert made.tried() == 11
    assert made.runs.standing().others[0].p == pytest.approx(min(1.0, 10 * alone))


def test_nothing_is_called_better_by_a_name_that_is_not_there(swept: Callable[..., Sweep]) -> None:
    runs = swept(right_in({"A": 1, "B": 0, "C": 0}), THREE, over=["x"]).run().check("text == 'yes'", "right")
    with pytest.raises(UsageError, match="nothing called 'tone' to go by; there are right"):
        runs.best("tone")


def test_the_rungs_halve_and_the_last_two_are_asked_on_all() -> None:
    assert [(r.columns, r.inputs) for r in rungs(8, 400)] == [(8, 100), (4, 200), (2, 400)]
    assert [(r.columns, r.inputs) for r in rungs(2, 40)] == [(2, 40)]
    assert [(r.columns, r.inputs) for r in rungs(3, 5)] == [(3, 3), (2, 5)]


def test_wordings_that_have_lost_are_asked_no_more(swept: Callable[..., Sweep]) -> None:
    letters = "ABCDEFGH"
    shares = dict.fromkeys(letters, 0.3) | {"F": 0.9}
    wordings = " | ".join(repr(letter) for letter in letters)
    made = swept(right_in(shares), f"{{{{ alt: {wordings} }}}}: {{{{ item }}}}", over=range(40))
    runs = run_and_judge(made, make_sweep_view("none"), ["right: text == 'yes'"], best_of=True)
    asked = sum(run.done for run in runs)
    assert asked == 160
    assert runs.best().variant == {"alt": "F"}
    assert "4 of 8 columns are asked no more" in runs.warnings
    with pytest.raises(UsageError, match="--best-of needs something to go by"):
        run_and_judge(made, make_sweep_view("none"), best_of=True)


def test_pairs_are_blind_and_in_random_order_and_give_strengths(swept: Callable[..., Sweep]) -> None:
    runs = swept(lambda prompt, model: prompt, THREE, over=range(10)).run()
    blind = runs.pairs(seed=1)
    assert len(blind) == 30
    turned = 0
    while pair := blind.next():
        first, second = runs.run(pair.first), runs.run(pair.second)
        assert first.task.input == second.task.input
        turned += first.task.number > second.task.number
        blind.choose("first" if first.text < second.text else "second")  # A before B before C
    assert 5 < turned < 25
    found = blind.strengths()
    assert [one.name for one in found] == ["alt = A", "alt = B", "alt = C"]
    assert all(one.low <= one.value <= one.high for one in found)
    assert found[0].low > found[2].high
    blind.undo()
    assert len(blind.judged) == 29
    assert blind.next() is not None
    assert blind.line.startswith("29 of 30 pairs · alt = A")


def test_a_side_that_never_lost_has_a_strength_all_the_same() -> None:
    found = bradley_terry([(0, 1, 1.0)] * 5, [0, 1])
    assert 0.5 < found[0] < 1.0
    assert found[0] + found[1] == pytest.approx(1.0, abs=1e-3)
    assert bradley_terry([(0, 1, 0.5)] * 5, [0, 1])[0] == pytest.approx(0.5)


def test_choices_in_pairs_are_held_against_the_judge(swept: Callable[..., Sweep]) -> None:
    runs = swept(lambda prompt, model: prompt, THREE, over=range(6)).run()
    for run in runs:
        run.scores["judge"], run.reasons["judge"] = {"A": 5.0, "B": 3.0, "C": 1.0}[run.text[0]], "so"
    blind = runs.pairs()
    while pair := blind.next():
        worse = runs.run(pair.first).text > runs.run(pair.second).text
        blind.choose("second" if worse else "first")
    assert math.isnan(blind.kappa()) or blind.kappa() == 1.0
    assert all(isinstance(pair, Pair) for pair in blind.judged)


def test_a_judge_sees_each_pair_in_both_orders_and_what_turns_is_a_tie(swept: Callable[..., Sweep]) -> None:
    def say(prompt: str, model: str) -> str:
        if not prompt.startswith("You compare"):
            return prompt
        first = prompt.split("Answer 1:\n")[1]
        fair = "A:" in prompt.split("What was asked")[1].split("Answer 1")[1]
        return json.dumps({"reason": "so", "better": (1 if first.startswith("A") else 2) if fair else 1})

    runs = swept(say, THREE, over=range(4)).run()
    found = runs.judge_pairs("be first", model="j")
    assert found.turned == 4, "B beside C: it takes the first, whichever that is"
    assert found.strengths[0].name == "alt = A"
    assert "4 verdicts turned with the order" in repr(found)


@pytest.fixture
def judged(swept: Callable[..., Sweep]) -> Runs:
    def say(prompt: str, model: str) -> str:
        if not prompt.startswith("You grade"):
            return "long " * (int(prompt.split()[-1]) % 5 + 1)
        text = prompt.split("The answer to grade:\n")[1].split("\n\n")[0]
        return json.dumps({"reason": "so", "score": min(5, text.count("long"))})

    return swept(say, "{{ item }}", over=range(40)).run().judge("be long", model="j")


def test_a_judge_is_held_against_the_persons_ratings(judged: Runs) -> None:
    assert judged.trust().rated == 0
    assert "too few to say anything" not in "".join(judged.trust().lines)
    for run in judged[:20]:
        judged.rate(run.task.number, "good" if run.scores["judge"] >= 4 and run.task.number % 5 != 3 else "bad")
    found = judged.trust()
    assert (found.rated, found.kappa) == (20, pytest.approx(0.545, abs=0.01))
    assert found.low < found.kappa < found.high
    corrected = found.corrected["the only variant"]
    assert corrected.value == pytest.approx(0.4 - 0.2)
    lines = RunsGrid(judged).notes()
    assert any(line.startswith("judge beside your ratings: κ 0.5") for line in lines)
    assert any("corrected by your ratings: the only variant 20%" in line for line in lines)
    assert any("scores follow the length of the reply" in line for line in lines)
    with pytest.raises(UsageError, match="nothing was judged by 'tone'"):
        judged.trust("tone")


def test_a_plan_of_one_column_has_nothing_to_be_told_apart(swept: Callable[..., Sweep]) -> None:
    runs = swept(right_in({"A": 1.0}), "A {{ item }}", over=range(8)).run().check("text == 'yes'", "right")
    assert runs.best().told
    assert str(runs.best()) == "the only variant (run 0): checks passed: the only variant 100% ±37"


def test_a_sweep_may_be_asked_of_a_running_loop(swept: Callable[..., Sweep]) -> None:
    made: Any = swept(right_in({"A": 1.0}), "A {{ item }}", over=range(3))
    assert len(asyncio.run(made.arun())) == len(make_plan("A {{ item }}", over=range(3)))
