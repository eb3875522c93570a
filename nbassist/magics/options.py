"""What the first line of a cell says, as a frozen `Options`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError
from .flags import parameters, parser


@dataclass(frozen=True, slots=True)
class Options:
    """What the first line of a cell says.

    Parameters
    ----------
    model, profile, thread, system, to, reasoning : str
        Empty where the flag is not given.
    tools : tuple of str, optional
        Names and globs; empty for `--no-tools`, None for all tools of the notebook.
    append : bool
        Whether the prompt goes to the end of the thread even where its cell ran before.
    turn : int, optional
        The number of the turn that the prompt replaces.
    parameters : mapping
        What `-p` says, by the names on the wire.
    """

    model: str = ""
    profile: str = ""
    thread: str = ""
    system: str = ""
    to: str = ""
    reasoning: str = ""
    tools: tuple[str, ...] | None = None
    append: bool = False
    turn: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parse(line: str) -> Options:
    """Read the first line of a cell.

    Raises
    ------
    UsageError
        Where a flag is unknown, has no value, or contradicts another.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"the first line has a quote that is not closed: {line.strip()}") from error
    found = vars(parser().parse_args(words))
    without = found.pop("no_tools")
    if without and found["tools"] is not None:
        raise UsageError("--tools and --no-tools contradict each other")
    if found["tools"] == ():
        raise UsageError("--tools names no tool; --no-tools turns them all off")
    if found["append"] and found["turn"] is not None:
        raise UsageError("--append and --turn contradict each other")
    if without:
        found["tools"] = ()
    return Options(parameters=parameters(found.pop("param")), **found)
