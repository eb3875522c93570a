"""The shape of a reply: types as people write them in a notebook."""

from __future__ import annotations

from typing import Any, NamedTuple, Required, TypedDict

import pytest

from nbassist.context.structured_output import Shape
from nbassist.errors import UsageError


class Town(TypedDict, total=False):
    name: Required[str]
    people: int


class Holder(TypedDict):
    towns: list[Town]


class Span(NamedTuple):
    first: int
    last: int


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Town, '{"name": "a"}'),
        (list[Town], '[{"name": "a"}]'),
        (dict[str, Town], '{"x": {"name": "a", "people": 1}}'),
        (Town | None, "null"),
        (Holder, '{"towns": [{"name": "a"}]}'),
    ],
)
def test_a_typed_dict_of_typing_can_be_the_shape_of_a_reply(form: Any, text: str) -> None:
    shape = Shape(form, "form")
    shape.read(text)
    with pytest.raises(ValueError, match=r"name|towns|valid|should"):
        shape.read(text.replace("name", "nam") if "name" in text else "3")


def test_a_typed_dict_is_asked_for_with_its_required_keys() -> None:
    output = Shape(Town).output
    assert output is not None
    assert output.schema["required"] == ["name"]


def test_what_no_json_can_say_is_still_refused_as_a_shape() -> None:
    with pytest.raises(UsageError, match="object can't be the shape of a reply"):
        _ = Shape(type("object", (), {})).instructions


def test_the_arrays_of_a_shape_say_their_items_and_a_named_tuple_is_an_object() -> None:
    assert '"items": {"type": "integer"}' in Shape(tuple[int, int], "pair").instructions
    output = Shape(Span).output
    assert output is not None
    assert list(output.schema["properties"]) == ["first", "last"]
    assert Shape(Span).read('{"first": 1, "last": 2}') == Span(1, 2)
