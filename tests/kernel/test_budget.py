"""A budget in a real kernel: what would pass it is not asked, of one prompt, of its tools, and of a sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"
# A dollar for each thousand tokens: an answer of 300 is set aside with 30 cents.
PRICES = "[dear]\ninput = 1000\noutput = 1000\n"


def answer(wire: Any, text: str, tokens: int) -> Any:
    """Answer with a text, and say that it took so many tokens in all."""
    usage = {"prompt_tokens": tokens - 10, "completion_tokens": 10, "total_tokens": tokens}
    last = json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "dear", "choices": [], "usage": usage})
    stream = wire.stream(wire.delta(content=text), wire.delta("stop"))
    return wire.answer([*stream[:-1], f"data: {last}\n\n".encode(), stream[-1]])


@pytest.fixture
def dear(start_kernel: Callable[..., Any], tmp_path: Path) -> Any:
    """A kernel whose model has a price."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "prices.toml").write_text(PRICES)
    return start_kernel(
        NBASSIST_MODEL="dear", NBASSIST_API_KEY="k", NBASSIST_CONFIG_DIR=str(tmp_path / "config"), NBASSIST_CACHE="off"
    )


def test_a_prompt_that_would_pass_the_budget_is_not_asked_and_says_so_in_one_line(
    dear: Any, endpoint: Any, wire: Any
) -> None:
    endpoint.on("POST", CHAT, answer(wire, "one", 500), answer(wire, "two", 500))
    dear.run("%config NbAssist.budget = 1.00")
    assert dear.run("%%assistant\nSay one.", cell="a").error is None
    refused = dear.run("%%assistant\nSay two.", cell="b")
    assert refused.error is None, "0.5 are spent, and 0.3 for the answer are left"
    refused = dear.run("%%assistant\nSay three.", cell="c")
    assert refused.error["ename"] == "BudgetError"
    assert "the budget of $1.00 would be passed: $1.0000 is spent" in refused.error["evalue"]
    assert "%config NbAssist.budget" in refused.error["evalue"]
    assert len(refused.error["traceback"]) == 1
    assert len(endpoint.bodies(CHAT)) == 2
    assert "$1.00 of $1.00" in dear.run("%assistant").result
    dear.run("%config NbAssist.budget = 9.00")
    assert dear.run("%%assistant\nSay three.", cell="c").error is None
    assert "Say three." in str(endpoint.bodies(CHAT)[-1])
    assert "Say two." in str(endpoint.bodies(CHAT)[-1])


def test_a_run_is_stopped_between_its_turns_and_keeps_what_came(dear: Any, endpoint: Any, wire: Any) -> None:
    call = answer(wire, "I look. ", 800)
    call.pieces[1:2] = wire.stream(wire.call("c1", "row_count", '{"table": "orders"}'), wire.delta("tool_calls"))[:2]
    endpoint.on("POST", CHAT, call, answer(wire, "never", 10))
    dear.run("%config NbAssist.budget = 1.00")
    ran = dear.run("%%assistant\nHow many?", cell="a")
    assert len(endpoint.bodies(CHAT)) == 1
    assert "I look." in ran.plain
    assert "would be passed: $0.8000 is spent" in ran.plain
    assert "Stopped" in ran.plain


def test_a_model_without_a_price_is_said_to_have_none_and_never_counted_as_nothing(
    dear: Any, endpoint: Any, wire: Any
) -> None:
    endpoint.on("POST", CHAT, answer(wire, "one", 500))
    dear.run("%config NbAssist.budget = 1.00")
    refused = dear.run("%%assistant -m unheard-of\nSay one.", cell="a")
    assert "the price of unheard-of is not known" in refused.error["evalue"]
    assert endpoint.bodies(CHAT) == []


def test_a_sweep_ends_before_the_budget_is_passed_and_goes_on_when_it_is_raised(
    dear: Any, endpoint: Any, wire: Any
) -> None:
    endpoint.on("POST", CHAT, *(answer(wire, f"said {n}", 400) for n in range(9)))
    dear.run("rows = list('abcdef')\n%config NbAssist.budget = 2.00")
    cell = "%%assistant --over rows --jobs 2 --cache auto --yes --to g\nSay {{ item }}."
    ran = dear.run(cell, cell="a")
    assert ran.error is None
    assert len(endpoint.bodies(CHAT)) in (4, 5)
    assert "not all was asked: the budget of $2.00 would be passed" in ran.plain
    assert dear.run("sum(r.ok for r in g), {r.error for r in g}").result == f"({len(endpoint.bodies(CHAT))}, {{''}})"
    dear.run("%config NbAssist.budget = 20.00")
    again = dear.run(cell, cell="a")
    assert len(endpoint.bodies(CHAT)) == 6, "what was answered is not asked again, and costs nothing"
    assert "not all was asked" not in again.plain
    assert dear.run("all(r.ok for r in g)").result == "True"
    spent = dear.run("%assistant").result
    assert "$2.40 of $20.00" in spent


def test_what_is_kept_can_be_shown_when_all_is_spent(dear: Any, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, answer(wire, "one", 900))
    dear.run("%config NbAssist.budget = 1.15")
    cell = "%%assistant --cache auto\nSay one."
    assert dear.run(cell, cell="a").error is None
    assert "one" in dear.run(cell, cell="a").plain
    assert dear.run("%%assistant\nSay two.", cell="b").error["ename"] == "BudgetError"
    assert len(endpoint.bodies(CHAT)) == 1
