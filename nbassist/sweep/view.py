"""What a person sees of a sweep: the grid, live or when it has ended, its buttons, or lines of progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..display.grid.grid import grid_text, publish
from ..display.view import surface
from ..errors import NbassistError, UsageError
from .evaluation.checks import Check
from .run_grid import RunsGrid
from .run_list import SweepRun, Update
from .runs import Runs
from .sweep import Sweep
from .worker_thread import SweepView

if TYPE_CHECKING:
    from .runs import Runs

BUTTONS = ("retry", "adopt", "keep", "export")


def act(runs: Runs, what: str, number: int = -1) -> str:
    """Do what a button says; return what came of it, in one line.

    Parameters
    ----------
    runs : Runs
        Of the grid.
    what : {"retry", "adopt", "keep", "export"}
        `Runs.retry_errors`, `Runs.adopt`, `Runs.keep` or `Runs.export`.
    number : int
        The run that is open, for `adopt`.
    """
    try:
        if what == "retry":
            return _retry(runs)
        if what == "adopt":
            cell = runs.make_turn(number)
            return f"run {number} is the thread's turn; {cell.splitlines()[0]} asks the same"
        if what == "keep":
            return f"kept in {_shown(runs.keep())}"
        if what == "export":
            return f"written to {_shown(runs.export())}"
        raise UsageError(f"there is no button {what!r}; there are {', '.join(BUTTONS)}")
    except NbassistError as error:
        return str(error)


def _retry(runs: Runs) -> str:
    failed = [run for run in runs.touched() if not run.ok]
    if not failed:
        return "nothing failed"
    runs.retry_errors()
    still = sum(not run.ok for run in failed)
    return f"{len(failed):,} asked anew, " + (f"{still:,} failed again" if still else "all answered now")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


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

    def __init__(self, shell: Any, *, after: bool = False) -> None:
        self._shell = shell
        self._after = after
        self._runs: Runs
        self._grid: RunsGrid | None = None
        self._live: Any = None

    def begin(self, runs: Runs) -> None:
        """Put the grid into the cell."""
        from ..display.grid.live import LiveGrid

        self._runs = runs
        self._grid = RunsGrid(runs, rate=runs.rate, act=partial(act, runs))
        self._grid.begin()
        self._live = LiveGrid(self._grid, self._shell, after=self._after)
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
        self._runs.watch(self._changed_later)

    def _changed_later(self) -> None:
        assert self._grid is not None
        self._grid.end()
        self._live.refresh()


def make_sweep_view(kind: str, shell: Any = None) -> SweepView:
    """Return the view for one sweep; the kinds are those of `nbassist.display.make_view`."""
    kind, after = surface(shell, kind)
    if kind == "live":
        return LiveGridView(shell, after=after)
    if kind in ("terminal", "plain"):
        return LineView()
    return StaticGridView(shown=kind != "none")


def run_and_judge(
    sweep: Sweep,
    view: SweepView,
    checks: Sequence[str] = (),
    rubrics: str | Sequence[str] = (),
    run: Callable[[SweepView], Runs] | None = None,
    *,
    judge_model: str = "",
    only_failed: bool = False,
    best_of: bool = False,
) -> Runs:
    """Run a sweep, hold its replies against the checks, and have them judged, before the view shows the end.

    Parameters
    ----------
    sweep, view
        What is run, and where it is shown.
    checks : sequence of str
        Expressions; their names are looked up before anything is asked.
    rubrics : str or sequence of str
        What a judge goes by, one after the other.
    run : callable, optional
        Runs it elsewhere.
    judge_model : str
        The judge; empty for the model that was asked.
    only_failed : bool
        Whether replies that are kept, and could not be read, are asked anew.
    best_of : bool
        Whether columns that have lost are asked no more; `run` can't be given then.

    Raises
    ------
    UsageError
        Where a check names what is not there, or fails on every run, or the judge on all; once there are runs, they
        are shown all the same.
    """
    made = [sweep.check(source) for source in checks]
    wanted = [rubrics] if isinstance(rubrics, str) else rubrics
    for rubric in wanted:
        sweep.try_rubric(rubric)
    held = _Held(view)
    if best_of:
        return _best_of(sweep, view, made, wanted, judge_model)
    try:
        runs = (run or sweep.run)(held)
        if only_failed:
            sweep.ask_anew([one for one in runs if one.cached and not one.ok])
        for check in made:
            runs.hold(check)
        for rubric in wanted:
            if rubric:
                sweep.judge(runs, rubric, judge_model, told=view.apply)
        sweep.remember()
    finally:
        if held.begun:
            view.close()
    return runs


def _best_of(sweep: Sweep, view: SweepView, checks: Sequence[Check], rubrics: Sequence[str], judge_model: str) -> Runs:
    if not checks and not any(rubrics):
        raise UsageError("--best-of needs something to go by: --check or --judge")
    runs = sweep.runs

    def measure(done: list[SweepRun]) -> None:
        for check in checks:
            runs.hold(check)
        for rubric in filter(None, rubrics):
            sweep.judge(runs, rubric, judge_model, told=view.apply)

    held = _Held(view)
    try:
        return sweep.run_best_of(measure, held)
    finally:
        if held.begun:
            view.close()


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
