"""A thread that goes through fourteen providers, each with the rules of the real one, and through a restart."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cast import PARTS
from play import Stage, assistant_at, meet, once_more, table, tour
from rules import ARGUMENTS, NOT_EMPTY, ORDER, fields, gave_back, ids
from stage import Part, Said

from nbassist import Conversation, Threads

ROOT = Path(__file__).parent.parent.parent
NAMES = [part.name for part in PARTS]


@pytest.fixture(scope="module")
def toured() -> tuple[dict[str, Stage], list[str]]:
    played, wrong = tour()
    return {stage.part.name: stage for stage in played}, wrong


@pytest.fixture(scope="module")
def met() -> dict[str, tuple[Stage, list[str]]]:
    return {part.name: meet(part) for part in PARTS}


@pytest.mark.parametrize("name", NAMES)
def test_a_thread_from_all_others_goes_on_and_comes_back(name: str, toured: tuple[dict[str, Stage], list[str]]) -> None:
    stage, wrong = toured[0][name], toured[1]
    assert (stage.faults, +stage.broken) == ([], Counter())
    assert [one for one in wrong if one.startswith(f"{name}:")] == []
    assert all(stage.held[rule.name] for rule in stage.part.rules), "each rule was looked at"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_provider_refuses_of_which_nothing_is_known_is_mended_by_its_words(
    name: str, met: dict[str, tuple[Stage, list[str]]]
) -> None:
    stage, wrong = met[name]
    assert wrong == []
    assert stage.refused <= 3, "each kind is refused once, and remembered"


@pytest.mark.parametrize("part", [part for part in PARTS if part.name in ("Gemini", "OpenRouter", "DeepSeek")])
@pytest.mark.parametrize("way", ["restart", "fork"])
def test_what_a_provider_wants_back_outlives_a_restart_and_a_fork(part: Part, way: str, tmp_path: Path) -> None:
    stage, thread = Stage(part), Conversation("t")
    try:
        assert assistant_at(stage, Threads(), known=True).ask("Weather?", conversation=thread).finish == "completed"
        thread.save(tmp_path / "t.json")
        again = Conversation.load(tmp_path / "t.json") if way == "restart" else thread.fork()
        assert assistant_at(stage, Threads(), known=True).ask("Weather?", conversation=again).finish == "completed"
    finally:
        stage.close()
    assert stage.faults == []
    assert stage.held["own state back"]


def test_the_table_in_the_documentation_is_the_one_that_is_played(
    toured: tuple[dict[str, Stage], list[str]], met: dict[str, tuple[Stage, list[str]]]
) -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    found = re.search(r"^\| provider \|.*?(?=\n\n)", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    played = [line for line in found[0].splitlines() if "the real one" not in line]  # that is `test_llama_cpp.py`
    assert "\n".join(played) == table(list(toured[0].values()), {name: stage for name, (stage, _) in met.items()})


def call(arguments: str = "{}", call_id: str = "a", **beside: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function, **beside}]}


@pytest.mark.parametrize(
    ("rule", "messages"),
    [
        (ARGUMENTS, [call('{"city": "Ro"me"}')]),
        (ARGUMENTS, [call("[]")]),
        (ARGUMENTS, [call('{"x": NaN}')]),
        (NOT_EMPTY, [{"role": "assistant", "content": ""}]),
        (ORDER, [{"role": "tool", "tool_call_id": "a", "content": ""}, {"role": "user", "content": "x"}]),
        (ids("[a-z]", "wrong"), [call(call_id="A")]),
        (ids(".", "wrong"), [call(), call()]),
        (fields("{name}"), [call(extra_content={})]),
        (fields("{name}"), [{"role": "assistant", "content": "x", "reasoning_content": "hm"}]),
        (gave_back("{name}", ("r",)), [{"role": "assistant", "content": "mine", "r": "other"}]),
        (gave_back("{name}", ("r",), needed="r"), [{"role": "assistant", "content": "of another"}]),
    ],
)
def test_each_rule_finds_what_breaks_it(rule: Any, messages: list[Any]) -> None:
    assert any(rule.look({"messages": messages}, [Said(text="mine", state={"r": "thought"})]))


def test_a_provider_that_is_asked_again_knows_its_own_words(tmp_path: Path) -> None:
    stage, threads = Stage(PARTS[0]), Threads()
    try:
        assert once_more(stage, threads) == []
        assert once_more(stage, threads) == []
    finally:
        stage.close()
    assert len(stage.said) == 4
