"""Real llama.cpp among the providers: a thread of all habits goes on there, and what it refuses is never sent."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from real import RealStage, real_stage, row, there_and_back
from stage import Stage

from nbassist.server.engine.model import locate

pytestmark = pytest.mark.model
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def stage() -> Iterator[RealStage]:
    locate()  # where it is missing this fails with the command to run; -m 'not model' goes without
    with real_stage() as made:
        yield made


@pytest.fixture(scope="module")
def played(stage: RealStage) -> tuple[list[Stage], list[str]]:
    return there_and_back(stage)


def test_a_thread_with_malformed_calls_and_foreign_state_goes_on_there_and_back(
    stage: RealStage, played: tuple[list[Stage], list[str]]
) -> None:
    others, wrong = played
    assert wrong == []
    assert (stage.refused, stage.faults, +stage.broken) == (0, [], Counter())
    assert all(stage.held[rule.name] for rule in stage.part.rules), "each rule was looked at"
    assert [one.faults for one in others] == [[] for _ in others]
    assert any('"Ro"me"' in str(body["messages"]) for body in stage.requests), "the model is told what it wrote"


@pytest.mark.parametrize("arguments", ['{"city": "Ro"me"}', '{"city": '])
def test_a_malformed_call_is_refused_by_it_as_it_is_by_its_part(stage: RealStage, arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
    ]
    status, _ = stage.post({"messages": messages, "max_tokens": 1})
    assert status >= 400


def test_its_row_stands_in_the_table_of_the_documentation(
    stage: RealStage, played: tuple[list[Stage], list[str]]
) -> None:
    assert row(stage) in (ROOT / "docs" / "providers.md").read_text(encoding="utf-8").splitlines()
