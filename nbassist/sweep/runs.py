"""`Runs`: what a sweep gave, as data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..reply import Reply
from .plan import Plan, Task


@dataclass(slots=True)
class Run:
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
        What the person or a judge said; may be empty.
    reason : str
        Why, where a judge said it.
    checks : dict of str to bool
        What was asserted of it.
    """

    task: Task
    reply: Reply | None = None
    error: str = ""
    first_token: float = 0.0
    seconds: float = 0.0
    rating: str = ""
    reason: str = ""
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it was run, whatever came of it."""
        return self.reply is not None or bool(self.error)

    @property
    def ok(self) -> bool:
        """Whether a whole reply came."""
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
        return {
            **self.task.variant,
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
            **{f"check_{name}": passed for name, passed in self.checks.items()},
        }


class Runs(Sequence[Run]):
    """The runs of a sweep, in the order of its plan.

    Parameters
    ----------
    plan : Plan
        What was to be run.
    again : callable, optional
        Runs the given tasks again; None where that can't be done.
    """

    def __init__(self, plan: Plan, again: Callable[[Runs], Runs] | None = None) -> None:
        self.plan = plan
        self.runs = [Run(task) for task in plan.tasks]
        self._again = again

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: Any) -> Any:
        return self.runs[index]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __repr__(self) -> str:
        done = sum(run.done for run in self.runs)
        failed = sum(bool(run.error) for run in self.runs)
        return f"<Runs: {self.plan.formula}, {done:,} done, {failed:,} failed>"

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
        frame = self.df
        if values not in frame.columns:
            raise UsageError(f"there is no column {values!r}; there are {', '.join(map(str, frame.columns))}")
        names = list(self.plan.vary)
        gather: Any = "first" if self.plan.repeat == 1 else list
        if not names:
            return frame.groupby("input", sort=False)[values].agg(gather).to_frame(values)
        return frame.pivot_table(index="input", columns=names, values=values, aggfunc=gather, sort=False)

    def to_parquet(self, path: str | Path) -> Path:
        """Write `df` to a Parquet file; what Parquet can't hold is written as text."""
        frame = self.df
        for name in frame.columns:
            if frame[name].dtype == object:
                frame[name] = frame[name].map(lambda value: value if value is None else str(value))
        try:
            frame.to_parquet(path)
        except ImportError as error:
            raise UsageError(f"Parquet needs pyarrow: pip install pyarrow ({error})") from error
        return Path(path)

    def retry_errors(self) -> Runs:
        """Run again what failed or was not run; the other runs stay as they are."""
        if self._again is None:
            raise UsageError("these runs can't be run again: ask the sweep anew")
        return self._again(self)

    def of(self, variant: Mapping[str, Any]) -> list[Run]:
        """Return the runs of one variant."""
        return [run for run in self.runs if run.task.variant == variant]
