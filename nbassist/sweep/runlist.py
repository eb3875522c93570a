"""`RunList`: the runs of a plan as data, in order and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .onerun import Run
from .plan import Plan


class RunList(Sequence[Run]):
    """The runs of a sweep, in the order of its plan.

    Parameters
    ----------
    plan : Plan
        What was to be run.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.runs = [Run(task) for task in plan.tasks]

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: Any) -> Any:
        return self.runs[index]

    def run(self, number: int) -> Run:
        """Return the run of that number, from 0, as the grid shows it.

        Raises
        ------
        UsageError
            Where there is none.
        """
        if number not in range(len(self.runs)):
            raise UsageError(f"there is no run {number}: there are {len(self.runs):,}, from 0")
        return self.runs[number]

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
            raise UsageError("Parquet needs pyarrow: pip install 'nbassist[parquet]'") from error
        return Path(path)

    def column(self, variant: int) -> list[Run]:
        """Return the runs of one variant, by its number, input by input."""
        repeat, step = self.plan.repeat, len(self.plan.variants) * self.plan.repeat
        starts = range(variant * repeat, len(self.runs), step)
        return [run for start in starts for run in self.runs[start : start + repeat]]

    def cell(self, row: int, variant: int) -> list[Run]:
        """Return the repeats of one variant on one input, by their numbers."""
        start = (row * len(self.plan.variants) + variant) * self.plan.repeat
        return self.runs[start : start + self.plan.repeat]

    @property
    def check_names(self) -> list[str]:
        """The checks that were made, in order."""
        return list(dict.fromkeys(name for run in self.runs for name in run.checks))
