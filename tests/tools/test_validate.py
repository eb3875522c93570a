from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from nbassist.tools.schema.argument_errors import Mistakes
from nbassist.tools.schema.signature import describe
from nbassist.tools.schema.validate import read_arguments


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


def f(
    table: str,
    count: Annotated[int, Field(ge=1)] = 3,
    colour: Colour | None = None,
    how: Literal["fast", "slow"] = "fast",
    at: Point | None = None,
    day: datetime.date | None = None,
    either: int | list[int] = 0,
    points: list[Point] = [],  # noqa: B006
): ...


def nothing(): ...


def optional(a: int = 1): ...


def reading(text: str, function: Any = f) -> Any:
    result = read_arguments(describe(function, "f"), text)
    return list(result.lines) if isinstance(result, Mistakes) else result


def test_values_are_converted_and_what_was_left_out_stays_out():
    text = '{"table": "t", "colour": "red", "at": {"x": 1}, "day": "2026-01-02", "points": [{"x": "4"}]}'
    assert reading(text) == {
        "table": "t",
        "colour": Colour.RED,
        "at": Point(1),
        "day": datetime.date(2026, 1, 2),
        "points": [Point(4)],
    }


@pytest.mark.parametrize("text", ["", "  ", "null", "{}", " null\n"])
def test_nothing_stands_for_no_arguments(text):
    assert reading(text, nothing) == {}
    assert reading(text, optional) == {}
    assert reading(text) == ["missing: table (string, required)"]


def test_an_object_inside_a_string_is_read():
    assert reading(json.dumps('{"table": "t"}')) == {"table": "t"}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('{"table": "t"', "not valid JSON: Expecting ',' delimiter at line 1, column 14, at the end of the text"),
        ("{'table': 1}", "not valid JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[1, 2]", "the arguments must be one JSON object, not [1, 2]"),
        ("3", "the arguments must be one JSON object, not 3"),
        ("table=t", "not valid JSON: Expecting value at line 1, column 1, before 'table=t'"),
    ],
)
def test_text_that_is_no_object(text, mistake):
    [line] = reading(text)
    assert line.startswith(mistake)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000])
def test_text_that_breaks_readers_is_a_mistake_too(text):
    assert len(reading(text)) == 1


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"tabel": "t"}', ["missing: table (string, required)", "unknown: tabel (did you mean table?)"]),
        ('{"table": "t", "zzz": 1}', ["unknown: zzz (known: table, count, colour, how, at, day, either, points)"]),
        ('{"table": 5}', ["table: should be a valid string (got 5)"]),
        ('{"table": "t", "at": {"y": 1}}', ["missing: at.x"]),
        ('{"table": "t", "points": [{"x": 1}, {}]}', ["missing: points[1].x"]),
        ('{"table": "t", "count": 0}', ["count: should be greater than or equal to 1 (got 0)"]),
        ('{"table": "t", "how": "x"}', ["how: should be 'fast' or 'slow' (got \"x\")"]),
        ('{"table": "t", "colour": "blue"}', ["colour: should be 'red' (got \"blue\")"]),
        (
            '{"table": "t", "either": "x"}',
            [
                "either: should be a valid integer, unable to parse string as an integer, or should be a valid array "
                '(got "x")'
            ],
        ),
        (
            '{"table": null, "count": "many"}',
            [
                "table: should be a valid string (got null)",
                'count: should be a valid integer, unable to parse string as an integer (got "many")',
            ],
        ),
    ],
)
def test_mistakes_are_said_in_words(text, lines):
    assert reading(text) == lines


def test_a_function_without_parameters_says_so():
    assert reading('{"a": 1}', nothing) == ["unknown: a (the tool takes no arguments)"]


def test_a_long_wrong_value_is_cut():
    [line] = reading(json.dumps({"table": ["x" * 1000]}))
    assert len(line) < 150


def test_a_validator_of_the_persons_own_that_fails_in_any_way_is_a_mistake():
    def check(value: int) -> int:
        raise KeyError("no")

    def g(a: Annotated[int, AfterValidator(check)]): ...

    g.__annotations__["a"] = Annotated[int, AfterValidator(check)]
    assert reading('{"a": 1}', g) == ["KeyError: 'no'"]


def test_lone_surrogates_and_nan_pass():
    assert reading('{"table": "\\ud800"}')["table"] == "\ud800"


@given(st.text(max_size=40) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text_gives_arguments_or_mistakes(text):
    result = reading(text)
    assert isinstance(result, list | dict)
