from __future__ import annotations

import functools
import subprocess
import sys

import pytest

from nbassist.errors import ToolError
from nbassist.tools import Tool, Toolbox, registry, tool


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def test_the_function_itself_is_returned_and_registered():
    assert tool(add) is add
    assert add(1, 2) == 3
    assert list(registry()) == ["add"]
    assert registry()["add"].description == "Add two numbers."


def test_with_settings():
    assert tool(name="plus", description="Plus.", approve=True, thread=True, timeout=2)(add) is add
    made = registry()["plus"]
    assert (made.spec.name, made.spec.description) == ("plus", "Plus.")
    assert (made.approve, made.thread, made.timeout) == (True, True, 2)


def test_redefining_replaces(call):
    @tool
    def value() -> int:
        return 1

    @tool
    def value() -> int:  # noqa: F811
        return 2

    [made] = registry().values()
    assert call(made).output == "2"


def test_a_toolbox_keeps_its_tools_while_one_of_them_registers_another():
    @tool
    def more() -> str:
        tool(add)
        return "registered"

    box = Toolbox(registry().values())
    assert [spec.name for spec in box.specs] == ["more"]
    from nbassist.core.messages import ToolCall

    assert next(box.run([ToolCall("1", "more", "")])).output == "registered"
    assert list(registry()) == ["more", "add"]


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda a: a, "a lambda has no name"),
        (functools.partial(add, 1), "a partial has no name"),
        (int, "int is a class"),
        (3, "a tool is a function, not a int"),
        (print, "print takes \\*args"),
        (dict.fromkeys, None),
    ],
)
def test_what_cannot_be_a_tool_is_refused_in_one_line(function, why):
    if why is None:
        Tool.from_function(function)
        return
    with pytest.raises(ToolError, match=why) as caught:
        tool(function)
    assert "\n" not in str(caught.value)
    assert not registry()


def test_a_builtin_without_a_signature_is_refused():
    with pytest.raises(ToolError, match="does not tell its signature"):
        tool(min) if _unsigned(min) else tool(name="iter")(iter)


def _unsigned(function: object) -> bool:
    import inspect

    try:
        inspect.signature(function)  # type: ignore[arg-type]
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("name", ["größe", "a b", "x" * 65, "a.b"])
def test_a_name_that_no_service_takes_is_refused(name):
    with pytest.raises(ToolError, match="give it one with name="):
        Tool.from_function(add, name=name)


def test_a_timeout_is_above_zero():
    with pytest.raises(ToolError, match="timeout is a number of seconds above 0"):
        tool(timeout=0)(add)


def test_a_name_that_a_later_cell_defines_is_told_only_when_used():
    namespace: dict = {"tool": tool, "__name__": "__main__"}
    exec("from __future__ import annotations\n@tool\ndef f(x: Later): return x\n", namespace)
    box = Toolbox(registry().values())
    with pytest.raises(ToolError, match="the type of x names 'Later', which is not defined"):
        _ = box.specs
    namespace["Later"] = int
    assert Toolbox(registry().values()).specs[0].parameters["properties"]["x"] == {"type": "integer"}


def test_importing_the_decorator_imports_nothing_heavy():
    code = (
        "import sys\nfrom nbassist import tool\nfrom nbassist.tools import Toolbox\n"
        "print([n for n in ('IPython', 'pydantic', 'griffe', 'openai', 'pandas', 'numpy') if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_what_the_decorator_said_holds_wherever_the_function_is_given():
    def plain(path: str) -> None:
        """Plain."""

    marked = tool(approve=True, timeout=3)(plain)
    registry().clear()
    [made] = Toolbox([marked])
    assert (made.approve, made.timeout) == (True, 3)

    @functools.wraps(marked)
    def wrapper(path: str) -> None:
        marked(path)

    [made] = Toolbox([wrapper])
    assert (made.approve, made.function) == (True, wrapper)
