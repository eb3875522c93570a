from __future__ import annotations

import collections
import cProfile
import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import pathlib
import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from nbassist.tools.results.bounded_json import draw
from nbassist.tools.results.result import ToolResult, bounded_bundle, to_bundle, to_text


@dataclasses.dataclass
class Point:
    x: int
    note: str = "ü"


class Model(BaseModel):
    a: int
    when: datetime.date


class Colour(enum.Enum):
    RED = "red"


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "done, no result"),
        ("plain text", "plain text"),
        ("", ""),
        (3, "3"),
        (True, "true"),
        (1.5, "1.5"),
        (math.nan, '"NaN"'),
        (-math.inf, '"-Infinity"'),
        ([1, None, "a"], '[1, null, "a"]'),
        ((1, 2), "[1, 2]"),
        ({3, 1, 2}, "[1, 2, 3]"),
        ({"a": {1: math.inf}}, '{"a": {"1": "Infinity"}}'),
        ({(1, 2): "tuple key"}, '{"(1, 2)": "tuple key"}'),
        (b"hello", "\"b'hello'\""),
        (Point(1), '{"x": 1, "note": "ü"}'),
        (Model(a=1, when=datetime.date(2026, 1, 2)), '{"a": 1, "when": "2026-01-02"}'),
        (Colour.RED, '"red"'),
        (Pair(1, "b"), '{"a": 1, "b": "b"}'),
        (datetime.datetime(2026, 1, 2, 3, 4), '"2026-01-02T03:04:00"'),
        (datetime.timedelta(seconds=90), '"0:01:30"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (pathlib.PurePosixPath("a/b"), '"a/b"'),
        (1 + 2j, '"(1+2j)"'),
        (range(3), "[0, 1, 2]"),
        ({"a": 1}.keys(), '["a"]'),
        (collections.Counter("aab"), '{"a": 2, "b": 1}'),
        (collections.deque([1]), "[1]"),
        (np.int64(3), "3"),
        (np.float32("nan"), '"NaN"'),
        (np.bool_(True), "true"),
        ({"n": np.int8(1)}, '{"n": 1}'),
    ],
    ids=repr,
)
def test_plain_values(value, text):
    assert to_text(value) == text


def test_an_integer_too_long_for_python_to_print():
    assert to_text(10**5000) == '"<an integer of 16,610 bits>"'


def test_cycles_are_cut():
    cyclic: dict = {"a": 1}
    cyclic["self"] = cyclic
    assert json.loads(to_text(cyclic)) == {"a": 1, "self": "<cycle>"}


def test_the_same_object_twice_is_no_cycle():
    one = [1]
    assert to_text([one, one]) == "[[1], [1]]"


def test_depth_is_bounded():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    json.loads(to_text(deep))


@pytest.mark.parametrize(
    "value",
    [
        list(range(1_000_000)),
        {str(i): "x" * 50 for i in range(10_000)},
        ["x" * 1_000_000] * 3,
        [[list(range(100))] * 100] * 100,
        [{"a": {"b": "é" * 500}}] * 1000,
    ],
    ids=["long list", "wide dict", "long strings", "nested", "records"],
)
def test_large_data_is_cut_and_stays_valid_json(value):
    text = to_text(value, 5_000)
    assert len(text) <= 5_000
    assert len(text) > 300
    assert "more" in json.dumps(json.loads(text), ensure_ascii=False)


def test_a_huge_string_keeps_its_beginning_and_end_with_a_note():
    text = to_text("a" * 50_000_000 + "END", 1_000)
    assert len(text) <= 1_000
    assert text.startswith("aaa")
    assert text.endswith("END")
    assert "of 50,000,003 characters left out" in text


def test_bytes_are_not_poured_out():
    assert to_text(bytes(10_000_000)).startswith('"<10,000,000 bytes, beginning with')


def test_an_endless_generator_is_read_to_a_bound():
    items = draw(itertools.count())
    assert len(items) == 1_001
    assert items[-1] == "… and more: only the first 1,000 were taken"
    assert draw(iter("ab")) == ["a", "b"]


def test_a_file_is_not_read(tmp_path):
    path = tmp_path / "f"
    path.write_text("secret")
    with path.open() as file:
        assert "secret" not in to_text(draw(file))


def test_a_data_frame_is_shape_types_and_first_rows():
    text = to_text(pd.DataFrame({"a": range(1000), "b": ["x"] * 1000}))
    assert text.startswith("DataFrame, 1,000 rows × 2 columns: a int64, b ")
    assert "first 20 rows:" in text
    assert "19  19  x" in text
    assert "20  20  x" not in text


def test_a_small_data_frame_is_whole():
    assert "first" not in to_text(pd.DataFrame({"a": [1, 2]}))


