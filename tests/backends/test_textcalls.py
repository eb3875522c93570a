"""Calls that a model writes as JSON in its text (seen with Qwen2.5-Coder-1.5B-Instruct in llama.cpp)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.backends.textcalls import TextCall, TextCallReader

BARE = '{"name": "row_count", "arguments": {"table": "orders {x}"}}'
CALL = TextCall("row_count", '{"table": "orders {x}"}')


def read(text: str, size: int = 0, tools: tuple[str, ...] = ("row_count",)) -> tuple[str, list[TextCall]]:
    reader = TextCallReader(tools)
    pieces = [text[i : i + size] for i in range(0, len(text), size)] if size else [text]
    found = [item for piece in pieces for item in reader.feed(piece)] + reader.finish()
    return "".join(x for x in found if isinstance(x, str)), [x for x in found if isinstance(x, TextCall)]


@pytest.mark.parametrize("size", [1, 3, 0])
@pytest.mark.parametrize(
    ("text", "before"),
    [
        (BARE, ""),
        (f"\n\n  {BARE}\n\n", ""),
        (f"```json\n{BARE}\n```", ""),
        (f"```\n{BARE}\n```\n", ""),
        (f"<tool_call>\n{BARE}\n</tool_call>", ""),
        (f"I will count them:\n```json\n{BARE}\n```\nThe table has 12 rows.", "I will count them:\n"),
        (json.dumps([json.loads(BARE)]), ""),
        (json.dumps({"type": "function", "function": json.loads(BARE)}), ""),
        ('{"name": "row_count", "parameters": {"table": "orders {x}"}}', ""),
        (f"{{{BARE}}}", ""),
        ('{{"name": "row_count", "arguments": {{"table": "orders {{x}}"}}}}', ""),
    ],
)
def test_a_call_in_the_text_is_read_and_the_guess_after_it_dropped(text: str, before: str, size: int) -> None:
    shown, calls = read(text, size)
    assert calls == [CALL]
    assert shown == before


@pytest.mark.parametrize("size", [1, 0])
def test_two_calls_one_after_another_are_both_read(size: int) -> None:
    assert read(f"{BARE}\n{BARE}", size)[1] == [CALL, CALL]


@pytest.mark.parametrize("size", [1, 2, 0])
@pytest.mark.parametrize(
    "text",
    [
        "Plain text.",
        'The dict {"name": "row_count", "arguments": {}} in a line is text.',
        '{"name": "unknown_tool", "arguments": {}}\n',
        '{"name": "row_count", "arguments": "no object"}\n',
        '{"name": "row_count", "argum',
        '{"a": 1}\nmore',
        '```json\n{"a": [1, 2]}\n```\nmore',
        "```python\nx = {'name': 1}\n```",
        "[1, 2, 3]",
        "`row_count`",
        "<tool_box>",
        "\n\n",
        '{"name": "row_count"}}}',
    ][:-1],
)
def test_what_is_no_call_stays_text_to_the_letter(text: str, size: int) -> None:
    assert read(text, size) == (text, [])


def test_without_tools_all_text_passes_at_once() -> None:
    reader = TextCallReader(())
    assert reader.feed('{"name": "row_count", ') == ['{"name": "row_count", ']


def test_text_that_can_be_no_call_is_not_held_back() -> None:
    reader = TextCallReader(["row_count"])
    assert reader.feed("Hello") == ["Hello"]
    assert reader.feed(" {") == [" {"]
    assert "".join(x for x in reader.feed('\n{"answer": ') if isinstance(x, str)) == '\n{"answer": '


@given(st.text(alphabet='{}[]":, `\nab<tool_call>name', max_size=60), st.lists(st.integers(1, 8), max_size=60))
def test_any_cuts_give_what_the_whole_text_gives(text: str, sizes: list[int]) -> None:
    reader, at, found = TextCallReader(["a", "b", "name"]), 0, []
    for size in sizes:
        found += reader.feed(text[at : at + size])
        at += size
    found += reader.feed(text[at:]) + reader.finish()
    shown = "".join(x for x in found if isinstance(x, str))
    assert (shown, [x for x in found if isinstance(x, TextCall)]) == read(text, 0, ("a", "b", "name"))
