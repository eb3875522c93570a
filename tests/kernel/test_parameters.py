"""What the model writes as arguments: as JSON where JSON can say it, else by the name of a variable."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

SETUP = """
import dataclasses, datetime, decimal, typing
import attr, numpy as np, pandas as pd, numpy.typing as npt
import pydantic.v1 as v1
class City(str): pass
class Count(int): pass
class Ratio(float): pass
class Day(datetime.date): pass
class Moment(datetime.datetime): pass
class Money(decimal.Decimal): pass
@attr.define
class Point:
    x: int
    when: pd.Timestamp
    tags: list[str] = attr.field(factory=list)
@dataclasses.dataclass
class Plain:
    when: pd.Timestamp
    city: City = City("Oslo")
class Typed(typing.TypedDict):
    when: pd.Timestamp
class Old(v1.BaseModel):
    a: int
class Holder(v1.BaseModel):
    old: Old
"""


@pytest.fixture
def call(kernel: Any, model: Any, told: Any, endpoint: Any) -> Any:
    """Define a tool with a parameter of a type, and one that tells what it got; call it with an argument."""

    def calling(hint: str, argument: Any, before: str = "") -> str:
        ran = kernel.run(
            f"{SETUP}{before}\n@tool\ndef take(value: {hint}) -> str:\n    'Take.'\n"
            "    return f'{type(value).__name__} {value!r}'"
        )
        assert ran.error is None, ran.error
        model([("take", {"value": argument})], "taken")
        assert kernel.run("%%assistant\nTake it.").error is None
        output: str = told()[-1]
        return output

    return calling


@pytest.mark.parametrize(
    ("hint", "argument", "got"),
    [
        ("City", "Oslo", "City 'Oslo'"),
        ("Count", 3, "Count 3"),
        ("Ratio", 0.5, "Ratio 0.5"),
        ("Day", "2026-03-04", "Day Day(2026, 3, 4)"),
        ("Moment", "2026-03-04T05:06:07", "Moment Moment(2026, 3, 4, 5, 6, 7)"),
        ("Money", "1.10", "Money Decimal('1.10')"),
        ("pd.Timestamp", "2026-03-04", "Timestamp Timestamp('2026-03-04 00:00:00')"),
        ("pd.Timedelta", "2 days", "Timedelta Timedelta('2 days 00:00:00')"),
        ("np.int64", 3, "int64 np.int64(3)"),
        ("np.float32", 0.5, "float32 np.float32(0.5)"),
        ("np.datetime64", "2026-03-04", "datetime64 np.datetime64('2026-03-04')"),
        ("np.ndarray", [1, 2], "ndarray array([1, 2])"),
        ("npt.NDArray[np.float64]", [1, 2], "ndarray array([1., 2.])"),
        ("list[City]", ["Oslo"], "list ['Oslo']"),
        ("City | None", None, "NoneType None"),
        ("Point", {"x": 1, "when": "2026-03-04"}, "Point Point(x=1, when=Timestamp('2026-03-04 00:00:00'), tags=[])"),
        ("Plain", {"when": "2026-03-04"}, "Plain Plain(when=Timestamp('2026-03-04 00:00:00'), city='Oslo')"),
        ("Typed", {"when": "2026-03-04"}, "dict {'when': Timestamp('2026-03-04 00:00:00')}"),
        ("Old", {"a": "1"}, "Old Old(a=1)"),
        ("Holder", {"old": {"a": 1}}, "Holder Holder(old=Old(a=1))"),
    ],
)
def test_what_json_can_say_is_made_of_it(call: Any, hint: str, argument: Any, got: str) -> None:
    assert call(hint, argument) == got


@pytest.mark.parametrize(
    ("hint", "argument", "words"),
    [
        ("pd.Timestamp", "never", "must be a Timestamp"),
        ("Point", {"x": "many", "when": "2026-03-04"}, "value.x: should be a valid integer"),
        ("Old", {"a": "many"}, "a: value is not a valid integer"),
        ("np.ndarray", "nothing", "is not a variable that holds a ndarray"),
    ],
)
def test_what_is_wrong_is_said_in_words_that_help(call: Any, hint: str, argument: Any, words: str) -> None:
    assert words in call(hint, argument)


def test_an_array_may_also_be_named(call: Any) -> None:
    assert call("np.ndarray", "numbers", "numbers = np.arange(3)") == "ndarray array([0, 1, 2])"


TABLES = {
    "pandas": ("pd.DataFrame", "pd.DataFrame({'a': [1]})"),
    "pandas column": ("pd.Series", "pd.Series([1])"),
    "arrow": ("pa.Table", "pa.table({'a': [1]})"),
    "polars": ("pl.DataFrame", "pl.DataFrame({'a': [1]})"),
    "polars lazy": ("pl.LazyFrame", "pl.LazyFrame({'a': [1]})"),
    "xarray": ("xr.Dataset", "xr.Dataset({'a': ('x', [1])})"),
    "geopandas": ("gpd.GeoDataFrame", "gpd.GeoDataFrame({'a': [1]})"),
}
LIBRARIES = {"pa": "pyarrow", "pl": "polars", "xr": "xarray", "gpd": "geopandas", "pd": "pandas"}


@pytest.mark.parametrize(("hint", "made"), TABLES.values(), ids=TABLES)
def test_tables_are_given_by_the_names_of_variables(call: Any, endpoint: Any, hint: str, made: str) -> None:
    library = LIBRARIES[hint.partition(".")[0]]
    pytest.importorskip(library)
    before = f"import {library} as {hint.partition('.')[0]}\ntable = {made}"
    assert call(hint, "table", before).startswith(hint.partition(".")[2])
    offered = json.dumps(endpoint.bodies("/chat/completions")[0]["tools"])
    assert "The name of a variable in the notebook that holds a" in offered


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("class Shop:\n    @tool\n    def sell(self, item: str):\n        'Sell.'", "is a method in a class body"),
        ("class Shop:\n    @tool\n    @classmethod\n    def sell(cls, item: str):\n        'Sell.'", "a classmethod"),
        (
            "import functools\n@tool\n@functools.singledispatch\ndef show(x):\n    'Show.'",
            "is a singledispatch function",
        ),
    ],
)
def test_what_has_no_one_signature_is_refused_in_one_line(kernel: Any, code: str, words: str) -> None:
    ran = kernel.run(code)
    assert words in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1
