"""Tools by name: functions, modules and objects of the notebook, looked up again before they are used."""

from __future__ import annotations

import functools
import types
from typing import Any

import pytest

from nbassist.errors import ToolError
from nbassist.magics.commands.tools import marks, signature, summary
from nbassist.tools import current, registry, tool
from nbassist.tools.lookup import tools_named

SOURCE = '''
from os.path import join

LIMIT = 3


def load(path: str, rows: int = 5) -> str:
    """Load a file.

    More about it.
    """
    return path


def bare(path):
    return path


def many(*paths):
    """Load files."""


def _own():
    """Not public."""


class Reader:
    """Not a function."""
'''


def module(name: str = "shop", **more: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    exec(compile(SOURCE, name, "exec"), vars(made))
    vars(made).update(more)
    return made


def add(name: str, namespace: dict[str, Any], **options: Any) -> list[str]:
    found = tools_named(name, namespace, **options)
    registry().update({made.name: made for made in found.tools})
    return [made.name for made in found.tools]


def test_a_module_gives_its_own_public_functions_that_say_what_they_do() -> None:
    found = tools_named("shop", {"shop": module()})
    assert [made.name for made in found.tools] == ["load"]
    assert dict(found.left_out) == {
        "bare": "it has no docstring",
        "many": "takes *paths, which no schema can describe: name each parameter",
    }


def test_what_a_module_says_is_public_is_taken_wherever_it_comes_from() -> None:
    assert [made.name for made in tools_named("shop", {"shop": module(__all__=["load", "join"])}).tools] == ["load"]
    assert "join" in dict(tools_named("shop", {"shop": module(__all__=["load", "join"])}).left_out)


def test_a_function_in_a_module_and_a_method_are_reached_with_dots() -> None:
    assert add("shop.load", {"shop": module()}) == ["load"]


def test_a_module_that_is_reloaded_gives_its_new_functions() -> None:
    namespace = {"shop": module()}
    add("shop", namespace)
    namespace["shop"] = module(LIMIT=4)
    assert current()["load"].function is namespace["shop"].load


def test_what_was_deleted_since_is_still_there() -> None:
    namespace = {"shop": module()}
    add("shop", namespace)
    function = namespace.pop("shop").load
    assert current()["load"].function is function


def test_what_can_no_longer_be_a_tool_is_said_in_one_line() -> None:
    namespace: dict[str, Any] = {"load": module().load}
    add("load", namespace)
    namespace["load"] = 3
    with pytest.raises(ToolError, match="a tool is a function, not a int"):
        current()


def test_what_the_decorator_said_stays_unless_it_is_said_otherwise() -> None:
    load = tool(approve=True, timeout=3)(module().load)
    assert tools_named("load", {"load": load}).tools[0].approve is True
    assert tools_named("load", {"load": load}).tools[0].timeout == 3
    assert tools_named("load", {"load": load}, approve=False).tools[0].approve is False


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (lambda x: x, "a lambda has no name"),
        (functools.partial(print), "a partial has no name"),
        (3, "a tool is a function, not a int"),
        ([1], "a tool is a function, not a list"),
        (dict, "dict is a class"),
        (types.ModuleType("empty"), "a tool is a function, not a module"),
    ],
)
def test_what_cant_be_a_tool_says_why(value: Any, why: str) -> None:
    with pytest.raises(ToolError, match=why):
        tools_named("value", {"value": value})


def test_an_object_none_of_whose_methods_will_do_says_why() -> None:
    class Shop:
        def bare(self) -> None: ...

    with pytest.raises(ToolError, match=r"nothing of shop can be a tool \(bare: it has no docstring\)"):
        tools_named("shop", {"shop": Shop()})


def test_a_tool_in_a_list() -> None:
    [made] = tools_named("shop.load", {"shop": module()}, approve=True).tools
    assert signature(made) == "load(path: str, rows: int = 5)"
    assert summary(made) == "Load a file."
    assert marks(made) == "asks first"


def test_an_approval_that_was_asked_for_stays_when_the_cell_of_the_tool_runs_again() -> None:
    namespace: dict[str, Any] = {"load": tool(module().load)}
    add("load", namespace, approve=True)
    namespace["load"] = tool(module().load)
    made = current()["load"]
    assert (made.approve, made.function) == (True, namespace["load"])


def test_a_member_that_cannot_be_read_is_left_out_and_said() -> None:
    class Accessor:
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            raise AttributeError("Can only use .text accessor\nwith text")

    class Frame:
        text = Accessor()

        def rows(self) -> int:
            """Count the rows."""
            return 1

        @property
        def bad(self) -> int:
            raise ValueError("no")

    found = tools_named("frame", {"frame": Frame()})
    assert [one.name for one in found.tools] == ["rows"]
    assert found.left_out == (("text", "it can't be read: AttributeError: Can only use .text accessor with text"),)
    with pytest.raises(ToolError, match="'bad' can't be read: ValueError: no"):
        tools_named("frame.bad", {"frame": Frame()})


@pytest.mark.parametrize("kind", ["DataFrame", "Series"])
def test_the_methods_of_a_data_frame_can_be_tools(kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    value = getattr(pandas, kind)([1])
    found = tools_named("v", {"v": value})
    assert "head" in [one.name for one in found.tools]
    assert "sparse" in dict(found.left_out) or "str" in dict(found.left_out)
