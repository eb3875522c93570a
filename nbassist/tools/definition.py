"""What a tool is: a function, what the model reads about it, and how it is to be called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..errors import ToolError
from ..messages import ToolCall, ToolSpec
from .mistakes import Mistakes

if TYPE_CHECKING:
    from .schema import Parameters

Approve: TypeAlias = bool | Callable[..., bool]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what the hosted services take as a function's name


@dataclass(frozen=True)
class Approval:
    """A person's answer to the question whether a call may run.

    Parameters
    ----------
    allowed : bool
        Whether it may.
    comment : str
        A word to the model where it may not; may be empty.
    arguments : str, optional
        JSON text of other arguments to call it with; None to keep the model's.
    """

    allowed: bool
    comment: str = ""
    arguments: str | None = None


class Ask(Protocol):
    """Asks the person about one call whose arguments are valid; called on the thread that runs the toolbox."""

    def __call__(self, tool: Tool, call: ToolCall, arguments: Mapping[str, Any], /) -> Approval: ...


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
    """

    function: Callable[..., Any]
    name: str
    description: str = ""
    approve: Approve = False
    thread: bool = False
    timeout: float | None = None

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        approve: Approve = False,
        thread: bool = False,
        timeout: float | None = None,
    ) -> Tool:
        """Describe a function, a bound method or a callable object; see `nbassist.tools.tool` for the parameters.

        Raises
        ------
        ToolError
            In one line that says why it can't be a tool.
        """
        from .docstrings import read
        from .schema import UnresolvedError

        name = name or _own_name(function)
        if not _NAME.fullmatch(name):
            raise ToolError(
                f"a tool's name has at most 64 letters a-z, digits, _ and -, not {name!r}: give it one with name="
            )
        if timeout is not None and not timeout > 0:
            raise ToolError(f"{name}: timeout is a number of seconds above 0, not {timeout!r}")
        made = cls(function, name, description or read(function).description, approve, thread, timeout)
        with suppress(UnresolvedError):  # names what a later cell may define; it is told when the tool is used
            _ = made.parameters
        return made

    @cached_property
    def parameters(self) -> Parameters:
        """What the function takes."""
        from .schema import describe

        return describe(self.function, self.name)

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        return ToolSpec(self.name, self.description, self.parameters.schema)

    def arguments(self, text: str) -> dict[str, Any] | Mistakes:
        """Read the JSON text that the model wrote: the arguments to call with, or what is wrong with it."""
        from .validate import read_arguments

        return read_arguments(self.parameters, text)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as Python code would."""
        return self.function(*args, **kwargs)


def _own_name(function: Any) -> str:
    if not callable(function):
        raise ToolError(f"a tool is a function, not a {type(function).__name__}")
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
