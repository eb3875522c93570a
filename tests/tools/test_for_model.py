"""Schemas as the services take them: arrays say their items, listed values their type."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, NamedTuple

import jsonschema
import pytest

from nbassist.testing import call_tool
from nbassist.tools import Tool
from nbassist.tools.mcp.tools import McpTool
from nbassist.tools.schema.for_model import accepted
from nbassist.tools.schema.signature import describe


class Span(NamedTuple):
    first: int
    name: str = "q"


class Maybe(Enum):
    NONE = None
    A = "a"


def arrays(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "array" in (schema.get("type"), *(schema["type"] if isinstance(schema.get("type"), list) else ())):
            yield schema
        for part in schema.values():
            yield from arrays(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from arrays(part)


@pytest.mark.parametrize(
    ("hint", "items"),
    [
        (tuple[int, int], {"type": "integer"}),
        (tuple[int, str, int], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (tuple[()], {}),
        (tuple, {}),
        (list, {}),
        (list[tuple[int, int]], {"type": "integer"}),
    ],
)
def test_each_array_says_what_its_items_are(hint: Any, items: Any) -> None:
    def f(x: Any) -> None: ...

    f.__annotations__["x"] = hint
    schema = describe(f, "f").schema
    jsonschema.Draft202012Validator.check_schema(schema)
    found = list(arrays(schema))
    assert found
    assert found[-1]["items"] == items
    assert all("items" in one for one in found)


def test_the_array_of_a_tuple_takes_what_it_took() -> None:
    def f(x: tuple[int, str]) -> None: ...

    f.__annotations__["x"] = tuple[int, str]
    schema = describe(f, "f").schema
    jsonschema.validate({"x": [1, "a"]}, schema)
    for wrong in (["a", 1], [1], [1, "a", 2]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"x": wrong}, schema)


@pytest.mark.parametrize("given", [{"first": 1, "name": "z"}, [1, "z"]])
def test_a_named_tuple_is_an_object_with_its_names_and_the_function_gets_the_tuple(given: Any) -> None:
    def f(x: Span) -> str:
        """Say it."""
        return repr(x)

    f.__annotations__["x"] = Span
    schema = describe(f, "f").schema
    made = schema["$defs"]["Span"] if "$defs" in schema else schema["properties"]["x"]
    assert made == {
        "type": "object",
        "properties": {"first": {"type": "integer"}, "name": {"type": "string", "default": "q"}},
        "required": ["first"],
        "additionalProperties": False,
    }
    assert call_tool(f, x=given).output == "Span(first=1, name='z')"


def test_the_schema_of_a_server_gets_items_too_and_a_list_of_items_the_newer_form() -> None:
    given = {
        "type": "object",
        "properties": {
            "items": {"type": "array"},
            "point": {"type": "array", "items": [{"type": "number"}, {"type": "number"}], "additionalItems": False},
            "open": {"type": ["array", "null"], "prefixItems": [{"type": "number"}]},
            "text": {"type": "string", "default": {"type": "array"}},
        },
    }
    made = accepted(given)["properties"]
    assert made["items"] == {"type": "array", "items": {}}
    assert made["point"]["prefixItems"] == [{"type": "number"}] * 2
    assert (made["point"]["items"], made["point"]["maxItems"]) == ({"type": "number"}, 2)
    assert made["open"]["items"] == {}
    assert made["text"] == given["properties"]["text"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("hint", "default", "null_is"),
    [
        (Literal["a", "b", None], "a", "None"),
        (Literal["a", "b"], "a", "'a'"),
        (Maybe, Maybe.A, "<Maybe.NONE: None>"),
        (int | None, 5, "None"),
        (Any, 5, "None"),
        (int, 5, "5"),
    ],
)
def test_a_null_that_the_type_takes_is_given_and_any_other_stands_for_the_default(
    hint: Any, default: Any, null_is: str
) -> None:
    def f(x: Any = default) -> str:
        """Say it."""
        return repr(x)

    f.__annotations__["x"] = hint
    assert call_tool(f, x=None).output == null_is


def test_listed_values_say_their_type() -> None:
    def f(x: Any, y: Any, z: Any) -> None: ...

    f.__annotations__ |= {"x": Literal["a", None], "y": Literal[1, True, "b"], "z": Literal["c"]}
    properties = describe(f, "f").schema["properties"]
    assert properties["x"]["type"] == ["string", "null"]
    assert properties["y"]["type"] == ["integer", "boolean", "string"]
    assert properties["z"]["type"] == "string"


def test_a_strict_schema_says_null_for_the_default_only_where_that_is_so() -> None:
    def f(x: Any = "a", y: Any = "b") -> None:
        """Do it."""

    f.__annotations__ |= {"x": Literal["a", None], "y": str}
    properties = Tool.from_function(f, strict=True).spec.parameters["properties"]
    assert properties["x"] == {"description": "The default is 'a'.", "enum": ["a", None], "type": ["string", "null"]}
    assert properties["y"]["description"] == "Null for the default, 'b'."


def test_a_tool_of_a_server_is_offered_with_items_and_held_to_what_the_server_said() -> None:
    class Server:
        name, words = "s", ("s",)

    given = {"properties": {"x": {"type": "array", "prefixItems": [{"type": "integer"}]}}}
    tool = McpTool(lambda arguments: arguments, "f", server=Server(), remote="f", input_schema=given)  # type: ignore[arg-type]
    assert tool.spec.parameters["properties"]["x"]["items"] == {}
    assert tool.input_schema is given
    pytest.importorskip("referencing")
    assert tool.arguments('{"x": [1, "a"]}') == {"x": [1, "a"]}
    assert "is not of type 'integer'" in str(tool.arguments('{"x": ["a"]}'))
