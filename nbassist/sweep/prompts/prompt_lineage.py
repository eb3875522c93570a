"""The family of prompts of a notebook: which wording came from which, and what each scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ...context.prompt import Prompt
from ...core.html_allowlist import inert, seal
from ...core.text import clean, one_line
from ...errors import UsageError
from ...journal.scores import KeptPrompt, Score
from ..evaluation.intervals import mean_interval
from ..evaluation.measures import measures
from ..plan import Plan
from ..run_list import RunList


def prompt_of(plan: Plan, variant: Mapping[str, Any], template: str) -> Prompt:
    """Return the wording of a column as an object: the one that was varied by name, else its whole template."""
    named = [variant[name] for name in plan.alternatives if isinstance(variant[name], Prompt)]
    return named[0] if len(named) == 1 else Prompt(template, one_line(template, 40))


def scored_prompts(runs: RunList) -> list[KeptPrompt]:
    """Return the wordings of a sweep with what they scored, over all columns that share one; none without a measure."""
    found = measures(runs)
    if not found:
        return []
    measure, plan = found[0], runs.plan
    groups: dict[str, tuple[Prompt, list[int]]] = {}
    for column, variant in enumerate(plan.variants):
        prompt = prompt_of(plan, variant, plan.tasks[column * plan.repeat].template)
        groups.setdefault(prompt.hash, (prompt, []))[1].append(column)
    kept = []
    for prompt, columns in groups.values():
        rows = []
        for row in range(len(plan.inputs)):
            cell = [run for column in columns for run in runs.cell(row, column) if run.done]
            values = [float(value) for run in cell if (value := measure.value(run)) is not None]
            rows += [fmean(values)] if values else []
        if not rows:
            continue
        mean = mean_interval(rows, share=measure.share)
        half = None if math.isinf(mean.half) else mean.half
        score = Score(measure.name, mean.value, half, len(rows))
        kept.append(KeptPrompt(prompt.hash, prompt.name, prompt.parent, str(prompt), score))
    return kept


@dataclass(frozen=True, repr=False)
class Family:
    """The wordings of a notebook as a tree.

    Parameters
    ----------
    prompts : sequence of KeptPrompt
        In order; a parent that is not among them is left out.
    """

    prompts: Sequence[KeptPrompt]

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, name: str) -> Prompt:
        """Return a wording by its name or hash.

        Raises
        ------
        UsageError
            Where there is none.
        """
        for one in reversed(self.prompts):
            if name in (one.name, one.hash):
                return Prompt(one.text, one.name, one.parent)
        raise UsageError(
            f"there is no prompt {name!r}; there are {', '.join(one.name for one in self.prompts) or 'none'}"
        )

    def lines(self) -> list[str]:
        """Return the tree, a line for each wording."""
        known = {one.hash for one in self.prompts}
        found: list[str] = []

        def walk(parent: str, depth: int, above: frozenset[str]) -> None:
            for one in self.prompts:
                of = one.parent if one.parent in known and one.parent != one.hash else ""
                if of == parent and one.hash not in above:
                    branch = "   " * (depth - 1) + "└─ " if depth else ""
                    found.append(f"{branch}{one.name} ({one.hash}) {_shown(one.score)}".rstrip())
                    walk(one.hash, depth + 1, above | {one.hash})

        walk("", 0, frozenset())
        return found

    def __repr__(self) -> str:
        return clean("\n".join(self.lines())) or "no wording has been scored in this notebook yet"

    def _repr_html_(self) -> str:
        return seal(f"<pre>{inert(repr(self))}</pre>")


def _shown(score: Score | None) -> str:
    if score is None:
        return ""
    share = score.measure in ("checks passed", "rating") and 0 <= score.value <= 1
    by, unit = (100.0, "%") if share else (1.0, "")
    half = "" if score.half is None else f" ±{by * score.half:.2g}"
    return (
        f"{score.measure} {by * score.value:.3g}{unit}{half} on {score.rows:,} {'row' if score.rows == 1 else 'rows'}"
    )
