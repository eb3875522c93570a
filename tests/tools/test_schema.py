from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, Optional, Required, TypedDict, Union

import jsonschema
import pytest
from pydantic import BaseModel, Field

from nbassist.errors import ToolError
from nbassist.tools.schema.hints import UnresolvedError
from nbassist.tools.schema.signature import describe


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Address(TypedDict, total=False):
    street: str
    number: int


class Node(BaseModel):
    title: str
    children: list[Node] = []


def properties(function: Any) -> dict[str, Any]:
    return describe(function, "f").schema["properties"]


def test_primitives_with_defaults_and_keyword_only():
    def f(a: int, b: float = 1.5, *, c: bool, d: str = "x", e: list[int] = [], g: dict[str, int] | None = None): ...  # noqa: B006

    schema = describe(f, "f").schema
    assert schema["type"] == "object"
    assert schema["required"] == ["a", "c"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"] == {"type": "integer"}
    assert schema["properties"]["b"] == {"type": "number", "default": 1.5}
    assert schema["properties"]["c"] == {"type": "boolean"}
    assert schema["properties"]["d"] == {"type": "string", "default": "x"}
    assert schema["properties"]["e"] == {"type": "array", "items": {"type": "integer"}, "default": []}
    assert schema["properties"]["g"]["anyOf"][1] == {"type": "null"}


def test_a_function_without_parameters_is_an_empty_object():
    assert describe(lambda: 1, "f").schema == {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (Optional[int], None, "x"),  # noqa: UP045
        (Union[int, str], "x", [1]),  # noqa: UP007
        (Literal["a", "b"], "a", "c"),
        (Colour, "red", "green"),
        (Colour | None, None, "green"),
        (Point, {"x": 1}, {"y": 2}),
        (list[Point], [{"x": 1}], [{}]),
        (Address, {"street": "s"}, {"street": 1}),
        (Node, {"title": "a", "children": [{"title": "b"}]}, {"children": []}),
        (tuple[int, str], [1, "a"], [1]),
        (dict[str, list[int]], {"a": [1]}, {"a": ["x"]}),
        (Annotated[int, Field(ge=1, le=3)], 2, 5),
    ],
)
def test_the_schema_is_valid_and_judges_as_the_types_do(hint, good, bad):
    def f(x): ...

    f.__annotations__["x"] = hint
    schema = describe(f, "f").schema
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"x": good})
    assert not validator.is_valid({"x": bad})


def test_titles_are_left_out_but_a_property_called_title_stays():
    def f(title: str, node: Node): ...

    schema = describe(f, "f").schema
    assert "title" in schema["properties"]
    assert "title" in schema["$defs"]["Node"]["properties"]
    text = json.dumps(schema)
    assert '"title": "' not in text


def test_names_that_pydantic_keeps_for_itself_are_fine():
    def f(schema: int, model_config: str, _private: int, copy: bool, json: str): ...

    assert list(properties(f)) == ["schema", "model_config", "_private", "copy", "json"]


def test_an_unannotated_parameter_takes_anything():
    def f(x, y=3): ...

    assert properties(f) == {"x": {}, "y": {"default": 3}}


def test_a_default_that_json_cannot_say_is_left_to_the_function():
    marker = object()

    def f(x: int = marker, y: float = math.nan): ...  # type: ignore[assignment]

    assert properties(f) == {"x": {"type": "integer"}, "y": {"type": "number"}}
    assert "required" not in describe(f, "f").schema


def test_descriptions_come_from_annotated_then_from_the_docstring():
    def f(a: Annotated[int, "from a string"], b: Annotated[int, Field(description="from a field")], c: int):
        """Do it.

        Args:
            a: not this
            b: not this
            c: from the docstring
        """

    described = {name: schema["description"] for name, schema in properties(f).items()}
    assert described == {"a": "from a string", "b": "from a field", "c": "from the docstring"}


def test_a_field_as_a_default_gives_its_default():
    def f(a: int = Field(3)): ...

    assert properties(f)["a"] == {"type": "integer", "default": 3}


def test_string_annotations_are_read_in_the_namespace_of_the_notebook():
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Order:\n    id: int\n"
        "def f(order: Order, many: list[Order] | None = None) -> 'Missing': ...\n",
        namespace,
    )
    assert "$defs" in describe(namespace["f"], "f").schema


def test_a_class_of_the_enclosing_function_is_found():
    @dataclasses.dataclass
    class Inner:
        a: int

    def f(x: Inner):
        return Inner

    assert properties(f)["x"] == {"$ref": "#/$defs/Inner"}


def test_a_name_that_is_not_defined_is_told_as_such():
    def f(x: Nowhere): ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UnresolvedError, match="f: the type of x names 'Nowhere', which is not defined"):
        describe(f, "f")


def test_an_annotation_that_is_no_code_is_one_line():
    def f(x: "1 +"): ...  # type: ignore[valid-type]  # noqa: F722

    with pytest.raises(ToolError, match="the type of x can't be read"):
        describe(f, "f")


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda *a: a, r"\*a, which no schema can describe"),
        (lambda **k: k, r"\*\*k, which no schema can describe"),
        (type, "does not tell its signature"),
    ],
)
def test_what_no_schema_can_describe_is_refused(function, why):
    with pytest.raises(ToolError, match=why):
        describe(function, "f")


def test_a_callable_is_refused_by_its_type():
    def f(x: Callable[[int], int]): ...

    with pytest.raises(ToolError, match=r"f: a model can't write a .*Callable.*, the type of x"):
        describe(f, "f")


def test_methods_wrapped_functions_and_callable_objects():
    import functools

    class Thing:
        def method(self, a: int) -> int:
            return a

        def __call__(self, b: Colour) -> None: ...

    def inner(c: Colour): ...

    @functools.wraps(inner)
    def outer(*args, **kwargs): ...

    assert list(properties(Thing().method)) == ["a"]
    assert list(properties(Thing())) == ["b"]
    assert list(properties(outer)) == ["c"]


def test_a_named_tuple_is_a_list_in_json():
    class Pair(NamedTuple):
        a: int
        b: str

    def f(x: Pair):
        return Pair

    jsonschema.Draft202012Validator.check_schema(describe(f, "f").schema)


class Marked(TypedDict, total=False):
    street: Required[str]
    number: int


def test_a_key_marked_as_required_is_so_where_annotations_are_texts():
    def f(x): ...

    f.__annotations__["x"] = Marked
    schema = describe(f, "f").schema
    assert (schema["$defs"]["Marked"] if "$defs" in schema else schema["properties"]["x"])["required"] == ["street"]
