"""`Runs`: what a sweep gave, to look at, to judge, and to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..errors import UsageError
from .columns import agreement, different_rows
from .judging import Best, best, check
from .onerun import Run
from .plan import Plan
from .runlist import RunList

if TYPE_CHECKING:
    from .showing import Differences, Shown

__all__ = ["Run", "Runs"]


class Home(Protocol):
    """Where runs come from, and what is done with them there; see `nbassist.sweep.Sweep`."""

    def again(self, runs: Runs) -> Runs: ...
    def keep_rating(self, run: Run) -> None: ...
    def judge(self, runs: Runs, rubric: str, model: str) -> int: ...
    def check(self, runs: Runs, test: Any, name: str) -> str: ...
    def adopt(self, run: Run) -> str: ...


class Runs(RunList):
    """The runs of a sweep, in the order of its plan.

    Parameters
    ----------
    plan : Plan
        What was to be run.
    home : Home, optional
        What can run them again, judge them, and make one a turn; None where nothing can.

    Attributes
    ----------
    shown : bool
        Whether the cell that they are the result of has shown them already, and need not do so again.
    """

    def __init__(self, plan: Plan, home: Home | None = None) -> None:
        super().__init__(plan)
        self.shown = False
        self._home = home

    def retry_errors(self) -> Runs:
        """Run again what failed or was not run; the other runs stay as they are."""
        return self._at_home.again(self)

    def different_rows(self) -> list[int]:
        """Return the numbers of the inputs whose replies do not all say the same."""
        return different_rows(self)

    def _ipython_display_(self) -> None:
        """Show the grid, once for each cell."""
        from ..display.grid import publish
        from .grid import RunsGrid

        if not self.shown:
            publish(RunsGrid(self))
        self.shown = False

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show the grid as it stands now."""
        from ..display.grid import grid_bundle
        from .grid import RunsGrid

        return grid_bundle(RunsGrid(self))

    @property
    def agreement(self) -> dict[str, float | None]:
        """For each variant, the share of pairs of repeats that say the same; None where nothing is repeated."""
        return {
            ", ".join(f"{name} = {value}" for name, value in variant.items()): agreement(self, number)
            for number, variant in enumerate(self.plan.variants)
        }

    def show(self, number: int) -> Shown:
        """Show a whole run: its prompt, its reply and its calls."""
        from .showing import whole

        return whole(self, number)

    def different(self) -> Shown:
        """Show the grid with only those inputs whose replies do not all say the same."""
        from .showing import grid

        return grid(self, self.different_rows())

    def diff(self, base: int = 0, row: int | None = None) -> Differences:
        """Show, word by word, how the other variants differ from variant `base`; see `showing.differences`."""
        from .showing import differences

        return differences(self, base, row)

    def plot(self, what: str = "") -> Any:
        """Draw a measure by variant: `rating`, `score`, `seconds`, `tokens`, `cost` or `length`; return the axes."""
        from .showing import plot

        return plot(self, what)

    def rate(self, number: int, rating: str | float) -> None:
        """Say what a run was worth, as `good`, `bad`, a number or any words; the journal keeps it, too."""
        run = self.run(number)
        run.rating = str(rating)
        if self._home is not None:
            self._home.keep_rating(run)

    def check(self, test: Any, name: str = "") -> Runs:
        """Hold a function of the text, or an expression, against each reply; see `judging.check`."""
        if self._home is not None:
            self._home.check(self, test, name)
        else:
            check(self, test, name)
        return self

    def judge(self, rubric: str, model: str = "") -> Runs:
        """Have a model grade each reply from 1 to 5 against a rubric, with its reason; its verdicts are cached, too.

        Parameters
        ----------
        rubric : str
            What a good reply has.
        model : str
            The judge; the assistant's own by default.
        """
        self._at_home.judge(self, rubric, model)
        return self

    def best(self) -> Best:
        """Return the best variant, and what that went by: ratings, else a judge's scores, else checks."""
        return best(self)

    def adopt(self, number: int | None = None) -> None:
        """Make a run the thread's turn, the best one by default, and print the cell that asks the same."""
        print(self._at_home.adopt(self.run(self.best().run if number is None else number)))  # noqa: T201

    @property
    def _at_home(self) -> Home:
        if self._home is None:
            raise UsageError("these runs belong to no sweep that could do this: ask the sweep anew")
        return self._home
