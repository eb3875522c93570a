"""Improves the wording of a sweep by sweeps like it: the same checks, rubrics, tools and variables, other wordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ...context.prompt import Prompt
from ...errors import UsageError
from .improve import Improvement, improve, read_proposal

if TYPE_CHECKING:
    from ..plan import Plan
    from ..runs import Runs


class Sweeping(Protocol):
    """What makes sweeps like itself: see `nbassist.sweep.Sweep`."""

    @property
    def plan(self) -> Plan: ...
    def with_prompts(self, prompts: Sequence[Prompt], rows: Sequence[Any], variant: Mapping[str, Any]) -> Any: ...
    def beside(self, prompts: list[str], model: str, **said: Any) -> Any: ...


def improve_runs(
    sweep: Sweeping, runs: Runs, by: str = "", rounds: int = 3, notes: str = "", model: str = ""
) -> Improvement:
    """Have a model propose new wordings from what failed, and try them; see `Runs.improve`.

    Raises
    ------
    UsageError
        Where there is nothing to go by, or there are too few rows.
    """
    if not runs.tests and not runs.rubrics:
        raise UsageError("to improve a prompt needs something to go by: check or judge the runs first")
    leader = runs.best(by).run
    task, named = runs.run(leader).task, runs.prompt(leader)
    base = Prompt(task.template, named.name, named.parent)
    inputs = [one.value for one in sweep.plan.inputs]

    def ask(prompts: Sequence[Prompt], rows: Sequence[int]) -> Runs:
        made = sweep.with_prompts(prompts, [inputs[row] for row in rows], task.variant)
        made.run()
        for check in runs.tests.values():
            made.runs.hold(check)
        for rubric in runs.rubrics.values():
            made.judge(made.runs, rubric.text, rubric.model, name=rubric.name)
        made.remember()
        found: Runs = made.runs
        return found

    def propose(question: str) -> tuple[str, str]:
        asking = sweep.beside([question], model)
        asking.run()
        return read_proposal(asking.runs[0].text)

    return improve(base, len(inputs), ask, propose, by=by, rounds=rounds, notes=notes)
