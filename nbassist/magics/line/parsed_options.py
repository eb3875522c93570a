"""What the first line of a cell says, as a frozen `Options`.

An option of a prompt is said once in `nbassist.run.options`; what is about the notebook or a sweep alone is a field
here and a line in `flags`.
"""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import UsageError
from ...run.options import FLAGS, PromptOptions
from .flags import parameters, parser
from .tokenizer import split


@dataclass(frozen=True, slots=True)
class Options:
    """What the first line of a cell says.

    Parameters
    ----------
    prompt : PromptOptions
        What is said of the prompt; only what was said.
    profile, to : str
        The endpoint, and the variable that gets the reply; empty where the flag is not given.
    tools : tuple of str, optional
        Names and globs; empty for `--no-tools`, None for all tools of the notebook.
    append : bool
        Whether the prompt goes to the end of the thread even where its cell ran before.
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
    judges : tuple of str
        The rubrics by which a model grades each reply of a sweep.
    judge_model : str
        The model that grades; empty for the one that is asked.
    only : str
        `failed` where only what failed before is asked anew.
    best_of : bool
        Whether columns that have lost are asked no more.
    on : str
        The Dask cluster that a sweep runs on; empty for this process.
    batch : bool
        Whether a sweep goes through the Batch API.
    dry_run, yes : bool
        Whether a sweep stops after its plan, and whether it runs without asking.
    raw : bool
        Whether braces in the prompt stay as they are.
    show_prompt : bool
        Whether what goes out is printed.
    """

    prompt: PromptOptions = field(default_factory=lambda: PromptOptions())
    profile: str = ""
    to: str = ""
    tools: tuple[str, ...] | None = None
    append: bool = False
    code: bool = False
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    over: str = ""
    repeat: int = 0
    jobs: int = 0
    rpm: int = 0
    tpm: int = 0
    checks: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    judge_model: str = ""
    only: str = ""
    best_of: bool = False
    on: str = ""
    batch: bool = False
    dry_run: bool = False
    yes: bool = False
    raw: bool = False
    show_prompt: bool = False

    @property
    def is_sweep(self) -> bool:
        """Whether the cell asks for many runs; alternatives in its text do, too."""
        many = self.vary or self.over or self.repeat or self.dry_run
        return bool(many or self.checks or self.judges or self.only or self.best_of or self.on or self.batch)

    @property
    def of_many(self) -> str:
        """The first flag here that counts for many variants alone; empty where there is none."""
        return next((f"--{name}" for name in ("jobs", "rpm", "tpm") if getattr(self, name)), "")


def parse(line: str | list[str]) -> Options:
    """Read the first line of a cell, or its words.

    Raises
    ------
    UsageError
        Where a flag is unknown, has no value, or contradicts another.
    """
    made = parser()
    made.words = split(line) if isinstance(line, str) else line
    return _options(vars(made.parse_args(made.words)))


def parse_words(words: list[str], command: str) -> tuple[Options, str]:
    """Read the words after a command that asks: its flags, and what else is said.

    Raises
    ------
    UsageError
        As `parse`, and where a flag is for many variants.
    """
    made = parser(command)
    made.words = words
    made.add_argument("more", nargs="*", help=SUPPRESS)
    found = vars(made.parse_intermixed_args(words))
    more = " ".join(found.pop("more"))
    options = _options(found)
    if options.is_sweep or options.of_many:
        raise UsageError(f"{command} is for one reply: flags for many variants go into %%assistant")
    return options, more


def _options(found: dict[str, Any]) -> Options:
    prompt = {name: found.pop(name) for name in FLAGS if name in found}
    # `expand` leaves what names nothing as it stands, and no model is called so.
    if (model := prompt.get("model", "")).startswith(("{", "$")):
        raise UsageError(f"-m {model}: it names nothing of this notebook")
    without = found.pop("no_tools")
    if without and found["tools"] is not None:
        raise UsageError("--tools and --no-tools contradict each other")
    if found["append"] and prompt.get("turn") is not None:
        raise UsageError("--append and --turn contradict each other")
    if found["tools"] == ():
        raise UsageError("--tools names no tool; --no-tools turns them all off")
    if without:
        found["tools"] = ()
    found["vary"] = _vary(found["vary"])
    found["checks"], found["judges"] = tuple(found["checks"]), tuple(found["judges"])
    if found["judge_model"] and not found["judges"]:
        raise UsageError("--judge-model names the model that grades: say with --judge by what rubric")
    if "parameters" in prompt:
        prompt["parameters"] = parameters(prompt["parameters"])
    return Options(prompt=prompt, **found)  # type: ignore[arg-type]  # the names of `FLAGS` are options of a prompt


def _vary(pairs: list[tuple[str, tuple[Any, ...]]]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in pairs:
        if name in found:
            raise UsageError(f"--vary {name} is given twice: write its values as one list, {name}=a,b")
        found[name] = values
    return found
