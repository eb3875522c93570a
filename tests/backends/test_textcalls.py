"""Calls that a model writes as JSON in its text (seen with Qwen2.5-Coder-1.5B-Instruct in llama.cpp)."""

from __future__ import annotations

import json
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.backends.chat import text_calls
from nbassist.backends.chat.text_calls import TextCall, TextCallReader

BARE = '{"name": "row_count", "arguments": {"table": "orders {x}"}}'
CALL = TextCall("row_count", '{"table": "orders {x}"}')


SCHEMA = {
    "type": "object", "required": ["table"],
    "properties": {"table": {"type": "string"}, "limit": {"type": "integer"}, "any": {"type": ["string", "null"]}},
}  # fmt: skip


def read(text: str, size: int = 0, tools: Collection[str] = ("row_count",)) -> tuple[str, list[TextCall]]:
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
        (f"I will count them:\n```json\n{BARE}\n```\n", "I will count them:\n"),
        (f"I will count them:\n<tool_call>\n{BARE}\n</tool_call>", "I will count them:\n"),
        (json.dumps([json.loads(BARE)]), ""),
        (json.dumps({"type": "function", "function": json.loads(BARE)}), ""),
        ('{"name": "row_count", "parameters": {"table": "orders {x}"}}', ""),
        (f"{{{BARE}}}", ""),
        ('{{"name": "row_count", "arguments": {{"table": "orders {{x}}"}}}}', ""),
    ],
)
def test_a_call_that_nothing_follows_is_read(text: str, before: str, size: int) -> None:
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
        '{"name": "Ada", "age": 36}\n',
        f"{BARE}\nThe table has 12 rows.",
        f"{BARE}\n\nThis is how a call of row_count looks.",
        f"```json\n{BARE}\n```\n\nIt names the tool, and gives `table`.",
        f"{BARE}\nis one, and this is another:\n{BARE}",
        f"The file ends with:\n```json\n{BARE}\n```\nI did not run it.",
        f"```python\nx = 1\n{BARE}\n```",
        f"````md\n```json\n{BARE}\n```\n````",
        f"<think>I could write\n{BARE}\n",
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


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ('{"table": "orders"}', True),
        ('{"table": "orders", "limit": 3, "any": null}', True),
        ("{}", False),
        ('{"table": "orders", "more": 1}', False),
        ('{"table": 1}', False),
        ('{"table": "orders", "limit": "3"}', False),
    ],
)
def test_behind_other_words_it_is_a_call_only_with_the_arguments_of_the_tool(arguments: str, fits: bool) -> None:
    call = f'{{"name": "row_count", "arguments": {arguments}}}'
    tools = {"row_count": SCHEMA}
    assert bool(read(f"It would be\n{call}", tools=tools)[1]) == fits
    assert read(call, tools=tools)[1] == [TextCall("row_count", arguments)], "alone it is one, and the model is told"


@pytest.mark.parametrize("size", [1, 0])
def test_a_call_of_a_tool_that_there_is_not_is_told_in_words(size: int) -> None:
    shown, calls = read('{"name": "get_rows", "arguments": {"table": "orders"}}', size)
    assert shown == 'The model wrote a call of `get_rows`, which is no tool here (table = "orders").'
    assert calls == []


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


@pytest.mark.parametrize(
    "text",
    [
        '{"name":\n' * 300 + "1" + "}" * 300,  # each line begins a value that ends far behind
        '{"name":\n' * 300,  # and here none ever does
        "[\n" * 1000,
    ],
)
def test_json_in_json_is_looked_through_a_bounded_number_of_times(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    class Counting(text_calls._Scanner):
        def end(self, text: str, start: int) -> int | None:
            nonlocal looked
            begin = start if self._position is None else self._position
            end = super().end(text, start)
            looked += (len(text) if end is None else end) - begin
            return end

    monkeypatch.setattr(text_calls, "_Scanner", Counting)
    assert read(text) == (text, [])
    assert looked <= (text_calls._LOOKS + 1) * len(text)


@pytest.mark.parametrize("head", ["", "```", "<tool_call>"])
@pytest.mark.parametrize("sign", [" ", "\n", "a", "`", "\t"])
def test_what_may_come_before_a_call_is_held_back_up_to_a_bound(head: str, sign: str) -> None:
    reader, told = TextCallReader(["row_count"]), reader_text([])
    for piece in (head, *sign * 5000):
        told += reader_text(reader.feed(piece))
        assert len(reader._held) < 2000
    assert told + reader_text(reader.finish()) == head + sign * 5000


def reader_text(found: list[str | TextCall]) -> str:
    return "".join(piece for piece in found if isinstance(piece, str))


def test_a_call_behind_many_blank_lines_is_one() -> None:
    assert read("\n" * 3000 + "   " + BARE, 7)[1] == [CALL]
