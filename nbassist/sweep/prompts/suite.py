"""A suite of tests from work: rated rows and turns of a thread, in a file beside the notebook that has a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ...context.prompt import hash_of
from ...core.files import put_in_place
from ...errors import UsageError
from ..evaluation.intervals import FEWEST, LEVEL, Comparison, paired
from ..evaluation.measures import points
from ..rows import Row
from ..run_list import RunList, SweepRun

FORMAT = "nbassist-suite/1"
_SHORT = 80  # characters; longer replies are compared by their words


@dataclass(frozen=True)
class Case:
    """One input, and what was thought of the reply to it.

    Parameters
    ----------
    prompt : str
        As it was sent.
    wording : str
        The hash of the template that it was filled into.
    row : object
        The row or item; None where there was none.
    reply : str
        What came.
    worth : float
        Of that reply, from 0 to 1: by the checks, else the rating.
    rating : str
        In the person's words; may be empty.
    """

    prompt: str
    wording: str
    row: Any
    reply: str
    worth: float
    rating: str = ""

    @property
    def id(self) -> str:
        """What it is known by: what was asked."""
        return hash_of(json.dumps([self.prompt, self.wording], ensure_ascii=False))


@dataclass(frozen=True)
class Suite:
    """Cases, with the wordings and settings that they came from, and the checks that a reply is held against.

    Parameters
    ----------
    cases : tuple of Case
        In order.
    prompts : mapping of str to str
        The templates, by their hashes.
    checks : mapping of str to str
        Expressions over `text`, `value` and `row`, by name; without any, replies are compared with those kept.
    model, instructions : str
        As they were asked; may be empty.
    parameters : mapping
        Of the model.
    version : int
        How often it was written.
    """

    cases: tuple[Case, ...]
    prompts: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    instructions: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that stand for all but the version."""
        content = {name: value for name, value in asdict(self).items() if name != "version"}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.cases)

    def save(self, path: Path) -> Suite:
        """Write it, as the next version where it changed, with the cases that are there already; return all of it.

        Raises
        ------
        UsageError
            Where the file is none of ours, or can't be written.
        """
        before = Suite.load(path) if path.exists() else Suite(())
        known = {case.id: case for case in before.cases}
        known |= {case.id: case for case in self.cases}
        merged = replace(
            self,
            cases=tuple(known.values()),
            prompts={**before.prompts, **self.prompts},
            checks={**before.checks, **self.checks},
            version=before.version,
        )
        if merged.hash == before.hash and before.version:
            return before
        merged = replace(merged, version=before.version + 1)
        content = {"format": FORMAT, "hash": merged.hash, **asdict(merged)}
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_text(json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
            put_in_place(draft, path)
        except OSError as error:
            raise UsageError(f"{path} can't be written: {error.strerror or error}") from error
        return merged

    @classmethod
    def load(cls, path: Path) -> Suite:
        """Read a file.

        Raises
        ------
        UsageError
            Where it is none of ours, or was changed by hand so that its hash is not true any more.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            kept = content.pop("hash")
            cases = tuple(Case(**case) for case in content.pop("cases"))
            found = cls(cases, **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} is no suite of tests: {error}") from error
        if found.hash != kept:
            raise UsageError(f"{path} was changed: it holds {found.hash}, and says {kept}; keep its cases anew")
        return found

    def of_wording(self, wording: str) -> Suite:
        """Return the cases of one wording alone."""
        return replace(self, cases=tuple(case for case in self.cases if case.wording == wording))

    def score(self, case: Case, text: str) -> float:
        """Return what a reply to a case is worth, from 0 to 1: the share of checks passed, else its likeness."""
        if not self.checks:
            return likeness(text, case.reply) if case.worth >= 0.5 else 1.0 - likeness(text, case.reply)
        from ...context.namespace import evaluate

        row = Row(case.row) if isinstance(case.row, Mapping) else case.row
        names = {"text": text, "row": row, "item": row, "value": _json(text)}
        passed = []
        for source in self.checks.values():
            try:
                passed.append(float(bool(evaluate(source, names, source))))
            except UsageError:  # what raises has not passed
                passed.append(0.0)
        return fmean(passed)

    def compare(self, answer: Callable[[Case], Iterable[str]]) -> Comparison:
        """Return by how much the replies that `answer` gives are worth more than those that were kept, case by case."""
        new = []
        for case in self.cases:
            said = list(answer(case))
            new.append(fmean(self.score(case, text) for text in said) if said else 0.0)
        return paired([case.worth for case in self.cases], new, share=True)


def got_worse(found: Comparison) -> bool:
    """Whether a comparison shows that the replies got worse, and not only that they are others."""
    return found.interval.value < 0 and found.interval.n >= FEWEST and found.p < 1 - LEVEL


def likeness(text: str, kept: str) -> float:
    """Return how far a reply says what another said: equal or not where short, else the share of words in common."""
    mine, theirs = text.casefold().split(), kept.casefold().split()
    if len(kept) <= _SHORT:
        return float(mine == theirs)
    if not mine or not theirs:
        return 0.0
    common = len(set(mine) & set(theirs))
    return 2 * common / (len(set(mine)) + len(set(theirs)))


def suite_of(runs: RunList, settings: Mapping[str, Any], checks: Mapping[str, str]) -> Suite:
    """Return the cases in rated runs, or, where none is rated, in all that have a usable answer and were checked.

    Raises
    ------
    UsageError
        Where nothing is rated or checked.
    """
    made = [run for run in runs.touched() if run.done]
    chosen = [run for run in made if points(run.rating) is not None] or [run for run in made if run.ok and run.checks]
    if not chosen:
        raise UsageError("there is nothing to keep: rate or check the runs first")
    cells: dict[tuple[str, str], list[Case]] = {}
    for run in chosen:
        case = _case(run)
        cells.setdefault((case.prompt, case.wording), []).append(case)
    # Repeats are one case: the best reply, with what all of them were worth in the mean.
    cases = tuple(
        replace(max(cell, key=lambda case: case.worth), worth=fmean(case.worth for case in cell))
        for cell in cells.values()
    )
    prompts = {run.task.wording: run.task.template for run in chosen}
    return Suite(
        cases,
        prompts,
        dict(checks),
        str(settings.get("model") or ""),
        str(settings.get("instructions") or ""),
        dict(settings.get("parameters") or {}),
    )


def _case(run: SweepRun) -> Case:
    task = run.task
    worth = fmean(map(float, run.checks.values())) if run.checks else (points(run.rating) or 0.0)
    value = None if task.input.bare else task.input.value
    row = json.loads(json.dumps(dict(value) if isinstance(value, Row) else value, default=str))
    return Case(task.prompt, task.wording, row, run.text, min(max(worth, 0.0), 1.0), run.rating)


def suite_of_turns(turns: Sequence[tuple[str, str]], settings: Mapping[str, Any]) -> Suite:
    """Return the cases in turns of a thread: each a prompt and its reply, taken to be good."""
    if not turns:
        raise UsageError("the thread has no turn to keep")
    cases = tuple(Case(prompt, hash_of(prompt), None, reply, 1.0, "good") for prompt, reply in turns)
    prompts = {case.wording: case.prompt for case in cases}
    return Suite(cases, prompts, {}, str(settings.get("model") or ""), str(settings.get("instructions") or ""))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
