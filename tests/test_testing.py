"""The scripted backend that people test their tools with: it plays its script, and fails where the run leaves it."""

from __future__ import annotations

import asyncio
import re

import pytest

from nbassist import Assistant, tool
from nbassist.errors import RateLimitError
from nbassist.testing import Call, Cut, Prompt, Say, ScriptedBackend, ScriptError, call_tool
from nbassist.tools import registry


def row_count(table: str) -> int:
    """Count the rows of a table."""
    return {"orders": 12}[table]


def note(text: str) -> str:
    """Keep a note."""
    return "kept"


def assistant(model: ScriptedBackend) -> Assistant:
    return Assistant(backend=model, tools=[row_count, note])


def test_the_script_is_played_and_the_tools_are_the_real_ones() -> None:
    with ScriptedBackend(
        Prompt("How many orders?"), Call("row_count", table="orders").expect("12"), Say("There are 12 orders.")
    ) as model:
        reply = assistant(model).ask("How many orders?")
    assert reply.text == "There are 12 orders."
    assert [(call.name, call.output) for call in reply.tool_calls] == [("row_count", "12")]
    assert [spec.name for spec in model.requests[0].tools] == ["row_count", "note"]


def test_it_plays_on_an_event_loop_too() -> None:
    with ScriptedBackend(
        [Call("row_count", table="orders"), Call("note", text="a").expect("kept")], Say("ok")
    ) as model:
        assert asyncio.run(assistant(model).aask("go")).text == "ok"


def test_errors_of_a_tool_and_of_the_endpoint_can_be_scripted() -> None:
    with ScriptedBackend(
        Call("row_count", table="nope").expect_error(re.compile("KeyError")),
        Call.raw("row_count", "{").expect_error(lambda line: "not valid JSON" in line),
        Say("sorry"),
    ) as model:
        assert assistant(model).ask("go").text == "sorry"
    with pytest.raises(RateLimitError):
        assistant(ScriptedBackend(RateLimitError("too many"))).ask("go")
    assert assistant(ScriptedBackend(Cut("Half an"))).ask("go").finish == "incomplete"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [Call("row_cuont", table="orders")],
            "which is not offered; these are: row_count, note (did you mean row_count?)",
        ),
        ([Call("row_count", table="orders").expect("13"), Say("ok")], "the output of row_count is '12', expected '13'"),
        ([Call("row_count", table="orders").expect(re.compile("x")), Say("ok")], "expected the pattern 'x'"),
        ([Call("row_count", table="nope"), Say("ok")], 'row_count({"table": "nope"}) failed: KeyError'),
        ([Call("row_count", table="orders").expect_error("x"), Say("ok")], "the error of row_count is ''"),
        ([Call("row_count", table="orders")], "the script has ended. It brings row_count: '12'"),
        ([], "the script has ended. It asks 'go'"),
        ([Prompt("other"), Say("ok")], "the prompt is 'go', expected 'other'"),
        ([[Say("ok")]], "a turn is a Say, a Cut, a Call or a list of Call"),
        ([Say("ok"), Say("more")], "the run ended before its script: 1 more, the next is Say(text='more')"),
    ],
)
def test_where_the_run_leaves_the_script_it_is_said(steps: list[object], words: str) -> None:
    with pytest.raises(ScriptError, match=re.escape(words)), ScriptedBackend(*steps) as model:  # type: ignore[arg-type]
        assistant(model).ask("go")


def test_an_error_in_the_block_is_not_hidden_by_what_is_left_of_the_script() -> None:
    with pytest.raises(ZeroDivisionError), ScriptedBackend(Say("never")):
        1 / 0


def test_the_tools_marked_in_the_process_are_used_where_none_are_given() -> None:
    before = dict(registry())
    registry().clear()
    try:
        tool(row_count)
        with ScriptedBackend(Call("row_count", table="orders"), Say("ok")) as model:
            Assistant(backend=model).ask("go")
    finally:
        registry().clear()
        registry().update(before)


def test_one_function_is_called_as_a_model_would() -> None:
    assert call_tool(row_count, table="orders").output == "12"
    assert call_tool(row_count, table=1).error is not None
    assert "KeyError" in call_tool(row_count, table="x").output


def test_the_example_in_its_docstring_runs() -> None:
    import nbassist.testing as testing

    assert testing.__doc__ is not None
    lines = [line[4:] for line in testing.__doc__.splitlines() if line.startswith("    ") or not line]
    code = "\n".join(lines[1:])
    namespace = {"row_count": row_count}
    exec(compile(code, "example", "exec"), namespace)
    namespace["test_the_orders_are_counted"]()  # type: ignore[operator]
