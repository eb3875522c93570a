"""The meter of a run, and the budget that it may not pass."""

from __future__ import annotations

import pytest

from nbassist.core.events import ReasoningDelta, TextDelta, TurnEnded, TurnStarted, Usage
from nbassist.core.messages import Message, Request, Text
from nbassist.errors import BudgetError
from nbassist.run.meter import Budget, Meter


def dear(model: str, usage: Usage) -> float | None:
    """A tenth of a dollar for each token, read or written."""
    return (usage.input_tokens + usage.output_tokens) / 10 if model == "dear" and usage.known else None


def request(words: str = "x" * 40, **parameters: int) -> Request:
    return Request((Message("user", (Text(words),)),), model="dear", parameters=parameters)


def test_what_is_counted_takes_the_place_of_what_was_estimated() -> None:
    meter = Meter("dear", dear, Budget())
    meter.ask(request())
    meter.take(TurnStarted(model="dear"))
    meter.take(TextDelta("é" * 20))
    estimated = meter.cost
    assert estimated is not None
    assert estimated > 1.0  # ten tokens of text alone
    meter.take(TurnEnded("tool_calls", Usage(7, 3, known=True)))
    assert meter.cost == pytest.approx(1.0)
    meter.ask(request())
    meter.take(TurnStarted(model="dear"))
    meter.take(TurnEnded("stop", Usage(5, 5, known=True)))
    assert meter.cost == pytest.approx(2.0)


def test_tokens_that_are_never_counted_stay_at_their_estimate_and_are_never_nothing() -> None:
    budget = Budget(100.0)
    meter = Meter("dear", dear, budget)
    meter.ask(request())
    meter.take(TurnStarted(model="dear"))
    meter.take(TextDelta("y" * 400))
    meter.take(TurnEnded("stop"))
    meter.end(None)
    assert budget.spent >= 10.0


def test_a_request_that_would_pass_the_budget_is_not_asked_and_nothing_is_set_aside_for_it() -> None:
    budget = Budget(5.0)
    meter = Meter("dear", dear, budget)
    with pytest.raises(BudgetError, match=r"budget of \$5\.00 would be passed: \$0\.0000 is spent.*%config"):
        meter.ask(request(max_tokens=60))
    assert budget.spent == 0.0
    meter.ask(request(max_tokens=20))
    assert budget.spent > 2.0, "what its answer may take is set aside"


def test_two_runs_at_once_share_the_budget() -> None:
    budget = Budget(5.0)
    first, second = Meter("dear", dear, budget), Meter("dear", dear, budget)
    first.ask(request(max_tokens=20))
    with pytest.raises(BudgetError):
        second.ask(request(max_tokens=20))
    first.take(TurnStarted(model="dear"))
    first.take(TurnEnded("stop", Usage(1, 1, known=True)))
    first.end(0.2)
    assert budget.spent == pytest.approx(0.2)
    second.ask(request(max_tokens=20))


def test_an_answer_that_grows_past_the_budget_is_stopped_and_is_paid_for() -> None:
    budget = Budget(5.0)
    meter = Meter("dear", dear, budget)
    meter.ask(request(max_tokens=10))
    meter.take(TurnStarted(model="dear"))
    meter.take(TextDelta("y" * 40))
    meter.check()
    meter.take(TextDelta("y" * 400))
    with pytest.raises(BudgetError, match=r"stopped at the budget of \$5\.00: what came is kept"):
        meter.check()
    meter.end(None)
    assert budget.spent > 10.0


def test_without_a_price_no_budget_can_be_held_and_without_a_budget_none_is_asked_for() -> None:
    unknown = Request((Message("user", (Text("x"),)),), model="new")
    with pytest.raises(BudgetError, match=r"the price of new is not known.*prices\.toml.*budget = 0"):
        Meter("new", dear, Budget(5.0)).ask(unknown)
    meter = Meter("new", dear, Budget())
    meter.ask(unknown)
    meter.take(TurnStarted(model="new"))
    meter.take(TurnEnded("stop", Usage(5, 5, known=True)))
    assert meter.cost is None


def test_what_is_given_again_costs_nothing_and_has_no_rate() -> None:
    meter = Meter("dear", dear, Budget(5.0))
    meter.take(TurnStarted(model="dear", replayed=True))
    meter.take(ReasoningDelta("hm"))
    meter.take(TextDelta("y" * 4000))
    meter.take(TurnEnded("stop", Usage(500, 500, known=True)))
    assert meter.cost == 0.0
    assert meter.rate == 0.0
    assert meter.thoughts == [0.0]
    assert meter.writing == 0.0


def test_each_stretch_of_reasoning_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((0.0, 1.0, 4.0, 9.0, 10.0, 12.0, 20.0))
    monkeypatch.setattr("nbassist.run.meter.time.monotonic", lambda: next(now))
    meter = Meter("dear", dear, Budget())
    meter.take(TurnStarted(model="dear"))
    meter.take(ReasoningDelta("first"))
    meter.take(ReasoningDelta(" and"))
    meter.take(TextDelta("said"))
    meter.take(ReasoningDelta("second"))
    meter.take(TextDelta("y" * 76))
    assert meter.thoughts == [8.0, 2.0]
    meter.take(TurnEnded("stop"))
    assert meter.writing == 11.0
