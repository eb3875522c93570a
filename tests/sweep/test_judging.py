"""What runs are worth: ratings, checks, a judge, the best variant, and its adoption by the thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nbassist.config.prices import dollars
from nbassist.core.events import Usage
from nbassist.errors import UsageError
from nbassist.journal import Journal
from nbassist.sweep import Runs, Sweep
from nbassist.sweep.plan import make_plan
from nbassist.sweep.run_grid import RunsGrid
from nbassist.sweep.run_list import Update

VARY = {"model": ["short", "long"]}


def say(prompt: str, model: str) -> str:
    if prompt.startswith("You grade"):
        answer = prompt.split("The answer to grade:\n")[1].split("\n")[0]
        return json.dumps({"reason": "it is as long as it is", "score": 5 if "at length" in answer else 2})
    return f"{prompt}, {'at length' if model == 'long' else 'in brief'}"


@pytest.fixture
def runs(swept: Callable[..., Sweep]) -> Runs:
    return swept(say, "say {{ item }}", vary=VARY, over=["x", "y"]).run()


def test_a_rating_is_in_the_table_and_in_the_journal(runs: Runs, journal: Journal) -> None:
    runs.rate(2, "good")
    assert runs[2].row()["rating"] == "good"
    rated = [entry for entry in journal.entries() if entry.rating]
    assert [(entry.prompt, entry.model, entry.rating) for entry in rated] == [("say y", "short", "good")]
    with pytest.raises(UsageError, match="there is no run 9: there are 4"):
        runs.rate(9, "good")


def test_a_check_is_a_function_of_what_it_names_or_an_expression(runs: Runs) -> None:
    def mentions_row(text: str, row: str) -> bool:
        return row in text

    runs.check(mentions_row).check(lambda text: "brief" in text, name="brief")
    runs.check("len(text) < 16")
    assert runs.check_names == ["mentions_row", "brief", "len(text) < 16"]
    assert [run.checks["brief"] for run in runs] == [True, False, True, False]
    assert [run.checks["len(text) < 16"] for run in runs] == [True, False, True, False]
    assert all(run.row()["check_mentions_row"] for run in runs)
    assert "check brief" in repr(runs.different())


def test_a_check_that_raises_on_one_has_not_passed_and_on_all_is_a_mistake(runs: Runs) -> None:
    runs.check(lambda text: 1 / ("brief" in text), name="picky")
    assert [run.checks["picky"] for run in runs] == [True, False, True, False]
    with pytest.raises(UsageError, match=r"failed on every run: .*division by zero"):
        runs.check(lambda text: 1 / 0, name="hopeless")
    with pytest.raises(UsageError, match=r"'txet' is not defined in this notebook; did you mean text\?"):
        runs.check("txet > 1")
    assert runs.check_names == ["picky"]


def test_an_expression_knows_the_notebook(swept: Callable[..., Sweep]) -> None:
    runs = swept(say, "say {{ item }}", over=["x"], namespace={"limit": 3}).run()
    runs.check("len(text) > limit")
    assert runs[0].checks == {"len(text) > limit": True}


def test_a_model_grades_with_reasons_and_its_verdicts_are_cached(swept: Callable[..., Sweep]) -> None:
    made = swept(say, "say {{ item }}", vary=VARY, over=["x", "y"])
    runs = made.run()
    runs.judge("a good answer is long", model="judge")
    assert [run.score for run in runs] == [2, 5, 2, 5]
    assert runs[0].reason == "it is as long as it is"
    backend: Any = made.assistant.backend
    asked = len(backend.asked)
    assert backend.asked[-1].model == "judge"
    assert "a good answer is long" in backend.asked[-1].messages[-1].text
    runs.judge("a good answer is long", model="judge")
    assert len(backend.asked) == asked
    assert made.assistant.conversation.messages == []


def test_a_judge_says_how_far_it_is_and_what_it_costs(swept: Callable[..., Sweep]) -> None:
    made = swept(say, "say {{ item }}", vary={"model": ["gpt-4o"]}, over=["x", "y"])
    made.assistant.settings = replace(made.assistant.settings, free=False)
    runs = made.run()
    told: list[Update] = []
    assert made.judge(runs, "be long", "gpt-4o", told=told.append) == 2
    assert [one.text for one in told if one.what == "judging"] == [f"{n} of 2 judged" for n in range(3)]
    price = dollars("gpt-4o", Usage(10, 5, known=True))
    assert [run.row()["judge_cost"] for run in runs] == [price, price]
    shown = RunsGrid(runs)
    assert "judging $" in shown.progress().words
    shown.begin()
    shown.apply(told[1])
    assert shown.progress().words.endswith("1 of 2 judged")
    shown.end()
    assert "judged" not in shown.progress().words
    made.judge(runs, "be long", "gpt-4o")
    assert runs[0].judge_cost == 0.0, "the verdict was kept"


def test_a_judge_that_gives_no_grade_is_told(swept: Callable[..., Sweep]) -> None:
    runs = swept(lambda prompt, model: "no idea", "say {{ item }}", over=["x"]).run()
    runs.judge("be good")
    assert runs[0].score is None


def test_the_best_is_by_ratings_then_the_judge_then_checks(swept: Callable[..., Sweep]) -> None:
    runs = swept(say, "say {{ item }}", vary=VARY, over=list("uvwxyz")).run()
    with pytest.raises(UsageError, match="rate, check or judge"):
        runs.best()
    runs.check("'brief' in text")
    assert (runs.best().number, runs.best().told) == (0, True)
    assert str(runs.best()).startswith("model = short (run 0): checks passed: model = short 100%")
    runs.judge("long is good", model="judge")
    assert runs.best().variant == {"model": "long"}
    assert "judge's score" in runs.best().why
    for number in range(12):
        runs.rate(number, "bad" if number % 2 else "good")
    assert runs.best().number == 0
    assert runs.best("judge").number == 1
    for number in range(12):
        runs.rate(number, "good")
    assert str(runs.best()).startswith("not told apart: rating: ")
    assert runs.best().tied == ("model = short", "model = long")


def test_the_winner_becomes_a_turn_and_its_cell_is_printed(
    swept: Callable[..., Sweep], capsys: pytest.CaptureFixture[str]
) -> None:
    made = swept(
        say, "say {{ item }}", vary={**VARY, "temperature": [0.5]}, over=["x"], options={"instructions": "Be kind."}
    )
    runs = made.run()
    runs.rate(1, 1.0)
    runs.adopt()
    printed = capsys.readouterr()
    assert printed.out == "%%assistant -m long -s 'Be kind.' -p temperature=0.5\nsay x\n"
    assert printed.err.startswith("run 1 leads, and is no winner: not told apart")
    assert [(m.role, m.text) for m in made.assistant.conversation.messages] == [
        ("user", "say x"),
        ("assistant", "say x, at length"),
    ]
    runs.adopt(0)
    assert len(made.assistant.conversation.turns) == 2


def test_runs_that_belong_to_no_sweep_say_so() -> None:
    runs = Runs(make_plan("hi"))
    with pytest.raises(UsageError, match="belong to no sweep"):
        runs.retry_errors()
    runs.rate(0, "good")
    assert runs[0].rating == "good"
