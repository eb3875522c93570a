from __future__ import annotations

import types
from typing import Annotated, Any

import pandas as pd
import pytest
from pydantic import PlainValidator

from nbassist.core.messages import ToolCall
from nbassist.tools import Tool, Toolbox


def notebook(source: str, **names: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__", "pd": pd, **names}
    exec("from __future__ import annotations\n" + source, namespace)
    return namespace


@pytest.fixture
def frames() -> dict[str, Any]:
    return {"orders": pd.DataFrame({"a": [1, 2]}), "customers": pd.DataFrame({"b": [1]}), "n": 3}


def answer(function: Any, arguments: str) -> Any:
    [finished] = Toolbox([function]).run([ToolCall("1", function.__name__, arguments)])
    return finished


def test_a_data_frame_is_given_by_the_name_of_its_variable(frames):
    f = notebook("def f(table: pd.DataFrame): return len(table)", **frames)["f"]
    assert answer(f, '{"table": "orders"}').output == "2"


def test_the_schema_says_so(frames):
    f = notebook("def f(table: pd.DataFrame): ...", **frames)["f"]
    assert Tool.from_function(f).spec.parameters["properties"]["table"] == {
        "type": "string",
        "description": "The name of a variable in the notebook that holds a DataFrame.",
    }


@pytest.mark.parametrize("given", ["order", "n", "__import__('os')"])
def test_a_name_that_holds_none_is_answered_with_those_that_do(frames, given):
    f = notebook("def f(table: pd.DataFrame): ...", **frames)["f"]
    output = answer(f, f'{{"table": "{given}"}}').output
    assert "is not a variable that holds a DataFrame; those that do: customers, orders" in output


def test_within_a_list_or_an_optional_too(frames):
    f = notebook(
        "def f(tables: list[pd.DataFrame], more: pd.Series | None = None): return len(tables), more", **frames
    )["f"]
    assert answer(f, '{"tables": ["orders", "customers"]}').output == "[2, null]"
    assert answer(f, '{"tables": [], "more": null}').output == "[0, null]"


def test_any_class_that_json_cannot_say_works_so():
    names = notebook("class Engine: ...\nengine = Engine()\ndef f(e: Engine): return e is engine")
    assert answer(names["f"], '{"e": "engine"}').output == "true"


def test_a_function_of_a_module_finds_the_variables_of_the_notebook(monkeypatch, frames):
    module = types.ModuleType("library")
    exec("def f(table: 'pd.DataFrame'): return len(table)", vars(module) | {"pd": pd}, vars(module))
    module.f.__globals__["pd"] = pd
    main = types.ModuleType("__main__")
    vars(main).update(frames)
    monkeypatch.setitem(__import__("sys").modules, "__main__", main)
    assert answer(module.f, '{"table": "orders"}').output == "2"


def test_the_schema_says_so_beside_what_the_docstring_says(frames):
    documented = "\n    Parameters\n    ----------\n    table\n        What to count.\n    "
    f = notebook(f"def f(table: pd.DataFrame):\n    '''F.\n{documented}'''", **frames)["f"]
    assert Tool.from_function(f).spec.parameters["properties"]["table"]["description"] == (
        "What to count. The name of a variable in the notebook that holds a DataFrame."
    )


def test_any_marker_says_how_a_value_is_written_beside_what_the_docstring_says():
    class Marker:
        wanted = 'Two numbers, as "1..4".'

    f = notebook(
        "class Window: ...\n"
        "def f(w: Annotated[Window, PlainValidator(str, json_schema_input_type=str), marker]):\n"
        "    '''F.\n\n    Parameters\n    ----------\n    w\n        Where to look.\n    '''",
        Annotated=Annotated,
        PlainValidator=PlainValidator,
        marker=Marker(),
    )["f"]
    assert Tool.from_function(f).spec.parameters["properties"]["w"] == {
        "type": "string",
        "description": 'Where to look. Two numbers, as "1..4".',
    }
