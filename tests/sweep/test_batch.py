"""A sweep through the Batch API, on the real wire of a scripted server: submitted, followed and collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_service import Service

from nbassist import Assistant
from nbassist.backends.batches import BatchState
from nbassist.config.prices import dollars
from nbassist.errors import BackendError, BudgetError, UsageError
from nbassist.journal import Journal
from nbassist.sweep import Sweep
from nbassist.sweep.remote.batch import run_batch


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture
def sweep(service: Service, journal: Journal) -> Callable[..., Sweep]:
    def make(backend: str = "chat", **options: Any) -> Sweep:
        assistant = Assistant(
            backend=backend, base_url=service.url, api_key="k", model=options.pop("model", "m"), journal=journal
        )
        return Sweep(assistant, "{{ item }}?", **{"over": ["x", "y", "z"], **options})

    return make


@pytest.mark.parametrize("backend", ["chat", "responses"])
def test_a_batch_is_submitted_followed_and_collected(
    service: Service, sweep: Any, journal: Journal, backend: str
) -> None:
    told: list[BatchState] = []
    runs = run_batch(sweep(backend), told=told.append, wait=0.01)
    assert [run.text for run in runs] == ["said x?", "said y?", "said z?"]
    assert [state.status for state in told] == ["in_progress", "in_progress", "completed"]
    assert (told[0].done, told[0].total) == (1, 3)
    assert {line["url"] for line in service.lines} == {"/v1/chat/completions" if backend == "chat" else "/v1/responses"}
    assert all("stream" not in line["body"] for line in service.lines)
    assert runs[0].reply.usage.input_tokens == 7  # type: ignore[union-attr]
    assert [(entry.replayed, entry.cost) for entry in journal.entries()] == [(False, None)] * 3, "m has no price"
    assert not any(run.cached for run in runs), "it was asked, if another way"
    assert len(service.batches) == 1
    again = run_batch(sweep(backend), wait=0.01)
    assert [run.cached for run in again] == [True] * 3
    assert len(service.batches) == 1


def test_a_batch_costs_what_the_table_of_prices_says(service: Service, sweep: Any, journal: Journal) -> None:
    asked = run_batch(sweep(model="gpt-4o", repeat=2), wait=0.01)
    assert len(service.lines) == 6
    replies = [run.reply for run in asked if run.reply is not None]
    alone = dollars("gpt-4o", replies[0].usage)
    assert alone is not None
    assert [reply.cost for reply in replies] == pytest.approx([alone / 2] * 6)
    assert sum(entry.cost or 0 for entry in journal.entries()) == pytest.approx(3 * alone)


def test_a_batch_that_would_pass_the_budget_is_not_submitted_and_one_that_was_is_collected_whole(
    service: Service, sweep: Any
) -> None:
    small = sweep(model="gpt-4o", over=range(20))
    small.assistant.budget.limit = 0.0200  # an answer is taken for 300 tokens, at half of ten dollars a million
    with pytest.raises(BudgetError, match=r"the budget of \$0.02 would be passed: \$0.0000 is spent"):
        run_batch(small, wait=0.01)
    assert not service.batches
    assert small.assistant.budget.spent == 0.0, "nothing is set aside for what was not submitted"
    small.assistant.budget.limit = 0.0400
    with pytest.raises(KeyboardInterrupt):
        run_batch(small, told=interrupt, wait=0.01)
    assert small.assistant.budget.spent > 0.0200, "the endpoint goes on, and all of it is still set aside"
    small.assistant.budget.limit = 0.0001  # it is paid for: no answer is left out now
    runs = run_batch(small, wait=0.01)
    assert [run.ok for run in runs] == [True] * 20
    assert small.assistant.budget.spent == pytest.approx(sum(run.reply.cost or 0 for run in runs if run.reply))
    assert 0 < small.assistant.budget.spent < 0.0200
    assert len(service.batches) == 1


def test_a_batch_whose_model_has_no_price_is_not_submitted_under_a_budget(service: Service, sweep: Any) -> None:
    unpriced = sweep(model="unheard-of")
    unpriced.assistant.budget.limit = 1.0
    with pytest.raises(BudgetError, match="the price of unheard-of is not known"):
        run_batch(unpriced, wait=0.01)
    assert not service.batches


def test_what_was_set_aside_for_a_batch_that_is_refused_is_free_again(service: Service, sweep: Any) -> None:
    refused = sweep(model="gpt-4o")
    refused.assistant.budget.limit = 1.0
    service.look = lambda batch_id: {"status": "expired"}  # type: ignore[method-assign]
    with pytest.raises(BackendError):
        run_batch(refused, wait=0.01)
    assert refused.assistant.budget.spent == 0.0


def test_only_what_is_not_known_is_in_the_batch(service: Service, sweep: Any) -> None:
    run_batch(sweep(over=["x"]), wait=0.01)
    service.looks = 0
    runs = run_batch(sweep(over=["x", "y"]), wait=0.01)
    assert [line["body"]["messages"][-1]["content"] for line in service.lines] == ["y?"]
    assert [run.text for run in runs] == ["said x?", "said y?"]
    run_batch(sweep(over=["x", "y"]), wait=0.01)
    assert len(service.batches) == 2, "where all is known no batch is begun"


def test_a_batch_that_is_left_is_gone_on_with_by_another_process(service: Service, sweep: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_batch(sweep(), told=interrupt, wait=0.01)
    runs = run_batch(sweep(), wait=0.01)  # nothing of the first is left but what is on disk
    assert [run.ok for run in runs] == [True] * 3
    assert len(service.batches) == 1


def test_what_fails_in_a_batch_is_an_error_of_its_run_alone(service: Service, sweep: Any) -> None:
    service.refuse = "y?"
    runs = run_batch(sweep(), wait=0.01)
    assert [run.error for run in runs] == ["", "too long for the model", ""]
    assert [run.text for run in runs] == ["said x?", "", "said z?"]


def test_a_batch_that_can_not_be_is_one_line(service: Service, sweep: Any, tmp_path: Path) -> None:
    for options, words in (
        ({"backend": "assistants"}, "not assistants"),
        ({"model": ""}, "give it with -m"),
        ({"tools": [print_it]}, "tools can't be called"),
        ({"vary": {"profile": ["a"]}}, "profiles can't be varied"),
    ):
        with pytest.raises(UsageError, match=words):
            run_batch(sweep(**options))
    assert not service.batches


def test_a_batch_that_expired_says_so(service: Service, sweep: Any) -> None:
    service.look = lambda batch_id: {"status": "expired"}  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="batch_0 expired"):
        run_batch(sweep(), wait=0.01)


def interrupt(state: BatchState) -> None:
    raise KeyboardInterrupt


def print_it() -> str:
    "Print."
    return ""
