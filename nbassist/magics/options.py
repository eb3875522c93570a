"""The flags of `%%assistant`, parsed into a frozen `Options`."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from ..errors import UsageError


@dataclass(frozen=True, slots=True)
class Options:
    """What the first line of a cell says.

    Parameters
    ----------
    model, thread, system, to : str
        Empty where the flag is not given.
    tools : tuple of str, optional
        Names and globs; empty for `--no-tools`, None for all tools of the notebook.
    """

    model: str = ""
    thread: str = ""
    system: str = ""
    to: str = ""
    tools: tuple[str, ...] | None = None


def identifier(value: str) -> str:
    """Return `value` where it can be a variable's name."""
    if not value.isidentifier():
        raise argparse.ArgumentTypeError(f"{value!r} can't be a variable's name")
    return value


class _Parser(argparse.ArgumentParser):
    """Errors in one line, with the nearest flag that there is."""

    def error(self, message: str) -> NoReturn:
        _, found, rest = message.partition("unrecognized arguments: ")
        unknown = rest.split(" ")[0]
        if found and unknown.startswith("-"):
            known = [flag for action in self._actions for flag in action.option_strings]
            near = get_close_matches(unknown, known, n=1)
            raise UsageError(
                f"there is no flag {unknown}; " + (f"did you mean {near[0]}?" if near else "%%assistant? lists them")
            )
        if found:
            raise UsageError(f"{unknown!r} stands beside the flags: the prompt belongs on the lines below")
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the cell's first line; its help is the magic's."""
    made = _Parser(
        prog="%%assistant",
        description="Send the cell to a model; its reply streams in, and the functions marked @tool that it calls run.",
        epilog="{{ expression }} in the prompt is filled in from the notebook.",
        add_help=False,
        allow_abbrev=False,
    )
    made.add_argument("-m", "--model", default="", metavar="NAME", help="the model that answers")
    made.add_argument("-t", "--thread", default="", metavar="NAME", help="the conversation to go on with")
    made.add_argument("-s", "--system", default="", metavar="TEXT", help="the system prompt")
    made.add_argument("--tools", metavar="A,B", help="only these tools may be called; globs are allowed")
    made.add_argument("--no-tools", action="store_true", help="no tool may be called")
    made.add_argument("--to", type=identifier, metavar="VARIABLE", help="a variable that gets the reply")
    return made


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
    found = parser().parse_args(words)
    if found.no_tools and found.tools is not None:
        raise UsageError("--tools and --no-tools contradict each other")
    tools = None
    if found.no_tools:
        tools = ()
    elif found.tools is not None:
        tools = tuple(name.strip() for name in found.tools.split(",") if name.strip())
        if not tools:
            raise UsageError("--tools names no tool; --no-tools turns them all off")
    return Options(found.model, found.thread, found.system, found.to or "", tools)
