"""Tools from what the notebook holds by name: a function, the functions of a module, the methods of an object."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from types import ModuleType
from typing import Any

from ..errors import ToolError
from .decorator import as_tool, registry
from .definition import Approve, Tool

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Found:
    """What stands under a name: tools, and what was left out of a module or object with the reason for each."""

    tools: tuple[Tool, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def look_up(name: str, namespace: Mapping[str, Any]) -> Any:
    """Return what stands under a name, dots allowed, in a namespace.

    Raises
    ------
    ToolError
        Where nothing does, with the nearest name that there is.
    """
    if not _DOTTED.fullmatch(name):
        raise ToolError(f"{name!r} is no name: write the name of a function, a module or an object of the notebook")
    first, *rest = name.split(".")
    if first not in namespace:
        near = get_close_matches(first, [key for key in namespace if not key.startswith("_")], n=1)
        hint = f"did you mean {near[0]}?" if near else "define or import it first"
        raise ToolError(f"{first!r} is not defined in this notebook; {hint}")
    value = namespace[first]
    for part in rest:
        try:
            value = getattr(value, part)
        except AttributeError:
            raise ToolError(f"{name!r}: {part!r} is not in it") from None
        except Exception as error:  # noqa: BLE001 - a property's own code
            raise ToolError(f"{name!r}: {part!r} can't be read: {type(error).__name__}: {error}") from None
    return value


def tools_named(name: str, namespace: Mapping[str, Any], approve: Approve | None = None) -> Found:
    """Make tools from what stands under a name; each is looked up there again before it is used.

    Parameters
    ----------
    name : str
        Of a function, or of a module or object, all of whose public functions that say what they do become tools.
    namespace : mapping
        The notebook's.
    approve : bool or callable, optional
        Whether calls need approval; None for what a tool marked before says, and no otherwise.

    Raises
    ------
    ToolError
        In one line that says why nothing there can be a tool.
    """
    value = look_up(name, namespace)
    members = list(_members(value))
    if not members:
        return Found((_tool(value, approve, _origin(name, namespace)),))
    tools: list[Tool] = []
    left_out: list[tuple[str, str]] = []
    for member, function in members:
        try:
            if isinstance(function, ToolError):
                raise function
            if not inspect.getdoc(function):
                raise ToolError("it has no docstring")
            tools.append(_tool(function, approve, _origin(f"{name}.{member}", namespace)))
        except ToolError as error:
            left_out.append((member, str(error).removeprefix(f"{member}: ").removeprefix(f"{member} ")))
    if not tools:
        reasons = "; ".join(f"{member}: {why}" for member, why in left_out[:3])
        raise ToolError(f"nothing of {name} can be a tool ({reasons})")
    return Found(tuple(tools), tuple(left_out))


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """The public functions of a module or methods of an object; none for what is a function itself."""
    if isinstance(value, ModuleType):
        said = getattr(value, "__all__", None)
        for key in said or [key for key in vars(value) if not key.startswith("_")]:
            function = _member(value, key)
            # What a module imported is not its own.
            own = bool(said) or getattr(function, "__module__", None) == value.__name__
            if isinstance(function, ToolError) or (inspect.isroutine(function) and own):
                yield key, function
    # What has a name of its own is one function; an object of a class of the notebook is a bundle of methods.
    elif not (isinstance(value, type | Tool | partial) or hasattr(value, "__name__") or _is_builtin(value)):
        for key in dir(type(value)):
            # Static, so that no property runs just because somebody looks.
            if not key.startswith("_") and inspect.isroutine(inspect.getattr_static(type(value), key, None)):
                yield key, _member(value, key)


def _member(value: Any, key: str) -> Any:
    """What stands under a name there; an error to be told where that can't be read."""
    try:
        return getattr(value, key)
    # An accessor of pandas that is for other columns; a part of a module that needs what is not installed.
    except Exception as error:  # noqa: BLE001
        return ToolError(f"it can't be read: {' '.join(f'{type(error).__name__}: {error}'.split())[:200]}")


def _tool(function: Any, approve: Approve | None, origin: Callable[[], Any]) -> Tool:
    if _is_marked(function):  # what @tool(…) said of it stays
        made = replace(as_tool(function), origin=origin)
        return made if approve is None else replace(made, approve=approve)
    return Tool.from_function(function, approve=bool(approve) if not callable(approve) else approve, origin=origin)


def _is_marked(function: Any) -> bool:
    known = isinstance(function, Tool) or hasattr(function, "__nbassist_tool__")
    return known or any(tool.function == function for tool in registry().values())


def _is_builtin(value: Any) -> bool:
    return type(value).__module__ == "builtins"


def _origin(name: str, namespace: Mapping[str, Any]) -> Callable[[], Any]:
    def now() -> Any:
        try:
            return look_up(name, namespace)
        except ToolError:  # deleted since: the function that was added is kept
            return None

    return now
