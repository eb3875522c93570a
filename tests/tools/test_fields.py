"""Parameters whose default, limits or description stand in pydantic's `Field`."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import pytest
from pydantic import Field

from nbassist.testing import call_tool
from nbassist.tools import Tool


def limited(limit: int = Field(5, ge=1, le=10, description="How many.")) -> int:
    """Say the limit."""
    return limit


def made(names: list[str] = Field(default_factory=lambda: ["a"])) -> list[str]:
    """Say the names."""
    return names


def annotated(names: Annotated[list[str], Field(default_factory=lambda: ["a"])]) -> list[str]:
    """Say the names."""
    return names


def required(limit: int = Field(ge=1)) -> int:
    """Say the limit."""
    return limit


def both(limit: Annotated[int, Field(ge=1)] = Field(5, le=10)) -> int:
    """Say the limit.

    Parameters
    ----------
    limit : int
        How many.
    """
    return limit


def test_what_a_field_as_default_says_stands_in_the_schema() -> None:
    wanted = {"type": "integer", "default": 5, "minimum": 1, "maximum": 10, "description": "How many."}
    for function in (limited, both):
        schema = Tool.from_function(function).schema
        assert schema["properties"]["limit"] == wanted
        assert "required" not in schema


@pytest.mark.parametrize(
    ("function", "value"), [(limited, 5), (both, 5), (made, ["a"]), (annotated, ["a"])], ids=lambda one: str(one)[:16]
)
def test_the_default_in_a_field_is_given_where_the_model_leaves_it_out(function: Any, value: Any) -> None:
    tool = Tool.from_function(function)
    name = next(iter(tool.schema["properties"]))
    assert tool.arguments("{}") == tool.arguments(f'{{"{name}": null}}') == {name: value}
    assert tool.invoke({name: value}) == value


def test_the_limits_in_a_field_hold() -> None:
    assert "less than or equal to 10 (got 500)" in str(call_tool(limited, limit=500).output)
    assert call_tool(limited, limit=7).output == "7"


def test_a_field_without_a_default_is_required() -> None:
    tool = Tool.from_function(required)
    assert tool.schema["required"] == ["limit"]
    assert "missing: limit" in str(tool.arguments("{}"))


def gap(a: int = 1, b: int = 2, c: int = 3, /) -> tuple[int, int, int]:
    """Say them."""
    return a, b, c


@pytest.mark.parametrize(
    ("given", "called"),
    [({}, (1, 2, 3)), ({"b": 5}, (1, 5, 3)), ({"c": 5}, (1, 2, 5)), ({"c": 5, "a": 6}, (6, 2, 5))],
)
def test_a_gap_before_a_parameter_by_position_gets_its_default(given: dict[str, int], called: Any) -> None:
    assert Tool.from_function(gap).invoke(given) == called


def test_a_default_that_json_cannot_say_makes_no_warning() -> None:
    pandas = pytest.importorskip("pandas")

    def since(when: pandas.Timestamp = pandas.Timestamp("2026-01-01")) -> str:
        """Say it."""
        return str(when)

    since.__annotations__["when"] = pandas.Timestamp
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert call_tool(since).output == "2026-01-01 00:00:00"
