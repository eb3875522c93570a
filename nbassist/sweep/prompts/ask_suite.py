"""Asks the cases of a suite anew, as a sweep does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...assistant import Assistant
from ...context.prompt import Prompt
from ...context.template import fill
from ..plan import plan_of
from ..rows import Row
from ..sweep import Sweep
from .suite import Case, Suite


def ask_suite(suite: Suite, prompt: str = "", assistant: Assistant | None = None) -> Callable[[Case], Iterable[str]]:
    """Ask all cases, and return what gives the reply to each; none for one that failed.

    Parameters
    ----------
    suite : Suite
        The cases, with the settings that they were asked with.
    prompt : str
        A file with another wording, which is filled in for each row; empty to ask what was asked.
    assistant : Assistant, optional
        What is asked; by default what the environment settles.
    """
    wording = Prompt.read(prompt) if prompt else None
    prompts = [case.prompt if wording is None else fill(wording, _names(case)) for case in suite.cases]
    asked = Sweep(
        assistant or Assistant(model=suite.model),
        "",
        plan=plan_of(prompts),
        cache="off",
        options={"instructions": suite.instructions, "parameters": dict(suite.parameters)},
    ).run()
    said = {case.id: [run.text] if run.ok else [] for case, run in zip(suite.cases, asked, strict=True)}
    return lambda case: said[case.id]


def _names(case: Case) -> dict[str, object]:
    row = Row(case.row) if isinstance(case.row, dict) else case.row
    return {} if case.row is None else {"row": row, "item": row}
