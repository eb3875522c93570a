"""`{{ expression }}` in a prompt."""

from __future__ import annotations

import pytest

from nbassist.context.template import fill
from nbassist.errors import UsageError


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("more than {{ target }}?", "more than 100?"),
        ("{{target+1}} and {{ words[0].upper() }}", "101 and A"),
        ("{{ {'a': 1}['a'] }}", "1"),
        ("f'{x}' {y: {z}} {{}} {{ }} }} {{", "f'{x}' {y: {z}} {{}} {{ }} }} {{"),
        ("{% raw %} {{ for x in y }}", "{% raw %} {{ for x in y }}"),
        ("", ""),
    ],
)
def test_what_is_an_expression_is_filled_in_and_all_else_is_left(template: str, filled: str) -> None:
    assert fill(template, {"target": 100, "words": ["a", "b"]}) == filled


def test_a_missing_name_is_one_line_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'targte' is not defined in this notebook; did you mean target"):
        fill("{{ targte }}", {"target": 1})


def test_an_expression_that_fails_says_how() -> None:
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        fill("{{ 1/0 }}", {})


def test_filling_in_leaves_the_namespace_as_it_was() -> None:
    namespace = {"a": 1}
    fill("{{ (b := 2) }}", namespace)
    assert namespace == {"a": 1}
