"""A judge: a model that grades each reply against a rubric, and sees what the model saw that wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...context.namespace import Names
from ...context.template import fill
from ...core.conversation import Conversation
from ...errors import UsageError
from ..run_list import RunList, SweepRun

LOWEST, HIGHEST = 1, 5
"""Of the judge's scores."""
_NAMED = re.compile(r"\s*([\w-]{1,24}):\s+\S")
_THREAD = 8_000  # characters of what was said before, the end of it
_JUDGE = """You grade an answer against a rubric.

Rubric:
{rubric}
{before}
What was asked:
{prompt}

The answer to grade:
{text}

Write first the reason in one sentence, then the score: a whole number from 1 (does not meet the rubric) to 5 (meets it
fully)."""


@dataclass(frozen=True)
class Rubric:
    """What a judge goes by.

    Parameters
    ----------
    text : str
        What a good reply has; `{{ row.column }}` in it is filled in for each run.
    name : str
        What its scores are called.
    model : str
        The judge; empty for the one that was asked.
    """

    text: str
    name: str = "judge"
    model: str = ""


class JudgeContext(Protocol):
    """What the judge is shown besides a run: see `nbassist.sweep.runner.SweepSpec`."""

    @property
    def conversation(self) -> Conversation: ...
    @property
    def options(self) -> Any: ...


def make_rubric(text: str, name: str = "", model: str = "", others: Sequence[str] = ()) -> Rubric:
    """Return a rubric; `tone: Is it kind?` is called `tone`, and the name of another is not taken again.

    Raises
    ------
    UsageError
        Where it says nothing.
    """
    if not text.strip():
        raise UsageError("a rubric says what a good reply has: it is empty")
    said = _NAMED.match(text)
    name = name or (said[1] if said else "judge")
    free = name
    number = 2
    while free in others:
        free, number = f"{name} {number}", number + 1
    return Rubric(text, free, model)


def verdict_type() -> Any:
    """Return what a verdict is read into."""
    from pydantic import BaseModel, Field

    class Verdict(BaseModel):
        """What the judge says."""

        reason: str
        score: int = Field(ge=LOWEST, le=HIGHEST)

    return Verdict


def verdict_prompts(
    runs: Sequence[SweepRun], rubric: Rubric, context: JudgeContext, instructions: str, namespace: Mapping[str, Any]
) -> dict[str, list[SweepRun]]:
    """Return what the judge is asked, each with the runs that it grades: equal replies to the same are graded once.

    Raises
    ------
    UsageError
        Where the rubric can't be filled in.
    """
    asked: dict[str, list[SweepRun]] = {}
    names = Names(namespace)
    thread = _thread(context.conversation)
    for run in runs:
        names.update({**run.task.input.names, "text": run.text})
        system = str(run.task.variant.get("system") or context.options.get("instructions") or instructions)
        before = "".join(
            f"\n{title}:\n{words}\n"
            for title, words in (("What the assistant was told", system), ("What was said before", thread))
            if words
        )
        prompt = _JUDGE.format(rubric=fill(rubric.text, names), before=before, prompt=run.task.prompt, text=run.text)
        asked.setdefault(prompt, []).append(run)
    return asked


def _thread(conversation: Conversation) -> str:
    lines = [f"{message.role}: {message.said}" for message in conversation.messages if message.said.strip()]
    text = "\n".join(lines)
    return text if len(text) <= _THREAD else f"…{text[-_THREAD:]}"


def take_verdicts(rubric: Rubric, asked: Mapping[str, list[SweepRun]], verdicts: RunList) -> int:
    """Put the scores and reasons of the judge where they belong; return how many runs have one now."""
    found = 0
    for graded, verdict in zip(asked.values(), verdicts, strict=True):
        value = verdict.reply.value if verdict.reply is not None else None
        cost = verdict.reply.cost if verdict.reply is not None else 0.0
        for place, run in enumerate(graded):
            if value is not None:
                run.scores[rubric.name], run.reasons[rubric.name] = float(value.score), value.reason
                found += 1
            elif verdict.done:
                run.scores.pop(rubric.name, None)
                run.reasons[rubric.name] = f"no verdict: {verdict.error or 'what the judge wrote could not be read'}"
            run.costs[rubric.name] = cost if place == 0 else 0.0  # equal replies are paid for once
    return found


def grade_unusable(rubric: Rubric, runs: Sequence[SweepRun]) -> None:
    """Give the lowest score to runs without a usable answer, which no judge need see."""
    for run in runs:
        run.scores[rubric.name] = float(LOWEST)
        run.reasons[rubric.name] = "there is no usable answer"


def judges_itself(runs: Sequence[SweepRun], judge: str, default: str) -> str:
    """Return a warning where the judge is one of the models it judges; empty otherwise."""
    judge = judge or default
    names = {str(run.task.variant.get("model") or default) for run in runs}
    names |= {run.reply.model for run in runs if run.reply is not None and run.reply.model}
    if judge in names:
        called = judge or "the endpoint's own model"
        return f"{called} judges its own replies, which models grade too well: name another with --judge-model"
    return ""
