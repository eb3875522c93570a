"""The runs of a sweep as data: `SweepRun`, one run and what came of it; `RunList`, those of a plan, in order.

`Update` is what those hear of a run who show it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, TypeAlias

from ..core.installing import pip_install
from ..errors import UsageError
from ..reply import Reply
from .plan import Plan, Task


@dataclass(slots=True)
class SweepRun:
    """One run of a sweep, and what came of it.

    Parameters
    ----------
    task : Task
        What was asked.
    reply : Reply, optional
        None where nothing came, or it was not run yet.
    error : str
        Why nothing came, in one line; empty otherwise.
    first_token : float
        Seconds until the first text; 0 where there was none.
    seconds : float
        In all, waiting for its turn not included.
    rating : str
        What the person said; may be empty.
    scores : dict of str to float
        What a judge gave it, by the names of the rubrics; the lowest where there was no usable answer.
    reasons : dict of str to str
        Why, in the judge's words, or why there is no score.
    costs : dict of str to float, optional
        US dollars that grading it took, by the names of the rubrics; None where that is not known.
    checks : dict of str to bool or float
        What was asserted of it, passed or not, and what was measured; of no usable answer nothing is true.
    key : str
        What its reply is known by: by what was asked, and what came. Empty where nothing did.
    """

    task: Task
    reply: Reply | None = None
    error: str = ""
    first_token: float = 0.0
    seconds: float = 0.0
    rating: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    costs: dict[str, float | None] = field(default_factory=dict)
    checks: dict[str, bool | float] = field(default_factory=dict)
    key: str = ""

    @property
    def score(self) -> float | None:
        """The mean of what the judge gave it; None where it gave nothing."""
        return fmean(self.scores.values()) if self.scores else None

    @property
    def judge_cost(self) -> float | None:
        """US dollars that grading it took; 0 where it was not graded, None where that is not known."""
        known = [cost for cost in self.costs.values() if cost is not None]
        return sum(known) if len(known) == len(self.costs) else None

    @property
    def reason(self) -> str:
        """All that the judge said of it."""
        return " ".join(self.reasons.values())

    @property
    def done(self) -> bool:
        """Whether it was run, whatever came of it."""
        return self.reply is not None or bool(self.error)

    @property
    def ok(self) -> bool:
        """Whether a whole reply came, which could be read where a shape was asked for: any other is a wrong answer."""
        return self.reply is not None and self.reply.finish == "completed"

    @property
    def text(self) -> str:
        """The answer; empty where none came."""
        return self.reply.text if self.reply else ""

    @property
    def cached(self) -> bool:
        """Whether it was given again from a recording."""
        return bool(self.reply and self.reply.events and getattr(self.reply.events[-1], "replayed", False))

    def row(self) -> dict[str, Any]:
        """Return it as a row of `Runs.df`."""
        reply = self.reply
        usage = reply.usage if reply and reply.usage.known else None
        row = {
            "input": self.task.input.index,
            "repeat": self.task.repeat,
            "prompt_hash": hashlib.sha256(self.task.prompt.encode()).hexdigest()[:12],
            "text": self.text,
            "finish": reply.finish if reply else ("failed" if self.error else "not run"),
            "error": self.error or (reply.detail if reply and reply.finish != "completed" else ""),
            "first_token_s": self.first_token or None,
            "total_s": self.seconds or None,
            "input_tokens": usage.input_tokens if usage else None,
            "output_tokens": usage.output_tokens if usage else None,
            "cost": reply.cost if reply else None,
            "cached": self.cached,
            "rating": self.rating or None,
            **self._verdict(),
            **{f"check_{name}": passed for name, passed in self.checks.items()},
        }
        varied = {f"vary_{name}" if name in row else name: value for name, value in self.task.variant.items()}
        return {**varied, **row}

    def _verdict(self) -> dict[str, Any]:
        if not self.reasons and not self.scores:
            return {}
        found: dict[str, Any] = {"score": self.score, "reason": self.reason, "judge_cost": self.judge_cost}
        if len(self.reasons) > 1:
            found |= {f"score_{name}": self.scores.get(name) for name in self.reasons}
        return found


What: TypeAlias = Literal["started", "text", "ended", "waiting", "judging", "judged"]


@dataclass(frozen=True, slots=True)
class Update:
    """Something happened to a run: it started, wrote `text`, ended, was judged.

    Or to the sweep: all wait, for `seconds`, because of `text`; it is judged, as far as `text` says.
    """

    what: What
    number: int = -1
    text: str = ""
    seconds: float = 0.0


class _Made(Sequence[SweepRun]):
    """The runs of a plan, each made when it is first asked for."""

    def __init__(self, plan: Plan) -> None:
        self._tasks = plan.tasks
        self._made: dict[int, SweepRun] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, index: Any) -> Any:
        numbers = range(len(self))[index]
        return [self._run(number) for number in numbers] if isinstance(numbers, range) else self._run(numbers)

    def __iter__(self) -> Iterator[SweepRun]:
        return map(self._run, range(len(self)))

    def touched(self) -> list[SweepRun]:
        return [self._made[number] for number in sorted(self._made)]

    def _run(self, number: int) -> SweepRun:
        # `setdefault`, as the sweep's thread and the cell's may ask for the same run first.
        found = self._made.get(number)
        if found is None:
            found = self._made.setdefault(number, SweepRun(self._tasks[number]))
        return found


class RunList(Sequence[SweepRun]):
    """The runs of a sweep, in the order of its plan.

    Parameters
    ----------
    plan : Plan
        What was to be run.

    Attributes
    ----------
    warnings : list of str
        What is to be known of the numbers, a line each.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.warnings: list[str] = []
        self.runs: Sequence[SweepRun] = _Made(plan)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: Any) -> Any:
        return self.runs[index]

    def run(self, number: int) -> SweepRun:
        """Return the run of that number, from 0, as the grid shows it.

        Raises
        ------
        UsageError
            Where there is none.
        """
        if number not in range(len(self.runs)):
            raise UsageError(f"there is no run {number}: there are {len(self.runs):,}, from 0")
        run: SweepRun = self.runs[number]
        return run

    def __iter__(self) -> Iterator[SweepRun]:
        return iter(self.runs)

    def __repr__(self) -> str:
        done = sum(run.done for run in self.touched())
        answered = sum(run.ok for run in self.touched())
        return f"<Runs: {self.plan.formula}, {done:,} done, {answered:,} of {done:,} answered>"

    def tried(self) -> int:
        """Return how many wordings the comparisons are corrected for: those of this plan, at the least."""
        return len(self.plan.variants)

    def touched(self) -> list[SweepRun]:
        """Return those runs of which there is anything to say: not more than were begun."""
        return self.runs.touched() if isinstance(self.runs, _Made) else list(self.runs)

    @property
    def df(self) -> Any:
        """A tidy `pandas.DataFrame` with one row for each run, in the order of the plan."""
        import pandas as pd

        return pd.DataFrame([run.row() for run in self.runs])

    def pivot(self, values: str = "text") -> Any:
        """Return a table with the inputs as rows and the variants as columns; repeats stand as lists.

        Parameters
        ----------
        values : str
            The column of `df` that fills it.
        """
        import pandas as pd

        known = self.df.columns
        if values not in known:
            raise UsageError(f"there is no column {values!r}; there are {', '.join(map(str, known))}")
        variants = range(len(self.plan.variants))
        table = [
            [self._gathered([run.row().get(values) for run in self.cell(row, one)]) for one in variants]
            for row in range(len(self.plan.inputs))
        ]
        index = pd.Index([one.index for one in self.plan.inputs], name="input")
        return pd.DataFrame(table, index=index, columns=self._columns(pd, values), dtype=object).infer_objects()

    def _gathered(self, values: list[Any]) -> Any:
        return values[0] if self.plan.repeat == 1 else values

    def _columns(self, pd: Any, values: str) -> Any:
        names = list(self.plan.vary)
        if not names:
            return [values]
        heads = [tuple(map(_label, variant.values())) for variant in self.plan.variants]
        return (
            pd.Index([head[0] for head in heads], name=names[0])
            if len(names) == 1
            else pd.MultiIndex.from_tuples(heads, names=names)
        )

    def to_parquet(self, path: str | Path) -> Path:
        """Write `df` to a Parquet file; what Parquet can't hold is written as text."""
        frame = self.df
        for name in frame.columns:
            if frame[name].dtype == object:
                frame[name] = frame[name].map(lambda value: value if value is None else str(value))
        try:
            frame.to_parquet(path)
        except ImportError as error:
            raise UsageError(f"Parquet needs pyarrow: {pip_install('parquet')}") from error
        return Path(path)

    def column(self, variant: int) -> list[SweepRun]:
        """Return the runs of one variant, by its number, input by input."""
        repeat, step = self.plan.repeat, len(self.plan.variants) * self.plan.repeat
        # Runs lie input by input, and within one variant by variant.
        starts = range(variant * repeat, len(self.runs), step)
        return [run for start in starts for run in self.runs[start : start + repeat]]

    def cell(self, row: int, variant: int) -> list[SweepRun]:
        """Return the repeats of one variant on one input, by their numbers."""
        start = (row * len(self.plan.variants) + variant) * self.plan.repeat
        return list(self.runs[start : start + self.plan.repeat])

    @property
    def check_names(self) -> list[str]:
        """The checks that were made, in order."""
        return list(dict.fromkeys(name for run in self.touched() for name in run.checks))

    @property
    def rubric_names(self) -> list[str]:
        """The rubrics that a judge went by, in order."""
        return list(dict.fromkeys(name for run in self.touched() for name in run.reasons))


def _label(value: Any) -> Any:
    """Return a value as one that can head a column."""
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value
