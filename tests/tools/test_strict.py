"""Strict schemas: where they can be had, and what a null means then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import Field

from nbassist.errors import ToolError
from nbassist.tools import Tool


class Unit(Enum):
    LINES = "lines"
    FILES = "files"


@dataclass
class Point:
    x: int
    y: int


@dataclass
class Loose:
    x: int = 1


def plain(table: str, unit: Unit, at: Point, names: list[str], mode: Literal["a", "b"], limit: int | None) -> None:
    """All required."""


def optional(table: str, count: int = 3, unit: Unit = Unit.LINES, note: str | None = None) -> dict[str, Any]:
    """Some optional."""
    return {"table": table, "count": count, "unit": unit.name, "note": note}


def test_a_schema_that_is_strict_as_it_stands_is_sent_so_to_every_endpoint() -> None:
    spec = Tool.from_function(plain).spec
    assert spec.strict
    assert spec.parameters["additionalProperties"] is False


def test_an_optional_parameter_leaves_the_schema_as_it_is_but_for_a_service_that_is_strict() -> None:
    tool = Tool.from_function(optional)
    assert not tool.spec.strict
    assert tool.spec.parameters["required"] == ["table"]
    spec = tool.strict_spec()
    assert spec.strict
    assert spec.parameters["required"] == ["table", "count", "unit", "note"]
    assert spec.parameters["properties"]["count"] == {
        "description": "Null for the default, 3.",
        "anyOf": [{"type": "integer"}, {"type": "null"}],
    }
    jsonschema.Draft202012Validator.check_schema(spec.parameters)
    jsonschema.validate({"table": "a", "count": None, "unit": None, "note": None}, spec.parameters)


def test_nulls_for_defaults_are_taken_as_left_out() -> None:
    tool = Tool.from_function(optional, strict=True)
    assert tool.spec.strict
    given = tool.arguments(json.dumps({"table": "a", "count": None, "unit": None, "note": None}))
    assert isinstance(given, dict)
    assert tool.invoke(given) == {"table": "a", "count": 3, "unit": "LINES", "note": None}


def test_a_null_for_a_required_parameter_is_a_mistake() -> None:
    assert "should be a valid string" in str(Tool.from_function(optional).arguments('{"table": null}'))


@pytest.mark.parametrize(
    ("hint", "why"),
    [
        (dict[str, int], "keys of any name"),
        (Any, "can be anything"),
        (list, "can be anything"),
        (Loose, "x may be left out"),
        (Annotated[str, Field(min_length=2)], "uses minLength"),
        (tuple[int, str], "uses prefixItems"),
    ],
)
def test_what_has_no_strict_form_is_said_or_left_as_it_is(hint: Any, why: str) -> None:
    def f(a: Any) -> None: ...

    f.__annotations__["a"] = hint
    with pytest.raises(ToolError, match=why):
        Tool.from_function(f, strict=True)
    assert not Tool.from_function(f).strict_spec().strict


def test_strict_false_is_never_strict() -> None:
    assert not Tool.from_function(plain, strict=False).strict_spec().strict


# --- custom tools: free text


def query(sql: str) -> str:
    """Run SQL."""
    return sql


def test_a_custom_tool_gets_the_text_as_it_is() -> None:
    tool = Tool.from_function(query, custom=True)
    assert (tool.spec.kind, tool.spec.parameters) == ("custom", {})
    assert tool.arguments('select "a"\n', raw=True) == {"sql": 'select "a"\n'}
    assert tool.arguments('{"sql": "select 1"}', raw=True) == {"sql": '{"sql": "select 1"}'}


@pytest.mark.parametrize("text", ['{"sql": "select 1"}', '{"input": "select 1"}', '"select 1"', "select 1"])
def test_an_endpoint_that_knows_functions_alone_may_wrap_the_text_in_json(text: str) -> None:
    assert Tool.from_function(query, custom=True).arguments(text) == {"sql": "select 1"}


def test_a_custom_tool_takes_one_text_and_nothing_else() -> None:
    for function in (optional, lambda: None, plain):
        with pytest.raises(ToolError, match="one parameter, a str"):
            Tool.from_function(function, name="f", custom=True)
