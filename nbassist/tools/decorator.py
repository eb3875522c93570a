"""`@tool`, and the registry of the process that it fills."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar, overload

from .definition import Approve, Tool

F = TypeVar("F", bound=Callable[..., Any])

_REGISTRY: dict[str, Tool] = {}


def registry() -> dict[str, Tool]:
    """Return the tools of this process by name, in the order of their first registration.

    It is the registry itself: what is added to it or removed from it is so for all.
    """
    return _REGISTRY


def current() -> dict[str, Tool]:
    """Return the tools as they stand now: those that were added by name are looked up again.

    Raises
    ------
    ToolError
        Where what stands under such a name now can't be a tool.
    """
    for name, tool in list(_REGISTRY.items()):
        found = None if tool.origin is None else tool.origin()
        # By equality: a bound method is another object each time it is looked up, and equal to the one before.
        if found is None or found == tool.function:
            continue
        if isinstance(found, Tool) or hasattr(found, "__nbassist_tool__"):
            _REGISTRY[name] = _as_added(replace(as_tool(found), name=name, origin=tool.origin))
            continue
        options = {field: getattr(tool, field) for field in ("approve", "thread", "timeout", "origin")}
        _REGISTRY[name] = Tool.from_function(found, name=name, **options)
    return dict(_REGISTRY)


def _as_added(made: Tool) -> Tool:
    """Keep the approval that was asked for when the tool was added by name, though its cell runs again without."""
    before = _REGISTRY.get(made.name)
    if before is None or before.origin is None or not before.approve or made.approve:
        return made
    return replace(made, approve=before.approve, origin=before.origin)


def as_tool(function: Callable[..., Any]) -> Tool:
    """Return a function as a tool; what `@tool(…)` said of it, such as `approve`, holds wherever it is given.

    Raises
    ------
    ToolError
        Where it can't be described to a model.
    """
    if isinstance(function, Tool):
        return function
    marked = getattr(function, "__nbassist_tool__", None)
    if isinstance(marked, Tool):
        # A wrapper that copies the function's attributes carries its mark: what it wraps is not what is to be called.
        return marked if marked.function is function else replace(marked, function=function)
    return next((known for known in _REGISTRY.values() if known.function == function), None) or Tool.from_function(
        function
    )


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    approve: Approve = False,
    thread: bool = False,
    timeout: float | None = None,
    strict: bool | None = None,
    custom: bool = False,
    untrusted: bool = False,
) -> Callable[[F], F]: ...


def tool(
    function: F | None = None,
    /,
    *,
    name: str = "",
    description: str = "",
    approve: Approve = False,
    thread: bool = False,
    timeout: float | None = None,
    strict: bool | None = None,
    custom: bool = False,
    untrusted: bool = False,
) -> F | Callable[[F], F]:
    """Let the model call a function; the function itself is returned, unchanged.

    To register under a name that is taken replaces the tool, so that a cell may be run again.

    Parameters
    ----------
    function : callable
        Where the decorator is used bare, as ``@tool``.
    name : str
        What the model calls it; empty for the function's own name.
    description : str
        What the model reads about it; empty for the summary and text of its docstring.
    approve : bool or callable
        Whether the person is asked before each call. A callable gets the arguments, as the function would, and says.
    thread : bool
        Run a plain function in a thread of its own, beside others, instead of the thread that asked.
    timeout : float, optional
        Seconds after which a call is given up.
    strict : bool, optional
        True to hold the model to the schema, where the service can: optional parameters become ones that may be null.
        None does so where it takes no change to the schema, or where the service is known to keep to it.
    custom : bool
        The function has one parameter, a str, and the model writes it as free text (code, SQL), without JSON.
    untrusted : bool
        Its results hold what others wrote (web pages, mail): they are marked as data for the model, which lessens the
        harm of instructions hidden in them. What acts on the world should have `approve`, whatever the model reads.

    Raises
    ------
    ToolError
        Where the function can't be described to a model: a lambda, a partial, ``*args``, a type with no JSON.
    """

    def register(function: F) -> F:
        made = Tool.from_function(
            function,
            name=name,
            description=description,
            approve=approve,
            thread=thread,
            timeout=timeout,
            strict=strict,
            custom=custom,
            untrusted=untrusted,
        )
        _REGISTRY[made.name] = _as_added(made)
        with suppress(AttributeError, TypeError):  # a bound method takes no attribute
            function.__nbassist_tool__ = made  # type: ignore[attr-defined]
        return function

    return register if function is None else register(function)
