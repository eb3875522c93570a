"""No usable answer is an answer that is wrong; what failed is asked anew, and nothing else; ratings stay."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from nbassist import Assistant
from nbassist.core.events import Event, Retrying, TextDelta, TurnEnded, TurnStarted, Usage
from nbassist.core.messages import Request
from nbassist.errors import ConnectionFailedError, UsageError
from nbassist.journal import Journal
from nbassist.journal.replies import ReplyFile
from nbassist.sweep import Runs, Sweep
from nbassist.sweep.evaluation.judge import judges_itself, make_rubric
from nbassist.sweep.run_grid import RunsGrid
from nbassist.sweep.view import make_sweep_view, run_and_judge

WORDINGS = '{{ alt: "Sort" | "File" }}: {{ item }}'


def frail(prompt: str, model: str) -> str:
    """'Sort' is right in all but one, 'File' fails in all but one, where it is right."""
    if prompt.startswith("File") and not prompt.endswith("a"):
        raise ConnectionFailedError("broken")
    return "no" if prompt.endswith("Sort: f") else "yes"


class Label(BaseModel):
    label: str


def test_a_wording_that_fails_is_not_the_winner(swept: Callable[..., Sweep]) -> None:
    runs = swept(frail, WORDINGS, over=list("abcdef")).run()
    runs.check("text == 'yes'", "right")
    found = runs.best()
    assert found.variant == {"alt": "Sort"}
    assert [run.checks["right"] for run in runs if not run.ok] == [False] * 5
    assert "alt = File: 1 of 6 answered" in str(found)
    shown = repr(runs.different())
    assert "answered — alt = Sort: 6 of 6; alt = File: 1 of 6" in shown


def test_a_failure_counts_in_ratings_scores_and_agreement(swept: Callable[..., Sweep]) -> None:
    def say(prompt: str, model: str) -> str:
        if prompt.startswith("You grade"):
            return json.dumps({"reason": "so", "score": 4})
        return frail(prompt, model)

    runs = swept(say, WORDINGS, over=list("abcdef"), repeat=2).run()
    runs.judge("be right", model="judge")
    assert [run.score for run in runs[:4]] == [4, 4, 4, 4]
    assert [run.score for run in runs if not run.ok] == [1.0] * 10
    for run in runs:
        if run.ok:
            runs.rate(run.task.number, "good")
    assert runs.best().variant == {"alt": "Sort"}
    assert runs.standing("rating").others[0].difference.value == pytest.approx(-5 / 6)
    assert runs.agreement == {"alt = Sort": 1.0, "alt = File": pytest.approx(1 / 6)}


def test_replies_that_can_not_be_read_are_wrong_and_cut_ones_too(swept: Callable[..., Sweep]) -> None:
    made = swept(
        lambda prompt, model: '{"label": "x"}' if prompt[-1] in "0123" else "I can't say.",
        "n={{ item }}",
        over=list(range(10)),
        options={"as_": Label},
    )
    runs = made.run()
    runs.check("value.label == 'x'", "right")
    assert sum(run.checks["right"] for run in runs) == 4
    assert "4 of 10 answered" in repr(runs)
    assert "40%" in repr(runs.different())


def test_what_was_not_run_yet_is_no_answer_and_none_that_is_wrong(swept: Callable[..., Sweep]) -> None:
    runs = swept(frail, WORDINGS, over=["a"]).runs
    runs.check("text == 'yes'", "right")
    assert runs[0].checks == {}
    with pytest.raises(UsageError, match="rate, check or judge"):
        runs.best()


def test_checks_may_give_numbers_and_a_failure_has_the_worst(swept: Callable[..., Sweep]) -> None:
    runs = swept(frail, WORDINGS, over=list("ab")).run()
    runs.check(lambda text: len(text) / 2, "length")
    assert [run.checks["length"] for run in runs] == [1.5, 1.5, 1.5, 0.0]
    runs.check("-len(text)", "brief")
    assert [run.checks["brief"] for run in runs] == [-3, -3, -3, -3]
    assert "check length" in repr(runs.different())
    assert runs.standing("length").leader.mean.value == 1.5


def test_scalars_of_numpy_and_matches_say_what_they_mean(swept: Callable[..., Sweep]) -> None:
    np = pytest.importorskip("numpy")
    runs = swept(frail, "{{ item }}", over=["a"], namespace={"np": np, "re": __import__("re")}).run()
    runs.check("np.bool_(True)", "bool").check("np.float32(0.5)", "float")
    runs.check("re.search('e', text)", "match").check("re.search('x', text)", "none")
    assert runs[0].checks == {"bool": True, "float": 0.5, "match": True, "none": False}


@pytest.mark.parametrize("said", [math.nan, math.inf, "no", "False", b"", complex(1, 1)])
def test_what_is_neither_true_nor_false_nor_a_number_is_refused(swept: Callable[..., Sweep], said: Any) -> None:
    runs = swept(frail, "{{ item }}", over=["a"]).run()
    with pytest.raises(UsageError, match="says True or False, or a finite number"):
        runs.check(lambda text: said, "odd")
    assert runs[0].checks == {}


def test_coroutines_are_awaited_inside_a_running_loop_too(swept: Callable[..., Sweep]) -> None:
    async def right(text: str) -> bool:
        await asyncio.sleep(0)
        if text != "yes":
            raise ValueError("no")
        return True

    runs = swept(frail, "Sort: {{ item }}", over=["a", "Sort: f"]).run()

    async def cell() -> None:
        runs.check(right)

    asyncio.run(cell())
    assert [run.checks["right"] for run in runs] == [True, False]


def test_names_are_looked_up_before_anything_is_asked(swept: Callable[..., Sweep]) -> None:
    made = swept(frail, "{{ item }}", over=["a"])
    for wrong in ("txet == 'yes'", "any(w in text for w in wrods)", "text =="):
        with pytest.raises(UsageError, match="the check"):
            run_and_judge(made, make_sweep_view("none"), [wrong])
    other = swept(frail, "{{ row.text }}", over=[{"text": "a"}])
    with pytest.raises(UsageError, match="no column"):
        run_and_judge(other, make_sweep_view("none"), [], "is it {{ row.label }}?")
    with pytest.raises(UsageError, match=r"no parameter 'temp' is known.*did you mean temperature"):
        swept(frail, "{{ item }}", over=["a"], vary={"temp": [0, 1]})
    assert made.assistant.backend.asked == []  # type: ignore[attr-defined]


def test_an_engines_own_parameter_that_is_set_may_be_varied(swept: Callable[..., Sweep]) -> None:
    made = swept(frail, "hi", vary={"dry_base": [1, 2]}, options={"parameters": {"dry_base": 1}})
    assert [run.task.parameters for run in made.run()] == [{"dry_base": 1}, {"dry_base": 2}]


def test_checks_have_names_and_may_be_functions_of_the_notebook(swept: Callable[..., Sweep]) -> None:
    def agrees(text: str, row: Any) -> bool:
        return text == "yes" and row == "a"

    made = swept(frail, "{{ item }}", over=["a", "b"], namespace={"agrees": agrees})
    runs = run_and_judge(made, make_sweep_view("none"), ["agrees", "short: len(text) < 4"])
    assert runs.check_names == ["agrees", "short"]
    assert [run.checks for run in runs] == [{"agrees": True, "short": True}, {"agrees": False, "short": True}]


def test_several_rubrics_stand_beside_each_other_with_a_judge_of_their_own(swept: Callable[..., Sweep]) -> None:
    asked: list[tuple[str, str]] = []

    def say(prompt: str, model: str) -> str:
        if not prompt.startswith("You grade"):
            return "fine"
        asked.append((model, prompt))
        return json.dumps({"reason": "so", "score": 5 if "kind" in prompt else 2})

    made = swept(
        say,
        "{{ alt: 'Say' | 'Tell' }} {{ row.text }}",
        over=[{"text": "x", "label": "blue"}],
        options={"instructions": "Be a poet."},
        repeat=3,
    )
    rubrics = ["tone: is it kind?", "fact: it says {{ row.label }}"]
    plan = made.estimate(rubrics, "strict")
    assert (plan.verdicts, plan.calls) == (12, 18)
    assert "up to 12 verdicts" in str(plan)
    runs = run_and_judge(made, make_sweep_view("none"), [], rubrics, judge_model="strict")
    assert runs[0].scores == {"tone": 5.0, "fact": 2.0}
    assert {model for model, _ in asked} == {"strict"}
    assert len(asked) == 4, "equal replies to one prompt are graded once"
    assert "it says blue" in asked[-1][1]
    assert "Be a poet." in asked[-1][1]
    assert runs.df["score_tone"].tolist() == [5.0] * 6
    assert "judge tone" in repr(runs.different())


def test_the_judge_is_shown_the_thread(swept: Callable[..., Sweep]) -> None:
    asked: list[str] = []

    def say(prompt: str, model: str) -> str:
        asked.append(prompt)
        return json.dumps({"reason": "so", "score": 3}) if prompt.startswith("You grade") else "as before"

    made = swept(say, "and now?")
    asyncio.run(made.assistant.aask("what came first"))
    made = Sweep(made.assistant, "and now?")
    made.run().judge("go on", model="judge")
    assert "user: what came first\nassistant: as before" in asked[-1]


def test_a_verdict_that_can_not_be_read_is_asked_again_and_then_said(swept: Callable[..., Sweep]) -> None:
    verdicts = iter(["hm", "hm", '{"reason": "so", "score": 4}', "hm", "hm", "hm", "hm"])

    def say(prompt: str, model: str) -> str:
        return next(verdicts) if prompt.startswith(("You grade", "Your reply")) else prompt

    runs = swept(say, "{{ item }}", over=["a"]).run().judge("be good", model="j")
    assert runs[0].score == 4.0
    second = swept(say, "{{ item }}", over=["b"]).run().judge("be good", model="j")
    assert second[0].score is None
    assert second[0].reason.startswith("no verdict")
    assert second.warnings == ["judge: 1 of 1 verdicts could not be read, asked twice"]
    assert "1 of 1 verdicts could not be read" in repr(second.different())


def test_a_verdict_that_could_not_be_read_is_asked_for_by_a_retry(swept: Callable[..., Sweep]) -> None:
    verdicts = iter(["hm"] * 4 + ['{"reason": "so", "score": 4}'])

    def say(prompt: str, model: str) -> str:
        return next(verdicts) if prompt.startswith(("You grade", "Your reply")) else prompt

    runs = swept(say, "{{ item }}", over=["a"]).run().judge("be good", model="j")
    assert runs[0].score is None
    assert runs.retry_errors()[0].score == 4.0
    assert runs.warnings == []


def test_a_judge_among_the_judged_is_warned_of(swept: Callable[..., Sweep]) -> None:
    def say(prompt: str, model: str) -> str:
        return json.dumps({"reason": "so", "score": 3}) if prompt.startswith("You grade") else "x"

    made = swept(say, "{{ item }}", over=["a"], vary={"model": ["m", "n"]})
    assert "m judges its own replies" in made.run().judge("be good", model="m").warnings[0]
    assert made.run().judge("be good", model="other", name="second").warnings[1:] == []


def test_a_judge_is_among_the_judged_by_the_variant_the_default_or_the_model_that_answered() -> None:
    def ran(answered: str = "", **variant: str) -> Any:
        return SimpleNamespace(task=SimpleNamespace(variant=variant), reply=SimpleNamespace(model=answered))

    assert "m judges its own" in judges_itself([ran(model="n"), ran(model="m")], "m", "d")
    assert "d judges its own" in judges_itself([ran(model="n"), ran()], "", "d")
    assert "m-2 judges its own" in judges_itself([ran("m-2", model="m")], "m-2", "d")
    assert "the endpoint's own model judges" in judges_itself([ran()], "", "")
    assert judges_itself([ran("m-2", model="m"), ran("n-2", model="n")], "d", "d") == ""


def test_a_rubric_takes_no_name_of_another() -> None:
    assert make_rubric("tone: Is it kind?").name == "tone"
    assert make_rubric("Is it kind?").name == "judge"
    assert make_rubric("Is it kind?", others=("judge 2",)).name == "judge"
    assert make_rubric("Is it kind?", others=("judge", "judge 2", "judge 3")).name == "judge 4"
    assert make_rubric("tone: Is it kind?", "mine", others=("mine",)).name == "mine 2"


def test_only_what_failed_is_asked_anew_checked_and_judged(swept: Callable[..., Sweep]) -> None:
    broken = True

    def say(prompt: str, model: str) -> str:
        if prompt.startswith("You grade"):
            return json.dumps({"reason": "so", "score": 5})
        if broken and "n=1" in prompt:
            raise ConnectionFailedError("broken")
        if broken and ("n=2" in prompt or "Your reply" in prompt):
            return "I can't say."
        return '{"label": "x"}'

    made = swept(say, "n={{ item }}", over=[0, 1, 2, 3], options={"as_": Label})
    runs = made.run().check("value.label == 'x'", "right").judge("be right", model="j")
    assert [run.checks["right"] for run in runs] == [True, False, False, True]
    backend: Any = made.assistant.backend
    asked = len(backend.asked)
    broken = False
    assert runs.retry_errors() is runs
    assert [run.checks["right"] for run in runs] == [True] * 4
    assert [run.score for run in runs] == [5.0] * 4
    fresh = [request.messages[-1].text for request in backend.asked[asked:]]
    assert sorted(text for text in fresh if not text.startswith("You grade")) == ["n=1", "n=2"]
    runs.retry_errors()
    assert len(backend.asked) == asked + len(fresh), "there is nothing to ask anew"


def test_only_failed_asks_a_kept_reply_anew_that_could_not_be_read(swept: Callable[..., Sweep]) -> None:
    said = iter(["?", "?", '{"label": "x"}'])
    made = swept(lambda prompt, model: next(said), "n={{ item }}", over=[1], options={"as_": Label})
    assert not made.run()[0].ok
    again = Sweep(made.assistant, "n={{ item }}", over=[1], options={"as_": Label})
    assert run_and_judge(again, make_sweep_view("none"), only_failed=True)[0].ok


class Slow:
    """A model of which some inputs answer with nothing but 500, after waits."""

    name = "model"

    def __init__(self, bad: str, everyone: bool = False) -> None:
        self.bad = bad
        self.everyone = everyone
        self.order: list[str] = []
        self.held = asyncio.Event()

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        prompt = request.messages[-1].text
        if prompt in self.bad:
            yield Retrying(60.0, 1, "500", everyone=self.everyone)
            await self.held.wait()
        self.order.append(prompt)
        yield TurnStarted()
        yield TextDelta(prompt)
        yield TurnEnded("stop", Usage(1, 1, known=True))
        if len(self.order) == 8:
            self.held.set()

    def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
        return {}

    def models(self) -> list[str]:
        return []


def test_inputs_that_always_fail_hold_up_nobody_else() -> None:
    model = Slow("ab")
    runs = Sweep(Assistant(backend=model), "{{ item }}", over=list("abcdefghij"), jobs=2).run()  # type: ignore[arg-type]
    assert model.order[:8] == list("cdefghij"), "all others are through before those two have been answered"
    assert all(run.ok for run in runs)


def test_a_rating_stays_with_its_reply_wherever_it_comes_up_again(journal: Journal, tmp_path: Path) -> None:
    class Says:
        name = "model"

        async def astream(self, request: Request) -> AsyncIterator[Event]:
            yield TurnStarted()
            yield TextDelta(request.messages[-1].text + answer)
            yield TurnEnded("stop")

        def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
            return {}

        def models(self) -> list[str]:
            return []

    def sweep(over: list[str], **options: Any) -> Runs:
        return Sweep(Assistant(backend=Says(), **options), "{{ item }}", over=over, cache="refresh").run()  # type: ignore[arg-type]

    answer = "!"
    runs = sweep(["a", "b"], journal=journal)
    runs.rate(1, "good")
    journal.close()
    again = Journal(journal.path)
    assert [run.rating for run in sweep(["c", "b", "a"], journal=again)] == ["", "good", ""]
    assert sweep(["b"], journal=again).df["rating"].tolist() == ["good"]
    answer = "?"
    assert [run.rating for run in sweep(["b"], journal=again)] == [""], "another reply has no rating yet"
    again.close()
    file = ReplyFile(tmp_path / "replies.jsonl")
    sweep(["a", "b"], replies=file).rate(0, "bad")
    read = ReplyFile(tmp_path / "replies.jsonl")
    assert len(read) == 2
    rated = sweep(["b", "a"], replies=read)
    assert [run.rating for run in rated] == ["", "bad"]
    rated.rate(1, "")
    assert [run.rating for run in sweep(["a"], replies=ReplyFile(file.path))] == [""]


def test_an_adopted_text_does_not_leak_into_a_sweep_over_inputs(swept: Callable[..., Sweep]) -> None:
    made = swept(lambda prompt, model: "ok", "Q: {{ item }}", over=["u"], cache="off")
    made.run()
    made.runs.adopt(0)
    again = Sweep(made.assistant, "Q: {{ item }}", over=["u"], cache="off")
    again.run()
    backend: Any = made.assistant.backend
    assert [len(request.messages) for request in backend.asked] == [1, 1]
    named = Sweep(made.assistant, "Q: {{ item }}", over=["u"], cache="off", conversation=made.assistant.conversation)
    named.run()
    assert len(backend.asked[-1].messages) == 3


def test_few_ratings_do_not_decide_and_are_said(swept: Callable[..., Sweep]) -> None:
    runs = swept(lambda prompt, model: prompt, WORDINGS, over=list("abcdefgh")).run()
    runs.check("text.startswith('Sort')", "sort")
    runs.rate(1, "good")
    found = runs.best()
    assert found.variant == {"alt": "Sort"}
    assert "1 of 16 rated, too few to go by" in str(found)


def test_the_estimate_knows_how_long_earlier_answers_were(swept: Callable[..., Sweep]) -> None:
    made = swept(lambda prompt, model: "yes", "{{ item }}", over=range(10), vary={"model": ["m"]})
    assert made.estimate().output_tokens == 3000
    made.run()
    other = Sweep(made.assistant, "once more {{ item }}", over=range(10), vary={"model": ["m"]})
    assert other.estimate().output_tokens == 50


def test_the_grid_of_a_sweep_that_failed_says_of_how_many(swept: Callable[..., Sweep]) -> None:
    made = swept(frail, WORDINGS, over=list("abc"))
    run_and_judge(made, make_sweep_view("none"), ["text == 'yes'"])
    assert RunsGrid(made.runs).progress().words.startswith("6 done · 2 failed")
