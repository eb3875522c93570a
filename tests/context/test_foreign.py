"""Braces of another language, and those of ours beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.context.template import escaped, fill, fill_in
from nbassist.errors import UsageError


@pytest.mark.parametrize(
    "text",
    [
        "on: ${{ github.ref }}",
        "{% if x %}{{ y }}{% endif %}",
        r"\bar{{x}}",
        "x^{{n}}",
        "```\n{{ x }}\n```",
        "~~~yaml\n{{ x }}\n~~~",
        "`{{ x }}`",
        "f'{{x}}'",
        'print(rf"{{x}}")',
        'f"""\nlong\n{{x}}\n"""',
        "<td>{{ user.name }}</td>",
    ],
)
def test_what_looks_like_another_language_is_left(text: str) -> None:
    filled = fill_in(text, {"other": 1})
    assert filled.text == text
    assert filled.left
    assert "left as it is" in filled.note


PLAIN = [
    "{{ x }}",
    "'{{ x }}'",
    "if{{ x }}",
    "```\ncode\n```\n{{ x }}",
    "`code` {{ x }}",
    "f'{y}' {{ x }}",
    "$5 {{ x }}",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_stands_in_plain_words_is_a_name_that_is_missing(text: str) -> None:
    with pytest.raises(UsageError, match="'x' is not defined"):
        fill(text, {})


def test_a_name_that_is_defined_is_filled_in_wherever_it_stands() -> None:
    assert fill("```\n{{ x }}\n```", {"x": 7}) == "```\n7\n```"


def test_an_error_of_the_expression_itself_is_told_wherever_it_stands() -> None:
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        fill("```\n{{ 1 / 0 }}\n```", {})


@given(st.text(alphabet="\\{} x|'\n$`", max_size=40))
def test_what_is_escaped_comes_back(text: str) -> None:
    assert fill(escaped(text), {}) == text
