"""The plan of a sweep: every run, before any is made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.context.template import choose, find_alternatives
from nbassist.errors import UsageError
from nbassist.sweep.plan import make_plan


def test_every_combination_is_a_run_input_by_input() -> None:
    plan = make_plan(
        "{{ alt: 'Brief.' | 'Kind.' }} {{ item }} {{ target }}",
        vary={"model": ["a", "b"], "temperature": [0, 1]},
        over=["x", "y"],
        repeat=3,
        namespace={"target": 7},
    )
    assert plan.formula == "2×2×2×3×2 = 48 calls"
    assert len(plan.variants) == 8
    first = plan.tasks[0]
    assert (first.prompt, first.variant, first.repeat) == (
        "Brief. x 7",
        {"model": "a", "temperature": 0, "alt": "Brief."},
        0,
    )
    assert first.parameters == {"temperature": 0}
    assert [task.repeat for task in plan.tasks[:4]] == [0, 1, 2, 0]
    assert [task.input.index for task in plan.tasks] == [0] * 24 + [1] * 24
    assert [task.number for task in plan.tasks] == list(range(48))


def test_rows_of_a_table_are_inputs_by_their_labels() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": ["good", "bad"], "n": [1, 2]}, index=["p", "q"])
    plan = make_plan("{{ row.text }} {{ row['n'] }} {{ index }}", over=frame)
    assert [task.prompt for task in plan.tasks] == ["good 1 p", "bad 2 q"]
    assert [task.input.index for task in plan.tasks] == ["p", "q"]
    series = make_plan("{{ item }}", over=frame["text"])
    assert [task.prompt for task in series.tasks] == ["good", "bad"]


def test_alternatives_may_have_names_and_stand_twice() -> None:
    text = '{{ alt tone: "a" | "b" }} and {{ alt tone: "a" | "b" }}, {{ alt: "x" | "y" }} {{ alt: "z" | "w" }}'
    assert find_alternatives(text) == {"tone": ("a", "b"), "alt": ("x", "y"), "alt2": ("z", "w")}
    assert choose(text, {"tone": "b", "alt": "x", "alt2": "w"}) == "b and b, x w"
    assert len(make_plan(text)) == 8


def test_nothing_varied_is_one_run() -> None:
    plan = make_plan("hello")
    assert (len(plan), plan.formula, plan.variants) == (1, "1 call", ({},))


@pytest.mark.parametrize(
    ("template", "options", "words"),
    [
        ("hi", {"vary": {"model": []}}, "nothing is given to vary model by"),
        ("hi", {"over": []}, "there is nothing to go over"),
        ("hi", {"over": "text"}, "not a str"),
        ("hi", {"over": 3}, "not a int"),
        ("hi", {"repeat": 0}, "at least once"),
        ("{{ alt: Brief }}", {}, "write the texts as strings"),
        ("{{ alt: 'a' | }}", {}, "write the texts as strings"),
        ("{{ alt: 'a' | 'b' }}", {"vary": {"alt": ["c"]}}, "varied twice"),
        ("{{ alt t: 'a' }} {{ alt t: 'b' }}", {}, "different texts"),
        ("{{ itme }}", {"over": [1]}, "did you mean item"),
    ],
)
def test_a_plan_that_can_not_be_made_is_one_line(template: str, options: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_plan(template, **options)


@given(st.lists(st.one_of(st.integers(), st.booleans(), st.text(max_size=3)), min_size=1, max_size=6))
def test_a_value_is_tried_once_and_one_and_true_are_two(values: list[Any]) -> None:
    plan = make_plan("hi", vary={"x": values})
    assert len(plan) == len({(type(value), value) for value in values})
