"""What the first line of a cell says, as a frozen `Options`."""

from __future__ import annotations

import shlex
from argparse import SUPPRESS
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
    leave : bool
        Whether an interrupt leaves the reply to the endpoint.
    turn : int, optional
        The number of the turn that the prompt replaces.
    see, images, files : tuple of str
        What goes with the prompt: variables, expressions that give images, paths.
    shape : str
        What the reply is read into: `json` or a type of the notebook; empty for free text.
    code : bool
        Whether the code of the reply goes into a cell below.
    vary : mapping of str to tuple
        What is tried in turn, by name; empty where nothing is.
    over : str
        The expression that a sweep goes over.
    repeat, jobs, rpm, tpm : int
        Of a sweep; 0 where the flag is not given.
    checks : tuple of str
        Expressions that each reply of a sweep is held against.
    judge : str
        The rubric by which a model grades each reply of a sweep; may be empty.
    on : str
        The Dask cluster that a sweep runs on; empty for this process.
    batch : bool
        Whether a sweep goes through the Batch API.
    dry_run, yes : bool
        Whether a sweep stops after its plan, and whether it runs without asking.
    cache : str
        How recorded replies are used; empty for what `%config` says.
    off : bool
        Whether the run is kept out of the journal.
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
    leave: bool = False
    turn: int | None = None
    see: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    shape: str = ""
    code: bool = False
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    over: str = ""
    repeat: int = 0
    jobs: int = 0
    rpm: int = 0
    tpm: int = 0
    checks: tuple[str, ...] = ()
    judge: str = ""
    on: str = ""
    batch: bool = False
    dry_run: bool = False
    yes: bool = False
    cache: str = ""
    off: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sweep(self) -> bool:
        """Whether the cell asks for many runs; alternatives in its text do, too."""
        many = self.vary or self.over or self.repeat or self.dry_run
        return bool(many or self.checks or self.judge or self.on or self.batch)


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
    return _options(vars(parser().parse_args(words)))


def parse_words(words: list[str], command: str) -> tuple[Options, str]:
    """Read the words after a command that asks: its flags, and what else is said.

    Raises
    ------
    UsageError
        As `parse`.
    """
    made = parser(command)
    made.add_argument("more", nargs="*", help=SUPPRESS)
    found = vars(made.parse_intermixed_args(words))
    more = " ".join(found.pop("more"))
    return _options(found), more


def _options(found: dict[str, Any]) -> Options:
    without = found.pop("no_tools")
    if without and found["tools"] is not None:
        raise UsageError("--tools and --no-tools contradict each other")
    if found["append"] and found["turn"] is not None:
        raise UsageError("--append and --turn contradict each other")
    if found["tools"] == ():
        raise UsageError("--tools names no tool; --no-tools turns them all off")
    if without:
        found["tools"] = ()
    found["vary"] = _vary(found["vary"])
    for listed in ("images", "files", "checks"):
        found[listed] = tuple(found[listed])
    return Options(parameters=parameters(found.pop("param")), **found)


def _vary(pairs: list[tuple[str, tuple[Any, ...]]]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in pairs:
        if name in found:
            raise UsageError(f"--vary {name} is given twice: write its values as one list, {name}=a,b")
        found[name] = values
    return found
