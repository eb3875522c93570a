"""What a person sees of a sweep: the grid, live or when it has ended, or lines of progress where there is only text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..display.grid import grid_text, publish
from ..display.view import surface
from .grid import RunsGrid
from .runs import Runs
from .sweep import Sweep, SweepView
from .updates import Update

_EVERY = 1.0  # seconds between lines of progress


class LineView:
    """Writes a line of progress now and then, and the grid as text at the end."""

    def __init__(self) -> None:
        self._grid: RunsGrid | None = None
        self._told = time.monotonic()

    def begin(self, runs: Runs) -> None:
        """Take the runs that will be run."""
        self._grid = RunsGrid(runs)
        self._grid.begin()

    def apply(self, update: Update) -> None:
        """Take what happened."""
        assert self._grid is not None
        self._grid.apply(update)
        if time.monotonic() - self._told > _EVERY:
            self._told = time.monotonic()
            sys.stdout.write(self._grid.progress().line + "\n")

    def close(self) -> None:
        """Write the grid."""
        assert self._grid is not None
        self._grid.end()
        sys.stdout.write(grid_text(self._grid) + "\n")


class StaticGridView:
    """Shows the grid once, when the sweep has ended."""

    def __init__(self, shown: bool = True) -> None:
        self._runs: Runs | None = None
        self._shown = shown

    def begin(self, runs: Runs) -> None:
        """Take the runs that will be run."""
        self._runs = runs

    def apply(self, update: Update) -> None:
        """Take what happened."""

    def close(self) -> None:
        """Show the grid."""
        if self._shown and self._runs is not None:
            publish(RunsGrid(self._runs))


class LiveGridView:
    """Shows the grid while the sweep runs, and after."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._grid: RunsGrid | None = None
        self._live: Any = None

    def begin(self, runs: Runs) -> None:
        """Put the grid into the cell."""
        from ..display.gridlive import LiveGrid

        self._grid = RunsGrid(runs, rate=runs.rate)
        self._grid.begin()
        self._live = LiveGrid(self._grid, self._shell)
        self._live.begin()

    def apply(self, update: Update) -> None:
        """Take what happened."""
        assert self._grid is not None
        self._grid.apply(update)
        self._live.changed(update.number)

    def close(self) -> None:
        """The sweep has ended: the notebook keeps the static grid."""
        assert self._grid is not None
        self._grid.end()
        self._live.end()


def make_sweep_view(kind: str, shell: Any = None) -> SweepView:
    """Return the view for one sweep; the kinds are those of `nbassist.display.make_view`."""
    kind = surface(shell) if kind == "auto" else kind
    if kind == "live":
        return LiveGridView(shell)
    if kind in ("terminal", "plain"):
        return LineView()
    return StaticGridView(shown=kind != "none")


def run_and_judge(
    sweep: Sweep,
    view: SweepView,
    checks: Sequence[str] = (),
    rubric: str = "",
    run: Callable[[SweepView], Runs] | None = None,
) -> Runs:
    """Run a sweep, hold its replies against the checks, and have them judged, before the view shows the end.

    `run` runs it elsewhere.

    Raises
    ------
    UsageError
        Where a check fails on every run, or the judge on all; the runs are shown all the same.
    """
    held = _Held(view)
    try:
        runs = (run or sweep.run)(held)
        for source in checks:
            sweep.check(runs, source)
        if rubric:
            sweep.judge(runs, rubric, told=view.apply)
    finally:
        if held.begun:
            view.close()
    return runs


class _Held:
    """A view that stays open when the runs have ended."""

    def __init__(self, view: SweepView) -> None:
        self._view = view
        self.begun = False

    def begin(self, runs: Runs) -> None:
        self._view.begin(runs)
        self.begun = True

    def apply(self, update: Update) -> None:
        self._view.apply(update)

    def close(self) -> None:
        pass
