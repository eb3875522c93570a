"""What the runs of a sweep are worth: checks, ratings and a judge, and which variant they make the best."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

from ..context.names import evaluate
from ..errors import UsageError
from .columns import rated, scored
from .onerun import Run
from .runlist import RunList

T = TypeVar("T")

LOWEST, HIGHEST = 1, 5
"""Of the judge's scores."""
NAMES = ("text", "reply", "value", "row", "run")
"""What a check can ask for by name."""
_JUDGE = """You grade an answer against a rubric.

Rubric:
{rubric}

What was asked:
{prompt}

The answer to grade:
{text}

Write first the reason in one sentence, then the score: a whole number from 1 (does not meet the rubric) to 5 (meets it
fully)."""


def check(
    runs: RunList, test: Callable[..., Any] | str, name: str = "", namespace: Mapping[str, Any] | None = None
) -> str:
    """Hold a test against each whole reply, and keep whether it passed; return the name of the check.

    Parameters
    ----------
    runs : RunList
        Those without a whole reply are left out.
    test : callable or str
        A function of the text, or of any of `text`, `reply`, `value`, `row` and `run` by these names; or an
        expression over them. What it returns counts as true or false; a run on which it raises has not passed.
    name : str
        What the check is called; the function's name, or the expression, by default.
    namespace : mapping, optional
        The notebook's names, for an expression.

    Raises
    ------
    UsageError
        Where it raises on each run, which is a mistake in the test.
    """
    name = name or (test if isinstance(test, str) else getattr(test, "__name__", "check").strip("<>"))
    ask = _expression(test, namespace or {}) if isinstance(test, str) else _function(test)
    whole = [run for run in runs if run.ok]
    problems: list[Exception] = []
    for run in whole:
        try:
            run.checks[name] = bool(ask(run))
        except Exception as error:  # noqa: BLE001 - the person's own test may raise anything
            problems.append(error)
            run.checks[name] = False
    if whole and len(problems) == len(whole):
        for run in whole:
            run.checks.pop(name, None)
        first = problems[0]
        words = str(first) if isinstance(first, UsageError) else f"{type(first).__name__}: {first}"
        raise UsageError(f"the check {name} failed on every run: {words}") from first
    return name


def _offered(run: Run) -> dict[str, Any]:
    assert run.reply is not None
    names = run.task.input.names
    return {"text": run.text, "reply": run.reply, "value": run.reply.value, "row": names.get("row"), "run": run}


def _expression(source: str, namespace: Mapping[str, Any]) -> Callable[[Run], Any]:
    return lambda run: evaluate(source, {**namespace, **_offered(run)}, source)


def _function(test: Callable[..., Any]) -> Callable[[Run], Any]:
    try:
        wanted = [p.name for p in inspect.signature(test).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):  # a builtin that does not tell
        wanted = []
    if wanted and all(name in NAMES for name in wanted):
        return lambda run: test(**{name: _offered(run)[name] for name in wanted})
    return lambda run: test(run.text)


def judge_sweep(runs: RunList, rubric: str, make: Callable[..., T], model: str = "") -> tuple[T, list[Run]]:
    """Return the sweep in which a model grades each whole reply, and the runs that it grades, in its order."""
    from pydantic import BaseModel, Field

    class Verdict(BaseModel):
        """What the judge says."""

        reason: str
        score: int = Field(ge=LOWEST, le=HIGHEST)

    graded = [run for run in runs if run.ok and run.text.strip()]
    if not graded:
        raise UsageError("there is no reply to judge")
    prompts = [_JUDGE.format(rubric=rubric, prompt=run.task.prompt, text=run.text) for run in graded]
    return make("{{ item }}", over=prompts, options={"as_": Verdict, "model": model}), graded


def take_verdicts(graded: list[Run], verdicts: RunList) -> int:
    """Put the scores and reasons of the judge where they belong; return how many there are."""
    found = 0
    for run, verdict in zip(graded, verdicts, strict=True):
        value = verdict.reply.value if verdict.reply is not None else None
        if value is not None:
            run.score, run.reason = float(value.score), value.reason
            found += 1
        run.judge_cost = verdict.reply.cost if verdict.reply is not None else 0.0
    return found


@dataclass(frozen=True, slots=True)
class Best:
    """The best variant.

    Parameters
    ----------
    number : int
        Which of the variants.
    variant : mapping
        What it has of what is varied.
    why : str
        What it went by, and by how much it leads.
    run : int
        Its best run.
    """

    number: int
    variant: Mapping[str, Any]
    why: str
    run: int

    def __str__(self) -> str:
        named = ", ".join(f"{name} = {value}" for name, value in self.variant.items()) or "the only variant"
        return f"{named} (run {self.run}): {self.why}"

    __repr__ = __str__


def best(runs: RunList) -> Best:
    """Return the best variant: by ratings, then the judge's scores, then checks, the first of them that there is.

    Raises
    ------
    UsageError
        Where nothing says which is better.
    """
    columns = [runs.column(number) for number in range(len(runs.plan.variants))]
    for words, value in (("rating", rated), ("judge's score", scored), ("share of checks passed", _checked)):
        values = [value(column) for column in columns]
        known = {number: worth for number, worth in enumerate(values) if worth is not None}
        if not known:
            continue
        number = max(known, key=lambda one: (known[one], -one))
        others = [worth for one, worth in known.items() if one != number]
        told = f"mean {words} {known[number]:.3g}"
        if others:
            ties = sum(worth == known[number] for worth in others)
            told += (
                f", as {ties} other {'has' if ties == 1 else 'have'}" if ties else f", the next has {max(others):.3g}"
            )
        run = max((run for run in columns[number] if run.ok), key=_worth, default=columns[number][0])
        return Best(number, runs.plan.variants[number], told, run.task.number)
    raise UsageError("nothing says which is better: rate, check or judge the runs first")


def _checked(runs: list[Run]) -> float | None:
    shares = [fmean(run.checks.values()) for run in runs if run.checks]
    return fmean(shares) if shares else None


def _worth(run: Run) -> tuple[float, float, float]:
    passed = fmean(run.checks.values()) if run.checks else 0.0
    return rated([run]) or 0.0, run.score or 0.0, passed
