"""What a person sees of a sweep: its progress while it runs, and the grid when it has ended."""

from __future__ import annotations

import sys
import time
from typing import Any

from .runner import Update
from .runs import Runs
from .sweep import SweepView

_EVERY = 1.0  # seconds between lines of progress


class LineView:
    """Writes a line of progress now and then; for surfaces that show nothing but text."""

    def __init__(self) -> None:
        self._runs: Runs | None = None
        self._done = 0
        self._begun = self._told = 0.0

    def begin(self, runs: Runs) -> None:
        """Take the runs that will be run."""
        self._runs, self._begun = runs, time.monotonic()
        self._done = sum(run.done for run in runs)

    def apply(self, update: Update) -> None:
        """Take what happened."""
        if update.what == "ended":
            self._done += 1
        if time.monotonic() - self._told > _EVERY and self._runs is not None:
            self._told = time.monotonic()
            self._write()

    def close(self) -> None:
        """Write the last line."""
        self._write()

    def _write(self) -> None:
        assert self._runs is not None
        failed = sum(bool(run.error) for run in self._runs)
        words = f", {failed:,} failed" if failed else ""
        sys.stdout.write(f"{self._done:,} of {len(self._runs):,} done{words}\n")


def make_sweep_view(kind: str, shell: Any = None) -> SweepView:
    """Return the view for one sweep; the kinds are those of `nbassist.display.make_view`."""
    return LineView()
