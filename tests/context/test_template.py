"""`{{ expression }}` in a prompt."""

from __future__ import annotations

from datetime import time

import pytest

from nbassist.context import braces
from nbassist.context.template import choose, escaped, fill, find_alternatives
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


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("n={{ mean():.2f }}.", "n=1.50."),
        ("{{x!r}} {{ x!r:>5 }}", "'v'   'v'"),
        ("{{ n = }}, {{ n=:03d }}", "n = 5, n=005"),
        ("{{ n:>{w} }}|{{ n:>{w}}}", "   5|   5"),
        ("{{ d['k'][0:1]:>3 }}", "  z"),
        ("{{ when:%H:%M }}", "07:30"),
        ("{{ n: .1f }}", " 5.0"),
        ("{{ f'{n:{w}}' }}", "   5"),
        ("{{ {'a':{'b':1}} }}", "{'a': {'b': 1}}"),
        ("{{ {'a':{'b':n}} | json }}", '{"a": {"b": 5}}'),
        ("{{ '}}' }} and {{ n }}", "}} and 5"),
        ("{{ n\n+ w }}", "9"),
        ("an {{ and then {{ n }}", "an {{ and then 5"),
    ],
)
def test_what_an_f_string_can_hold_is_filled_in(template: str, filled: str) -> None:
    namespace = {"x": "v", "n": 5, "w": 4, "mean": lambda: 1.5, "d": {"k": "zz"}, "when": time(7, 30)}
    assert fill(template, namespace) == filled
    assert fill(escaped(template), namespace) == template


@pytest.mark.parametrize("template", ["{{ n + }}", "{{ n of them }}", "{{ n: 5 }}", "{{ n:x y }}", "{{ x!q }}"])
def test_braces_that_begin_with_a_variable_and_are_no_python_are_told_in_one_line(template: str) -> None:
    with pytest.raises(UsageError, match=r"--raw sends braces as they are") as told:
        fill(f"so {template}", {"n": 1, "x": 2})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "template",
    [
        '{{"a": 1, "b": {"c": 2}}}',
        '{{"a": n}}',
        "<div style={{ n: 5, color: red }}/>",
        "<div style={{ color: red }}/>",
        "```\n{{ n of them }}\n```",
        'print(f"{{n:.2f}}")',
        "{{{ n }}} {{{{ n }}}} {{#if n}} {{/if}} {{> n }}",
        "{{ id: 5 }} {{ await n }}",
        "{{ alt: 'a' | 'b' }}{{alt:'a'}}",
    ],
)
def test_code_with_braces_stays_code(template: str) -> None:
    assert fill(template, {"n": 1, "alt": 2}) == template


def test_alternatives_may_hold_braces() -> None:
    template = """x {{ alt: "a}}b" | "c" }} {{ alt q: 'd' }} y"""
    assert find_alternatives(template) == {"alt": ("a}}b", "c"), "q": ("d",)}
    assert choose(template, {"alt": "a}}b", "q": "d"}) == "x a}}b d y"


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


def test_pairs_that_open_before_one_that_closes_are_not_each_read_up_to_there(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def counting(source: str) -> bool:
        nonlocal read
        read += len(source)
        return is_expression(source)

    is_expression = braces.is_expression
    monkeypatch.setattr(braces, "is_expression", counting)
    text = "{{ a " * 500
    assert fill(text + "}}", {"a": "z"}) == "{{ a " * 499 + "z"
    assert read < 20 * len(text)
    read = 0
    quoted = "{{ 'a' " * 500
    assert fill(quoted + "}}", {}) == "{{ 'a' " * 499 + "a"
    assert read < 500 * braces._LONGEST


def test_a_pair_may_stand_in_a_text_within_braces() -> None:
    assert fill('{{ "{{" + a }} and {{ {"x": {1: a}} }}', {"a": "x"}) == "{{x and {'x': {1: 'x'}}"


def test_blanks_before_a_sign_of_equality_are_part_of_it() -> None:
    found = braces._SHAPED.fullmatch("a   = !r")
    assert found
    assert found.groups() == ("a", "   = ", "r")
    # From the first blank alone: the rest of a run of blanks is not tried again from each.
    assert "(?P<equals>(?<!\\s)\\s*" in braces._SHAPED.pattern
