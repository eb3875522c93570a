"""How the values of flags are read, and what of them is told in one line."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.errors import UsageError
from nbassist.magics.line.flags import parser


def read(*words: str) -> Any:
    return parser().parse_args(list(words))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stop=['a','b']", ["a", "b"]),
        ("stop=('a','b')", ["a", "b"]),
        ("response_format={'type': 'json_object'}", {"type": "json_object"}),
        ('stop=["a"]', ["a"]),
        ("logprobs=True", True),
        ("logit_bias={'5': None, '6': True}", {"5": None, "6": True}),
        ("stop=[a, b", "[a, b"),
        ("stop=(a)", "(a)"),
        ("stop={1}", "{1}"),
        ("stop=(1)", "(1)"),
    ],
)
def test_a_list_or_a_dict_may_stand_in_the_quotes_of_python(text: str, value: Any) -> None:
    assert read("-p", text).parameters == [(text.partition("=")[0], value)]


def test_varied_values_may_stand_in_a_list_of_python_and_hold_lists() -> None:
    assert read("--vary", "stop=['a', 'b']").vary == [("stop", ("a", "b"))]
    assert read("--vary", "stop=[['a'], ['b']]").vary == [("stop", (["a"], ["b"]))]


@pytest.mark.parametrize("text", ["NaN", "1e999", "-Infinity", "[1, NaN]", "{'a': 1e999}"])
@pytest.mark.parametrize("flag", ["-p", "--vary"])
def test_a_number_that_json_cannot_say_is_refused(flag: str, text: str) -> None:
    with pytest.raises(UsageError, match="is no number that can be sent"):
        read(flag, f"temperature={text}")


@pytest.mark.parametrize("word", ["class", "None", "1x"])
def test_a_keyword_is_no_variable(word: str) -> None:
    with pytest.raises(UsageError, match="can't be a variable's name"):
        read("--to", word)


@pytest.mark.parametrize("level", ["xhigh", "max", "none"])
def test_each_level_of_reasoning_is_taken(level: str) -> None:
    assert read("--reasoning", level).reasoning == level
