"""`%assistant help …`, `--help` and `--version`: what there is, and how it is written."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...errors import UsageError
from ..table import Table
from .flags import parser

if TYPE_CHECKING:
    from ..config import Config

ASKS = ("-h", "--help", "?", "??")
VERSION = "--version"
_TOPICS = {
    "sweep": "many variants side by side",
    "sweeps": "many variants side by side",
    "threads": "the conversation",
    "model": "where it goes",
    "models": "where it goes",
    "cache": "what is kept",
    "reply": "what comes back",
    "flags": "",
}
_PROMPT = (
    ("{{ expression }}", "filled in from the notebook"),
    ("{{ x | head 5 }}", "the first rows, items or lines; text, json, markdown and repr are the other formats"),
    (r"\{{ x }}", "two braces as they are; --raw, or %config NbAssist.template = False, leaves all as they are"),
    ('{{ alt: "a" | "b" }}', "texts that are tried in turn, by a sweep"),
    ("--show-prompt", "prints what goes out"),
)


def show_help(words: list[str], magics: Config) -> Table:
    """Return help on a command, a flag or a topic; without a word, the list of the commands.

    Raises
    ------
    UsageError
        Where there is no such thing, with the nearest that there is.
    """
    from ..commands import COMMANDS, find

    if not words:
        rows = [(name, (find(name).__doc__ or "").strip().splitlines()[0].replace("`", "")) for name in COMMANDS]
        note = "%assistant help NAME explains a command, a flag, sweep, prompt or config; %%assistant? all flags"
        return Table(("%assistant", ""), tuple(rows), note=note)
    name = words[0].lstrip("%").lower()
    if name in ("prompt", "prompts", "format", "formats", "braces", "template"):
        return Table(("in a prompt", ""), _PROMPT)
    if name == "config":
        traits = magics.traits(config=True)
        return Table(("%config NbAssist.", ""), tuple((one, str(traits[one].help)) for one in sorted(traits)))
    rows = _of_flags(name)
    if name in COMMANDS:
        said = " ".join((find(name).__doc__ or "").replace("`", "").split())
        rows = [(f"%assistant {name}", said), *rows]
    if not rows:
        known = [*COMMANDS, *_TOPICS, "prompt", "config", *(flag for flag, _ in _flags())]
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "%assistant help lists what there is"
        raise UsageError(f"there is no help on {words[0]!r}; {hint}")
    return Table((f"help on {name}", ""), tuple(rows))


def show_version() -> str:
    """Return the version in words."""
    return f"nbassist {__version__}"


def asked_for(words: list[str]) -> str:
    """Return what the words of a line ask for in place of a run: "help", "version", or nothing."""
    if VERSION in words:
        return "version"
    return "help" if any(word in ASKS for word in words[:1]) or {"-h", "--help"} & set(words) else ""


def print_asked(words: list[str]) -> None:
    """Print what the first line of a cell asks for in place of a run."""
    print(show_version() if asked_for(words) == "version" else parser().format_help())  # noqa: T201


def _of_flags(name: str) -> list[tuple[str, str]]:
    """The flags of a topic, or the one of that name."""
    if name in _TOPICS:
        group = _TOPICS[name]
        made = parser()
        found = [one for one in made._action_groups if one.title == group or (not group and one._group_actions)]
        return [_line(action) for one in found for action in one._group_actions]
    return [(flag, said) for flag, said in _flags() if name.lstrip("-") in (f.lstrip("-") for f in flag.split(", "))]


def _flags() -> list[tuple[str, str]]:
    return [_line(action) for action in parser()._actions]


def _line(action: Any) -> tuple[str, str]:
    return ", ".join(action.option_strings), str(action.help or "").replace("%%", "%")
