"""Has a judge grade the runs of a sweep, by a sweep of its own: cached, paced and interrupted as any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ...errors import UsageError
from ..run_list import RunList, SweepRun, Update
from ..runner import SweepSpec
from .judge import Rubric, grade_unusable, judges_itself, take_verdicts, verdict_prompts, verdict_type


@dataclass(frozen=True)
class GradingContext:
    """What a judge is shown besides a run, and who wrote the replies: the order, system text, model and namespace."""

    order: SweepSpec
    instructions: str
    model: str
    namespace: Mapping[str, Any]


class JudgeSweep(Protocol):
    """The sweep of a judge; see `nbassist.sweep.Sweep`."""

    @property
    def runs(self) -> RunList: ...
    def run(self, view: Any = None) -> Any: ...
    def ask_anew(self, failed: list[SweepRun], view: Any = None) -> Any: ...


def grade(
    runs: RunList,
    rubric: Rubric,
    chosen: list[SweepRun],
    context: GradingContext,
    make: Callable[..., JudgeSweep],
    told: Callable[[Update], None],
) -> int:
    """Have those of the runs graded that were made; return how many have a grade from the judge.

    Parameters
    ----------
    runs : RunList
        Of which they are; it gets what is to be warned of.
    rubric : Rubric
        What the judge goes by.
    chosen : list of SweepRun
        What is graded; of no usable answer the grade is the lowest, and no judge is asked.
    context : GradingContext
        What the judge is shown besides.
    make : callable
        Makes the judge's sweep from its prompts and the shape of a verdict.
    told : callable
        Hears how far it is, and of each grade.

    Raises
    ------
    UsageError
        Where the rubric can't be filled in, or the judge failed on all.
    """
    whole = [run for run in chosen if run.ok and run.text.strip()]
    usable = set(map(id, whole))  # `run in whole` would compare each run with each, field by field
    grade_unusable(rubric, [run for run in chosen if run.done and id(run) not in usable])
    asked = verdict_prompts(whole, rubric, context.order, context.instructions, context.namespace)
    if not asked:
        return 0
    judging = make(list(asked), as_=verdict_type())
    try:
        judging.run(_Telling(told))
        # A verdict that can't be read is asked for once more; one that failed has been asked again by its backend.
        judging.ask_anew([run for run in judging.runs if run.done and not run.ok and not run.error])
    finally:  # an interrupt keeps the verdicts that came
        found = take_verdicts(rubric, asked, judging.runs)
        for run in whole:
            told(Update("judged", run.task.number))
    _warn(runs, rubric, whole, str(context.order.options.get("model") or context.model))
    if not found and (said := next((run.error for run in judging.runs if run.error), "")):
        raise UsageError(f"the judge graded nothing: {said}")
    return found


def _warn(runs: RunList, rubric: Rubric, whole: list[SweepRun], default: str) -> None:
    silent = sum(rubric.name not in run.scores for run in whole)
    lines = [
        judges_itself(whole, rubric.model, default),
        f"{rubric.name}: {silent:,} of {len(whole):,} verdicts could not be read, asked twice" if silent else "",
    ]
    runs.warnings[:] = [one for one in runs.warnings if not one.startswith(f"{rubric.name}: ")]
    runs.warnings += [line for line in lines if line and line not in runs.warnings]


class _Telling:
    """Tells the view of a sweep how far its judge is."""

    def __init__(self, told: Callable[[Update], None]) -> None:
        self._told = told
        self._done = self._total = 0

    def begin(self, runs: RunList) -> None:
        self._total = len(runs)
        self._tell()

    def apply(self, update: Update) -> None:
        if update.what == "waiting":
            self._told(update)
        elif update.what == "ended":
            self._done += 1
            self._tell()

    def close(self) -> None:
        pass

    def _tell(self) -> None:
        self._told(Update("judging", text=f"{self._done:,} of {self._total:,} judged"))
