"""What a tool is: a function, what the model reads about it, and how it is to be called."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.messages import ToolSpec
from ..errors import ToolError
from .schema.argument_errors import Mistakes

if TYPE_CHECKING:
    from .schema.signature import Parameters

Approve: TypeAlias = bool | Callable[..., bool]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what the hosted services take as a function's name


@dataclass(frozen=True)
class Tool:
    """A function that the model can call; made by `from_function`.

    Parameters
    ----------
    function : callable
        What is called.
    name, description : str
        As the model reads them; the description may be empty.
    approve : bool or callable
        Whether to ask the person first; a callable gets the arguments and says.
    thread : bool
        Whether a plain function runs in a thread of its own.
    timeout : float, optional
        Seconds after which a call is given up; None for no limit.
    strict : bool, optional
        Whether the model is held to the schema; None for where that takes no change to it, or the service is known
        to do it.
    custom : bool
        Whether the model writes free text, which is the function's only argument, in place of JSON.
    untrusted : bool
        Whether its outputs come from outside, and are marked as data for the model.
    service : str
        The type of a tool that some services have themselves, which then stands in its place; empty for none.
    origin : callable, optional
        Gives what stands now where the function was found, so that a redefined one is called; None where it is fixed.
    """

    function: Callable[..., Any]
    name: str
    description: str = ""
    approve: Approve = False
    thread: bool = False
    timeout: float | None = None
    strict: bool | None = None
    custom: bool = False
    untrusted: bool = False
    service: str = ""
    origin: Callable[[], Any] | None = None

    @classmethod
    def from_function(
        cls, function: Callable[..., Any], *, name: str = "", description: str = "", **options: Any
    ) -> Tool:
        """Describe a function, a bound method or a callable object; see `nbassist.tools.tool` for the parameters.

        Raises
        ------
        ToolError
            In one line that says why it can't be a tool.
        """
        from .schema.docstrings import read
        from .schema.hints import UnresolvedError

        if isinstance(function, classmethod | property):
            raise ToolError(
                f"a {type(function).__name__} in a class body can't be a tool: give the model the function of the class"
            )
        if not callable(function):
            raise ToolError(f"a tool is a function, not a {type(function).__name__}")
        name = name or _own_name(function)
        check_name(name)
        made = cls(function, name, description or read(function).description, **options)
        # Written so, it also refuses NaN, which is neither above nor below.
        if made.timeout is not None and not made.timeout > 0:
            raise ToolError(f"{name}: timeout is a number of seconds above 0, not {made.timeout!r}")
        with suppress(UnresolvedError):  # names what a later cell may define; it is told when the tool is used
            if made.custom:
                # Described at once, so that what is wrong with a function is told in its own cell.
                _ = made.custom_parameter
            elif made.strict:
                _ = made.spec
            else:
                _ = made.parameters
        return made

    @cached_property
    def parameters(self) -> Parameters:
        """What the function takes."""
        from .schema.signature import describe

        return describe(self.function, self.name)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of its arguments, of type object."""
        return self.parameters.schema

    @cached_property
    def custom_parameter(self) -> str:
        """The one parameter that takes a custom tool's text.

        Raises
        ------
        ToolError
            Where the function takes anything else.
        """
        properties = self.schema["properties"]
        kinds = [schema.get("type", "string") for schema in properties.values()]
        if kinds != ["string"]:
            raise ToolError(f"{self.name}: a custom tool is a function with one parameter, a str, and no other")
        return str(next(iter(properties)))

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it; strict where it was asked for, or where the schema is so already."""
        if self.custom:
            _ = self.custom_parameter
            return ToolSpec(self.name, self.description, {}, kind="custom")
        from .schema.strict import fits, made_strict

        if self.strict:
            return ToolSpec(self.name, self.description, made_strict(self.schema, self.name), strict=True)
        strict = self.strict is None and fits(self.schema)
        return ToolSpec(self.name, self.description, self.schema, strict, service=self.service)

    def strict_spec(self) -> ToolSpec:
        """Return the tool for a service that holds a model to a strict schema: strict wherever that can be had."""
        spec = self.spec
        if self.custom or self.strict is not None or spec.strict:
            return spec
        from .schema.strict import made_strict

        # Some schemas have no strict form; such a tool is offered as it is.
        with suppress(ToolError):
            return replace(spec, parameters=made_strict(spec.parameters, self.name), strict=True)
        return spec

    def arguments(self, text: str, *, raw: bool = False) -> dict[str, Any] | Mistakes:
        """Read what the model wrote: the arguments to call with, or what is wrong with it.

        Parameters
        ----------
        text : str
            JSON text; for a custom tool free text, or JSON from a model that knows functions alone.
        raw : bool
            Whether the endpoint said that it is free text.
        """
        if self.custom:
            return {self.custom_parameter: text if raw else _free_text(text)}
        from .schema.validate import read_arguments

        return read_arguments(self.parameters, text)

    def invoke(self, arguments: dict[str, Any]) -> Any:
        """Call the function with arguments by name; those that it takes by position only are given so."""
        named, positional = dict(arguments), []
        for name, default in self.parameters.positional.items():
            # Those behind the last that is given are the function's to fill in; a gap before it has to be filled here.
            if not named.keys() & self.parameters.positional.keys():
                break
            positional.append(named.pop(name, default))
        return self.function(*positional, **named)

    def close_unused(self, others: Iterable[Tool]) -> None:
        """Let go of what this tool holds and none of the others does; a function of the notebook holds nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as Python code would."""
        return self.function(*args, **kwargs)


def check_name(name: str) -> None:
    """Refuse a name that the services do not take.

    Raises
    ------
    ToolError
        Where it is one.
    """
    if not _NAME.fullmatch(name):
        raise ToolError(
            f"a tool's name has at most 64 letters a-z, digits, _ and -, not {name!r}: give it one with name="
        )


def _own_name(function: Any) -> str:
    if isinstance(function, partial):
        raise ToolError("a partial has no name or docstring for the model: write a def that calls it")
    if isinstance(function, type):
        raise ToolError(f"{function.__name__} is a class: write a def that makes one, and give that to the model")
    name = getattr(function, "__name__", "")
    if name == "<lambda>":
        raise ToolError("a lambda has no name or docstring for the model: write it as a def")
    if not name:
        raise ToolError(f"a {type(function).__name__} object has no name for the model: give it one with name=")
    return str(name)


def _free_text(text: str) -> str:
    """The text in JSON arguments with one string, as a wire without custom tools gives it; else the text itself."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return text
    values = list(data.values()) if isinstance(data, dict) else [data]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else text
