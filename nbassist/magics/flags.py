"""The flags of the cell's first line: how each is written, and the parser that knows them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from ..errors import UsageError

REASONING = ("none", "minimal", "low", "medium", "high")
_OURS = ("model", "messages", "input", "stream", "stream_options", "thread", "previous_response_id", "conversation")
"""Parameters on the wire that the run itself sets."""
_WORDS = {"True": True, "False": False, "None": None}


class Parser(argparse.ArgumentParser):
    """Errors in one line, with the nearest flag or value that there is."""

    def error(self, message: str) -> NoReturn:
        _, found, rest = message.partition("unrecognized arguments: ")
        unknown = rest.split(" ")[0]
        if found and unknown.startswith("-"):
            known = [flag for action in self._actions for flag in action.option_strings]
            near = get_close_matches(unknown, known, n=1)
            raise UsageError(
                f"there is no flag {unknown}; " + (f"did you mean {near[0]}?" if near else f"{self.prog}? lists them")
            )
        if found:
            raise UsageError(f"{unknown!r} stands beside the flags: the prompt belongs on the lines below")
        raise UsageError(message)


def identifier(value: str) -> str:
    """Return `value` where it can be a variable's name."""
    if value and not value.isidentifier():
        raise argparse.ArgumentTypeError(f"{value!r} can't be a variable's name")
    return value


def level(value: str) -> str:
    """Return `value` where it is a level of reasoning."""
    if value and value not in REASONING:
        near = get_close_matches(value, REASONING, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(REASONING)}"
        raise argparse.ArgumentTypeError(f"there is no level {value!r}; {hint}")
    return value


def names(value: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def parameter(value: str) -> tuple[str, Any]:
    """Read `NAME=VALUE`, the value as JSON where it is that, else as text."""
    name, equals, text = value.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{value!r} is no parameter: write it as name=value, such as temperature=0.2")
    if name in _OURS:
        raise argparse.ArgumentTypeError(f"{name} can't be set with -p: the run sets it itself")
    return name, _value(text)


def varied(value: str) -> tuple[str, tuple[Any, ...]]:
    """Read `NAME=A,B`: each value as JSON where it is that, else as text; a JSON list stands for its items."""
    name, equals, text = value.partition("=")
    if not equals or not name.isidentifier() or not text.strip():
        raise argparse.ArgumentTypeError(f"{value!r} varies nothing: write it as name=a,b, such as temperature=0,1")
    try:
        listed = json.loads(text)
    except ValueError:
        listed = None
    if isinstance(listed, list):
        return name, tuple(listed)
    return name, tuple(_value(one.strip()) for one in text.split(",") if one.strip())


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def parser(prog: str = "%%assistant") -> Parser:
    """Return the parser of the cell's first line, or of a command that takes its flags; its help is the magic's."""
    made = Parser(
        prog=prog,
        description="Send the cell to a model; its reply streams in, and the functions marked @tool that it calls run.",
        epilog="{{ expression }} in the prompt is filled in from the notebook.",
        add_help=False,
        allow_abbrev=False,
    )
    where = made.add_argument_group("where it goes")
    where.add_argument("-m", "--model", default="", metavar="NAME", help="the model that answers")
    where.add_argument("--profile", default="", metavar="NAME", help="the endpoint, by its profile or URL")
    where.add_argument(
        "-p",
        "--param",
        type=parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the model, by its name on the wire, such as temperature=0.2; may be given again",
    )
    where.add_argument(
        "--reasoning", type=level, default="", metavar="LEVEL", help=f"how much it thinks: {', '.join(REASONING)}"
    )
    talk = made.add_argument_group("the conversation")
    talk.add_argument("-t", "--thread", default="", metavar="NAME", help="the thread to go on with")
    talk.add_argument(
        "--append", action="store_true", help="add a turn even where this cell ran before (else it replaces its own)"
    )
    talk.add_argument("--turn", type=int, metavar="N", help="replace turn N of the thread and go on from there")
    talk.add_argument(
        "--leave",
        action="store_true",
        help="an interrupt leaves the reply to the endpoint; %%assistant resume reads it on (Responses)",
    )
    made.add_argument("-s", "--system", default="", metavar="TEXT", help="the system prompt")
    shown = made.add_argument_group("what goes with the prompt")
    shown.add_argument(
        "--see",
        type=names,
        default=(),
        metavar="A,B",
        help="variables that the model is shown, or cells for the earlier cells; later only what changed",
    )
    shown.add_argument(
        "--image",
        dest="images",
        action="append",
        default=[],
        metavar="FIG",
        help="a figure, an image or its path, such as fig, plot.png or Out[3]; may be given again",
    )
    shown.add_argument(
        "--file", dest="files", action="append", default=[], metavar="PATH", help="a file; may be given again"
    )
    back = made.add_argument_group("what comes back")
    back.add_argument("--to", type=identifier, default="", metavar="VARIABLE", help="a variable that gets the reply")
    back.add_argument(
        "--as",
        dest="shape",
        default="",
        metavar="TYPE",
        help="read the reply into json or a type of the notebook, such as a pydantic model: the reply's .value",
    )
    back.add_argument("--code", action="store_true", help="put the code of the reply into a cell below")
    many = made.add_argument_group("many variants side by side")
    many.add_argument(
        "--vary",
        type=varied,
        action="append",
        default=[],
        metavar="NAME=A,B",
        help="try each value: of model, profile, system, reasoning, or a parameter of the model; may be given again",
    )
    many.add_argument("--over", default="", metavar="EXPR", help="for each row or item: {{ row.column }}, {{ item }}")
    many.add_argument("--repeat", type=int, default=0, metavar="N", help="ask each N times")
    many.add_argument("--jobs", type=int, default=0, metavar="N", help="runs at once (default: 4)")
    many.add_argument("--rpm", type=int, default=0, metavar="N", help="requests in any minute")
    many.add_argument("--tpm", type=int, default=0, metavar="N", help="tokens in any minute")
    many.add_argument(
        "--check",
        dest="checks",
        action="append",
        default=[],
        metavar="EXPR",
        help="hold each reply against an expression over text, reply, value and row; may be given again",
    )
    many.add_argument("--judge", default="", metavar="RUBRIC", help="have a model grade each reply from 1 to 5")
    many.add_argument("--on", default="", metavar="WHERE", help="run on a Dask cluster: dask://HOST:PORT, or a Client")
    many.add_argument("--batch", action="store_true", help="ask through the Batch API: cheaper, within a day")
    many.add_argument("--dry-run", action="store_true", help="print the plan and what it costs, and stop")
    many.add_argument("--yes", action="store_true", help="run it however large it is")
    kept = made.add_argument_group("what is kept")
    kept.add_argument(
        "--cache",
        default="",
        choices=("", "auto", "off", "refresh", "replay"),
        metavar="MODE",
        help="recorded replies: auto gives them again, refresh asks anew, replay never asks, off is the default",
    )
    kept.add_argument("--off", action="store_true", help="keep this run out of the journal")
    made.add_argument("--tools", type=names, metavar="A,B", help="only these tools may be called; globs are allowed")
    made.add_argument("--no-tools", action="store_true", help="no tool may be called")
    return made


def parameters(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return the parameters by name.

    Raises
    ------
    UsageError
        Where one is given twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"-p {name} is given twice")
        found[name] = value
    return found
