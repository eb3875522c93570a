"""What can be said of one prompt alone: the options of `Assistant.ask`, their defaults, and the flags of the magic.

An option is said here once. `PromptOptions` types it for a checker, `DEFAULTS` is what counts where it is not said,
`FLAGS` is how `%%assistant` spells it, and `spelled_out` shows it to Tab. It imports nothing of ours but errors: the
magics read the flags when the extension is loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar

from ..errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ..context import Cell
    from ..core.conversation import Conversation
    from ..tools import Ask, Tool, Toolbox

Tools: TypeAlias = "Toolbox | Iterable[Tool | Callable[..., Any]]"
REASONING = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How much a model can be asked to think."""
C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])


class PromptOptions(TypedDict, total=False):
    """What can be said of one prompt; what is left out, None or empty is left to the assistant.

    Parameters
    ----------
    thread : str
        The name of the thread to go on with; empty for the current one.
    turn : int, optional
        The number of the turn to replace, from 1; the thread goes on from there.
    cell : str
        The id of the notebook cell: its earlier turn is replaced.
    journal_cell : str
        The id of the notebook cell that the journal names, where no turn is replaced; else that of `cell`.
    conversation : Conversation, optional
        In place of a thread.
    model, instructions, reasoning : str
        The model, the system prompt, and how much it thinks: one of `REASONING`.
    tools : Toolbox or iterable of functions, optional
        What the model may call; an empty one for none.
    parameters : mapping, optional
        Of the model, by their names on the wire.
    namespace : mapping of str to object, optional
        The notebook's: `{{ expression }}` in the prompt is filled in from it, and `see` and `images` look there.
    template : bool
        Whether `{{ expression }}` is filled in; without a namespace it never is.
    see : sequence of str
        Names of variables that the model is shown, or `cells`; later turns show only what changed.
    cells : callable, optional
        Gives the earlier cells that `see` may ask for; by default they are made of `In` and `Out` in the namespace.
    show : callable, optional
        Gets the text that goes out, once it is filled in: what stands before the prompt, and the prompt.
    images : sequence
        Figures, images, paths or expressions; see `nbassist.context.attach_images`.
    files : sequence of path
        Files that go with the prompt.
    as_ : type or str, optional
        What the reply is read into: anything pydantic validates, the name of such a type, or "json".
    ask : callable, optional
        Asks about calls that need approval.
    approval : str
        What is done with calls that need approval: "ask", "allow" or "deny".
    note : str
        One line for the view.
    cache : str
        How recorded replies are used: "off", "auto", "refresh" or "replay"; see `nbassist.journal.cache`.
    repeat : int
        Tells prompts apart that are alike, for the cache.
    variant : mapping
        What was varied, for the journal.
    off : bool
        Whether the run is kept out of the journal.
    leave : bool
        Whether an interrupt leaves the reply to the endpoint, to be read on by `resume`, in place of cancelling it.
    """

    thread: str
    turn: int | None
    cell: str
    journal_cell: str
    conversation: Conversation | None
    model: str
    instructions: str | None
    reasoning: str
    tools: Tools | None
    parameters: Mapping[str, Any] | None
    namespace: Mapping[str, Any] | None
    template: bool
    see: Sequence[str]
    cells: Callable[[], Sequence[Cell]] | None
    show: Callable[[str], None] | None
    images: Sequence[Any]
    files: Sequence[str | Path]
    as_: Any
    ask: Ask | None
    approval: str
    note: str
    cache: str
    repeat: int
    variant: Mapping[str, Any]
    off: bool
    leave: bool


DEFAULTS: PromptOptions = {
    "thread": "",
    "turn": None,
    "cell": "",
    "journal_cell": "",
    "conversation": None,
    "model": "",
    "instructions": None,
    "reasoning": "",
    "tools": None,
    "parameters": None,
    "namespace": None,
    "template": True,
    "see": (),
    "cells": None,
    "show": None,
    "images": (),
    "files": (),
    "as_": None,
    "ask": None,
    "approval": "",
    "note": "",
    "cache": "",
    "repeat": 0,
    "variant": {},
    "off": False,
    "leave": False,
}


@dataclass(frozen=True, slots=True)
class Flag:
    """How an option is written in the first line of a cell.

    Parameters
    ----------
    names : tuple of str
        The short form, where there is one, and the long one.
    help : str
        One line, for `%%assistant?`.
    metavar : str
        What stands for its value in the help; empty for a flag that takes none.
    group : str
        The heading that it stands under; empty for none.
    reads : str
        How its value is read, by a name that `nbassist.magics.line.flags` knows; empty for text as it is.
    several : bool
        Whether it may be given again, and its values are gathered.
    choices : tuple of str
        What its value may be; empty for anything.
    """

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    group: str = ""
    reads: str = ""
    several: bool = False
    choices: tuple[str, ...] = ()


