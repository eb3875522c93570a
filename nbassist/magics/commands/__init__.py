"""`%assistant NAME …`: each command is a function in a module of its own, imported when it is used."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import UsageError

if TYPE_CHECKING:
    from ..config import Config

Command: TypeAlias = Callable[["Config", list[str]], Any]
"""Takes the magics and the words after the command's name; what it returns is the cell's result."""

HOMES: dict[str, str] = {
    "status": "status:status",
    "help": "status:help_",
    "doctor": "doctor:doctor",
    "tools": "tools:tools",
    "use": "endpoint:use",
    "models": "endpoint:models",
    "profiles": "endpoint:list_profiles",
    "threads": "threads:list_threads",
    "resume": "resume:resume",
    "new": "threads:new",
    "fork": "threads:fork",
    "undo": "threads:undo",
    "rename": "threads:rename",
    "delete": "threads:delete",
    "history": "threads:history",
    "edit": "threads:edit",
    "save": "threads:save",
    "load": "threads:load",
    "open": "threads:open_",
    "export": "threads:export",
    "log": "log:log",
    "diff": "log:diff",
    "usage": "usage:usage",
    "fix": "questions:fix",
    "explain": "questions:explain",
}
"""The commands by name, with the module here and the function that carries each out; the docstring is its help."""


def run(magics: Config, line: str) -> Any:
    """Carry out one line of `%assistant`; an empty one shows the status.

    Raises
    ------
    UsageError
        Where there is no such command, with the nearest that there is.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"the line has a quote that is not closed: {line.strip()}") from error
    name, *rest = words or ["status"]
    return find(name)(magics, rest)


def find(name: str) -> Command:
    """Return the command called `name`.

    Raises
    ------
    UsageError
        Where there is none.
    """
    home = HOMES.get(name)
    if home is None:
        near = get_close_matches(name, HOMES, n=1)
        hint = f"did you mean %assistant {near[0]}?" if near else f"known are {', '.join(HOMES)}"
        raise UsageError(f"%assistant has no command {name!r}; {hint} (a prompt goes into %%assistant)")
    module, _, function = home.partition(":")
    command: Command = getattr(import_module(f".{module}", __name__), function)
    return command


def nothing_more(name: str, words: list[str]) -> None:
    """Refuse words after a command that takes none."""
    if words:
        raise UsageError(f"%assistant {name} takes nothing more, and got {' '.join(words)!r}")
