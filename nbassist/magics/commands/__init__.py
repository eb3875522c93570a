"""`%assistant NAME …`: each command is a function in the module of its subject, imported when it is used.

Begin with `COMMANDS`, the list of all; `run` finds and calls one.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from ...config.plugins import load_plugin, plugin_names
from ...errors import UsageError
from ..line.help import ASKS, asked_for, show_help, show_version
from ..line.tokenizer import expand, split

if TYPE_CHECKING:
    from ..config import Config

Command: TypeAlias = Callable[["Config", list[str]], Any]
"""Takes the magics and the words after the command's name; what it returns is the cell's result."""

COMMANDS: dict[str, str] = {
    "status": "status:status",
    "help": "status:help_",
    "doctor": "doctor:doctor",
    "tools": "tools:tools",
    "files": "files:files",
    "use": "endpoint:use",
    "models": "endpoint:models",
    "profiles": "endpoint:list_profiles",
    "threads": "threads:list_threads",
    "resume": "threads:resume",
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
    "keep": "prompts:keep",
    "prompts": "prompts:prompts",
    "log": "log:log",
    "diff": "log:diff",
    "rate": "log:rate",
    "usage": "status:usage",
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
    words = expand(split(line), magics.notebook_shell.user_ns)
    name, *rest = words or ["status"]
    if name == "tools" and any(word.startswith("mcp:") for word in rest):
        return find(name)(magics, rest)  # the flags after it are those of the server's command
    if asked_for(words) == "version":
        return print(show_version())  # noqa: T201
    if asked_for(words) == "help":
        return show_help([word for word in words if word not in ASKS][:1], magics)
    # `log?` reads like IPython's own help, and the error of an unknown flag points there.
    if not rest and name.endswith("?") and name.rstrip("?") in COMMANDS:
        return show_help([name.rstrip("?")], magics)
    if name.startswith("-"):
        raise UsageError(f"{name} stands without a command: flags of a prompt go into %%assistant, with two %")
    return find(name)(magics, rest)


def find(name: str) -> Command:
    """Return the command called `name`.

    Raises
    ------
    UsageError
        Where there is none.
    """
    # Ours first: a package that is installed can't take the place of a command.
    home = COMMANDS.get(name)
    if home is None:
        added = plugin_names("nbassist.commands")
        if name in added:
            plugin: Command = load_plugin("nbassist.commands", name)
            return plugin
        known = (*COMMANDS, *added)
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean %assistant {near[0]}?" if near else f"known are {', '.join(known)}"
        raise UsageError(f"%assistant has no command {name!r}; {hint} (a prompt goes into %%assistant)")
    module, _, function = home.partition(":")
    command: Command = getattr(import_module(f".{module}", __name__), function)
    return command


def nothing_more(name: str, words: list[str]) -> None:
    """Refuse words after a command that takes none."""
    if words:
        raise UsageError(f"%assistant {name} takes nothing more, and got {' '.join(words)!r}")