FLAGS: Mapping[str, Flag] = {
    "model": Flag(("-m", "--model"), "the model that answers", "NAME", "where it goes"),
    "parameters": Flag(
        ("-p", "--param"),
        "a parameter of the model, by its name on the wire, such as temperature=0.2; may be given again",
        "NAME=VALUE",
        "where it goes",
        reads="parameter",
        several=True,
    ),
    "reasoning": Flag(
        ("--reasoning",), f"how much it thinks: {', '.join(REASONING)}", "LEVEL", "where it goes", reads="level"
    ),
    "thread": Flag(("-t", "--thread"), "the thread to go on with", "NAME", "the conversation"),
    "turn": Flag(("--turn",), "replace turn N of the thread and go on from there", "N", "the conversation", "number"),
    "leave": Flag(
        ("--leave",),
        "an interrupt leaves the reply to the endpoint; %%assistant resume reads it on (Responses)",
        group="the conversation",
    ),
    "instructions": Flag(("-s", "--system"), "the system prompt", "TEXT"),
    "see": Flag(
        ("--see",),
        "variables that the model is shown, or cells for the earlier cells; later only what changed",
        "A,B",
        "what goes with the prompt",
        reads="names",
    ),
    "images": Flag(
        ("--image",),
        "a figure, an image or its path, such as fig, plot.png or Out[3]; may be given again",
        "FIG",
        "what goes with the prompt",
        several=True,
    ),
    "files": Flag(
        ("--file",),
        "a file, searched where it is long; may be given again",
        "PATH",
        "what goes with the prompt",
        several=True,
    ),
    "as_": Flag(
        ("--as",),
        "read the reply into json or a type of the notebook, such as a pydantic model: the reply's .value",
        "TYPE",
        "what comes back",
    ),
    "cache": Flag(
        ("--cache",),
        "recorded replies: auto gives them again, refresh asks anew, replay never asks, off is the default",
        "MODE",
        "what is kept",
        choices=("auto", "off", "refresh", "replay"),
    ),
    "off": Flag(("--off",), "keep this run out of the journal", group="what is kept"),
}
"""The options that a cell can say, by their names in `PromptOptions`, in the order of the help."""


def complete(options: Mapping[str, Any]) -> PromptOptions:
    """Return options with the defaults of those that were not said.

    Raises
    ------
    UsageError
        Where one is not known, with the nearest that is.
    """
    _check_names("a prompt", options, DEFAULTS)
    return {**DEFAULTS, **options}  # type: ignore[typeddict-item]  # their names were looked at


def by_name(made: type[C]) -> type[C]:
    """Let a class whose arguments have to be named say in one line which is meant, where one is not.

    A wrapper of `__new__`, so that a type checker and Tab go on seeing `__init__` as it is written.

    Raises
    ------
    UsageError
        From the class, where an argument has no name, or its name is not known, with the nearest that is.
    """
    signature = inspect.signature(made)

    def new(cls: type[C], *args: Any, **options: Any) -> C:
        if args:
            # Guessed only for the words of the error.
            meant = "backend" if hasattr(args[0], "stream") else "base_url" if "://" in str(args[0]) else "model"
            shown = repr(args[0]) if isinstance(args[0], str) else "..."
            raise UsageError(f"{cls.__name__} takes its arguments by name: {cls.__name__}({meant}={shown})")
        _check_names(cls.__name__, options, signature.parameters)
        # The arguments are `__init__`'s, and `object.__new__` refuses any.
        return object.__new__(cls)

    made.__new__ = new  # type: ignore[assignment, method-assign]
    # `inspect.signature`, and with it Tab, would take the wrapper's `*args, **options` for the class's own.
    made.__signature__ = signature  # type: ignore[attr-defined]
    return made


def _check_names(what: str, said: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in said:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UsageError(f"{what} has no option {name!r}; {hint}")


def spelled_out(method: F) -> F:
    """Show the options of a method that takes `**options` to Tab and to `help`, which see a bare `**` otherwise."""
    own = inspect.signature(method)
    kept = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    said = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            # A string, as in the rest of the module: the types behind it are imported for a type checker alone.
            annotation=PromptOptions.__annotations__[name].__forward_arg__,
        )
        for name, default in DEFAULTS.items()
    ]
    method.__signature__ = own.replace(parameters=[*kept, *said])  # type: ignore[attr-defined]
    return method
