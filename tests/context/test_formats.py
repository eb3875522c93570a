"""How values stand in a prompt, and what a reply is read into."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from nbassist.context import Shape, attach_files, attach_images, fill, see
from nbassist.context.formats import FORMATS
from nbassist.core.conversation import Conversation
from nbassist.core.messages import File, Image, Text
from nbassist.errors import UsageError
from nbassist.magics.commands.questions import about_failure

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


class Odd:
    """Breaks wherever it is touched."""

    def __repr__(self) -> str:
        raise ValueError("no repr")

    __str__ = __repr__

    def __len__(self) -> int:
        raise ValueError("no len")


@given(
    st.sampled_from(sorted(FORMATS)),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
        max_leaves=12,
    ),
    st.integers(0, 50),
)
def test_every_format_gives_bounded_text_for_plain_data_or_one_line(name: str, value: Any, number: int) -> None:
    try:
        text = FORMATS[name](value, number)
    except UsageError:
        return
    assert isinstance(text, str)
    assert len(text) < 50_000
    text.encode("utf-8", "surrogatepass")


@given(st.text(alphabet="{}|' ax1\n:\"", max_size=40))
def test_any_text_is_filled_in_or_refused(template: str) -> None:
    with suppress(UsageError):
        assert isinstance(fill(template, {"a": 1, "x": [1, 2, 3]}), str)


@pytest.mark.parametrize("name", ["", *sorted(FORMATS)])
def test_an_object_that_breaks_wherever_it_is_touched_is_one_line_at_most(name: str) -> None:
    with suppress(UsageError):
        assert isinstance(fill("{{ odd | " + name + " }}" if name else "{{ odd }}", {"odd": Odd()}), str)


def test_long_values_are_cut_and_the_text_says_so() -> None:
    assert "characters left out" in fill("{{ x }}", {"x": "y" * 100_000})
    assert json.loads(fill("{{ x | json 200 }}", {"x": list(range(10_000))}))
    assert "[the first 5 of 9 items]" in fill("{{ x | head }}", {"x": list(range(9))})
    assert "[the first 2 of 3 lines]" in fill("{{ x | head 2 }}", {"x": "a\nb\nc"})
    assert "[the first 1 of 2 items]" in fill("{{ x | head 1 }}", {"x": {"a": 1, "b": 2}})


def test_a_list_of_mappings_is_a_table_and_its_bars_are_escaped() -> None:
    table = fill("{{ x | markdown }}", {"x": [{"a": "1|2"}, {"b": 3}]})
    assert table.splitlines()[0] == "| a | b |"
    assert "1\\|2" in table


def test_an_or_of_python_stays_one() -> None:
    assert fill("{{ a | b }}", {"a": 1, "b": 2}) == "3"
    assert fill("{{ {1} | {2} }}", {}) == "{1, 2}"


def test_a_variable_is_shown_with_its_type_and_a_function_with_its_source() -> None:
    shown = see(["x", "fill"], {"x": {"a": 1}, "fill": fill}, Conversation())
    assert shown[0] == Text('The variable x, of type dict, is:\n{"a": 1}\n\n', "x")
    assert "def fill(template" in shown[1].text


def test_what_was_taken_back_is_shown_again() -> None:
    conversation = Conversation()
    conversation.add_user(*see(["x"], {"x": 1}, conversation), Text("hi"))
    assert see(["x"], {"x": 1}, conversation) == ()
    conversation.undo()
    assert len(see(["x"], {"x": 1}, conversation)) == 1


def test_a_change_is_told_once_and_not_with_every_prompt() -> None:
    conversation = Conversation()
    conversation.add_user(*see(["x"], {"x": 1}, conversation), Text("hi"))
    (changed,) = see(["x"], {"x": 2}, conversation)
    assert changed.text.startswith("Now the variable x")
    conversation.add_user(changed, Text("and now?"))
    assert see(["x"], {"x": 2}, conversation) == ()
    (again,) = see(["x"], {"x": 3}, conversation)
    assert again.text.startswith("Now the variable x")


class Point(TypedDict):
    x: int


@dataclass
class Answer:
    count: int


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        (Answer, '{"count": 1}', Answer(1)),
        (Point, 'Here:\n```json\n{"x": 1}\n```\n', {"x": 1}),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, float], 'It is {"a": 1.5}, I think.', {"a": 1.5}),
        (int, "42", 42),
        (bool, "true", True),
        ("json", '```\n[1, {"a": null}]\n```', [1, {"a": None}]),
    ],
)
def test_a_reply_is_read_into_its_shape(form: Any, text: str, value: Any) -> None:
    assert Shape(form).read(text) == value


@given(st.text())
def test_any_reply_is_read_or_refused_as_a_value(text: str) -> None:
    for form in (Answer, list[int], "json"):
        with suppress(ValueError):
            Shape(form).read(text)


def test_the_mistakes_say_where() -> None:
    with pytest.raises(ValueError, match=r"count: Input should be a valid integer"):
        Shape(Answer).read('{"count": "many"}')


def test_only_an_object_is_asked_of_the_endpoint_and_the_model_is_always_told() -> None:
    assert Shape(Answer).output is not None
    assert Shape(list[int]).output is None
    assert Shape("json").output is None
    assert '"count"' in Shape(Answer).instructions


@pytest.mark.parametrize("form", [object(), lambda: 1, 3])
def test_what_can_be_no_shape_is_one_line(form: Any) -> None:
    with pytest.raises(UsageError, match="can't be the shape of a reply"):
        Shape(form)


def test_files_are_text_images_or_files(tmp_path: Path) -> None:
    for name, data in (("a.csv", b"x,y\n"), ("b.png", PNG), ("c.pdf", b"%PDF-1.7"), ("d.bin", b"\x00\x01")):
        (tmp_path / name).write_bytes(data)
    parts = attach_files([tmp_path / name for name in ("a.csv", "b.png", "c.pdf", "d.bin")])
    assert [type(part) for part in parts] == [Text, Image, File, File]
    assert parts[2] == File("c.pdf", "application/pdf", b"%PDF-1.7")


def test_images_come_from_bytes_paths_and_objects_that_show_themselves(tmp_path: Path) -> None:
    class Drawn:
        def _repr_png_(self) -> bytes:
            return PNG

    (tmp_path / "a.png").write_bytes(PNG)
    found = attach_images([PNG, tmp_path / "a.png", str(tmp_path / "a.png"), Drawn(), "x"], {"x": Drawn()})
    assert [image.data for image in found] == [PNG] * 5
    with pytest.raises(UsageError, match="a int is no image"):
        attach_images([3])


def test_a_failure_is_told_with_its_cell_and_its_traceback() -> None:
    try:
        {}["missing"]
    except KeyError as error:
        prompt = about_failure(error, "{}['missing']", "Be brief.")
    assert "```python\n{}['missing']\n```" in prompt
    assert "KeyError: 'missing'" in prompt
    assert prompt.endswith("Be brief.")