def test_a_wide_data_frame_is_bounded():
    frame = pd.DataFrame(np.zeros((5, 3000)), columns=[f"column_{i}" for i in range(3000)])
    text = to_text(frame)
    assert len(text) <= 20_000
    assert "2,960 more" in text


def test_a_series():
    assert to_text(pd.Series([1, 2], name="n")).startswith("Series 'n', 2 values, int64\n0    1")


def test_an_array_is_shape_and_first_rows():
    text = to_text(np.zeros((1000, 3)))
    assert text.startswith("ndarray, shape (1000, 3), float64\nfirst 20 rows:\n[[0. 0. 0.]")
    assert to_text(np.array(5)) == "5"
    assert len(to_text(np.zeros((10, 1000, 1000)))) < 20_000


def test_a_table_inside_plain_data():
    text = to_text({"frame": pd.DataFrame({"a": [1]}), "array": np.arange(3)})
    assert json.loads(text)["frame"].startswith("DataFrame, 1 rows × 1 columns")


def test_objects_are_their_repr_without_addresses():
    class Thing: ...

    assert "0x" not in to_text(Thing())
    assert to_text(Thing()).endswith("Thing object>")


def test_a_repr_that_raises_and_one_that_is_endless():
    class Bad:
        def __repr__(self):
            raise ValueError("no")

    class Long:
        def __repr__(self):
            return "x" * 10_000_000

    assert to_text(Bad()) == "<Bad object, whose repr raised ValueError>"
    assert len(to_text(Long())) <= 20_000
    assert json.loads(to_text([Bad()])) == ["<Bad object, whose repr raised ValueError>"]


def test_an_object_says_itself_what_it_is():
    class Sales:
        def _repr_llm_(self):
            return "sales of 2026: 3 rows"

    class Broken:
        def _repr_llm_(self):
            raise RuntimeError

    assert to_text(Sales()) == "sales of 2026: 3 rows"
    assert json.loads(to_text([Sales()])) == ["sales of 2026: 3 rows"]
    assert "Broken object" in to_text(Broken())
    assert "Sales" in to_text(Sales)  # the class itself has no say


def test_a_data_object_whose_attributes_raise_is_its_repr():
    class Weird(dict):
        def items(self):
            raise RuntimeError("gone")

    assert to_text(Weird(a=1)) == "{'a': 1}"


def test_a_tool_result_has_its_own_text():
    assert to_text(ToolResult("short", show=[1])) == "short"


def test_terminal_sequences_and_lone_surrogates_are_gone():
    assert to_text("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \ud800") == "red link ?"


def test_bundles_for_the_person():
    assert to_bundle(None) is None
    assert to_bundle("text") == {"text/plain": "text"}
    bundle = to_bundle(pd.DataFrame({"a": [1]}))
    assert bundle is not None
    assert "<table" in bundle["text/html"]
    assert to_bundle(pd.DataFrame) is not None


def test_bytes_in_a_bundle_become_base64():
    assert bounded_bundle({"image/png": b"PNG"}) == {"image/png": "UE5H"}


def test_a_bundle_that_is_too_large_keeps_its_text():
    bundle = bounded_bundle({"text/html": "x" * 6_000_000, "text/plain": "small"})
    assert bundle["text/plain"].startswith("small\n[its display, 6,000,005 characters")
    assert "text/html" not in bundle


_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.complex_numbers()
)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
)


@given(_values, st.integers(200, 2_000))
def test_any_plain_data_is_valid_json_within_its_limit(value, limit):
    text = to_text([value], limit)
    assert len(text) <= limit
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    text.encode()


def calls(value: object) -> int:
    """Return how many functions are called to tell a value: a clock would tell of the machine, too."""
    profile = cProfile.Profile(builtins=True)
    profile.runcall(to_text, value)
    return sum(entry.callcount for entry in profile.getstats())


def deep(size: int) -> list:
    nest: list = []
    for number in range(size):
        nest = [nest, f"level {number}", {"a": number}]
    return nest


@pytest.mark.parametrize(
    "make",
    [
        lambda size: list(range(size)),
        lambda size: {str(number): [number] * 10 for number in range(size)},
        lambda size: ["x" * size] * 20,
        lambda size: "\x1b[31ma" * size,
        lambda size: "<" * size,
        lambda size: [{"a": {"b": "é" * 100}}] * size,
        deep,
    ],
    ids=["list", "dict", "strings", "escape sequences", "one text", "records", "deep"],
)
def test_what_it_costs_to_tell_a_value_is_bounded_by_what_is_told(make):
    calls(make(10))
    assert calls(make(200_000)) < 2 * calls(make(20_000)) + 1_000
