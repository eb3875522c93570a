"""`Runs`: what a sweep gave, to look at, to judge, and to go on with.

A run can be adopted: it becomes the thread's turn, as if its prompt had been asked there.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.conversation import Conversation
from ..core.messages import Text
from ..errors import UsageError
from .evaluation.best import Best, best
from .evaluation.checks import Check, hold, make_check
from .evaluation.judge import Rubric
from .evaluation.judge_trust import Trust, trust
from .evaluation.measures import agreement, different_rows
from .evaluation.pairs import BlindPairs, JudgedPairs
from .evaluation.summary_statistics import Standing, standing
from .plan import OPTIONS, Plan
from .run_list import RunList, SweepRun

if TYPE_CHECKING:
    from ..context.prompt import Prompt
    from ..threads import Threads
    from .inspection import Differences, SweepDisplay
    from .prompts.improve import Improvement

__all__ = ["Runs", "SweepRun"]


class Home(Protocol):
    """Where runs come from, and what is done with them there; see `nbassist.sweep.Sweep`."""

    def again(self, runs: Runs) -> Runs: ...
    def keep_rating(self, run: SweepRun) -> None: ...
    def judge(self, runs: Runs, rubric: str, model: str, *, name: str = "") -> int: ...
    def check(self, test: Any, name: str) -> Check: ...
    def adopt(self, run: SweepRun) -> str: ...
    def settings(self) -> tuple[Mapping[str, Any], str]: ...
    def tried(self) -> int: ...
    def improve(self, runs: Runs, by: str, rounds: int, notes: str, model: str) -> Improvement: ...
    def judge_pairs(self, runs: Runs, rubric: str, model: str) -> JudgedPairs: ...


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
    tests : dict of str to Check
        What the replies were held against, by name.
    rubrics : dict of str to Rubric
        What a judge graded them by, by name.
    """

    def __init__(self, plan: Plan, home: Home | None = None) -> None:
        super().__init__(plan)
        self.shown = False
        self.tests: dict[str, Check] = {}
        self.rubrics: dict[str, Rubric] = {}
        self._home = home
        self._watching: list[Callable[[], None]] = []

    def watch(self, told: Callable[[], None]) -> None:
        """Have `told` called whenever a rating, a check, a judgement or a new reply changes what a grid shows."""
        self._watching.append(told)

    def _changed(self) -> Runs:
        for told in self._watching:
            told()
        return self

    def retry_errors(self) -> Runs:
        """Ask anew what failed, could not be read or was not run, and check and judge that; all else stays as it is."""
        self._at_home.again(self)
        return self._changed()

    def different_rows(self) -> list[int]:
        """Return the numbers of the inputs whose replies do not all say the same."""
        return different_rows(self)

    def _ipython_display_(self) -> None:
        """Show the grid, once for each cell."""
        from ..display.grid.grid import publish
        from .run_grid import RunsGrid

        if not self.shown:
            publish(RunsGrid(self))
        self.shown = False

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show the grid as it stands now."""
        from ..display.grid.grid import grid_bundle
        from .run_grid import RunsGrid

        return grid_bundle(RunsGrid(self))

    @property
    def agreement(self) -> dict[str, float | None]:
        """For each variant, the share of pairs of repeats that say the same; None where nothing is repeated."""
        return {
            ", ".join(f"{name} = {value}" for name, value in variant.items()): agreement(self, number)
            for number, variant in enumerate(self.plan.variants)
        }

    def show(self, number: int) -> SweepDisplay:
        """Show a whole run: its prompt, its reply and its calls."""
        from .inspection import whole

        return whole(self, number)

    def different(self) -> SweepDisplay:
        """Show the grid with only those inputs whose replies do not all say the same."""
        from .inspection import grid

        return grid(self, self.different_rows())

    def diff(self, base: int = 0, row: int | None = None) -> Differences:
        """Show, word by word, how the other variants differ from variant `base`; see `comparison.differences`."""
        from .inspection import differences

        return differences(self, base, row)

    def plot(self, what: str = "") -> Any:
        """Draw a measure by variant: `rating`, `score`, `seconds`, `tokens`, `cost` or `length`; return the axes."""
        from .inspection import plot

        return plot(self, what)

    def rate(self, number: int, rating: str | float) -> None:
        """Say what a run was worth, as `good`, `bad`, a number or any words; the journal keeps it, too."""
        run = self.run(number)
        run.rating = str(rating)
        if self._home is not None:
            self._home.keep_rating(run)
        self._changed()

    def check(self, test: Any, name: str = "") -> Runs:
        """Hold a function of the text, or an expression, against each reply; see `evaluation.checks.make_check`."""
        return self.hold(self._home.check(test, name) if self._home is not None else make_check(test, name))

    def hold(self, check: Check) -> Runs:
        """Hold a check that is made already against each reply."""
        hold(self.touched(), check)
        self.tests[check.name] = check
        return self._changed()

    def judge(self, rubric: str, model: str = "", name: str = "") -> Runs:
        """Have a model grade each reply from 1 to 5 against a rubric, with its reason; its verdicts are cached, too.

        Parameters
        ----------
        rubric : str
            What a good reply has; `{{ row.column }}` in it is filled in for each run.
        model : str
            The judge; the assistant's own by default.
        name : str
            What its scores are called; `tone: Is it kind?` is called `tone`. Several rubrics stand beside each other.
        """
        self._at_home.judge(self, rubric, model, name=name)
        return self._changed()

    def best(self, by: str = "", *, wordings: bool = False) -> Best:
        """Return the best variant where there is one, else those that can't be told apart.

        Parameters
        ----------
        by : str
            `rating`, `judge`, or the name of a check or rubric; by default ratings, else a judge's scores, else checks.
        wordings : bool
            Whether columns that share a wording count as one.

        Raises
        ------
        UsageError
            Where nothing says which is better.
        """
        return best(self, by, wordings=wordings, family=self.tried())

    def standing(self, by: str = "", *, wordings: bool = False) -> Standing:
        """Return how the columns stand, with intervals and comparisons; the parameters are those of `best`."""
        return standing(self, by, wordings=wordings, family=self.tried())

    def keep(self, path: str | Path = "") -> Path:
        """Keep the rated rows, or all that were checked, as tests in a file beside the notebook; return where.

        Checks that are expressions of the reply and the row go with them; see `prompts.suite`.

        Parameters
        ----------
        path : str or Path
            The file; by default the notebook's name with `.suite.json`.

        Raises
        ------
        UsageError
            Where nothing is rated or checked.
        """
        from .prompts.suite import suite_of

        settings, notebook = self._at_home.settings()
        where = Path(path) if path else Path(notebook or "prompts").with_suffix(".suite.json")
        checks = {name: check.source for name, check in self.tests.items() if check.source}
        suite_of(self, settings, checks).save(where)
        return where

    def export(self, path: str | Path = "", form: str = "jsonl") -> Path:
        """Write the runs as JSONL, or as tests for promptfoo (`promptfoo`) or inspect-ai (`inspect`); return where."""
        from .prompts.exports import runs_jsonl, write_suite
        from .prompts.suite import suite_of

        settings, notebook = self._at_home.settings()
        ending = {"jsonl": ".runs.jsonl", "promptfoo": ".promptfoo.yaml"}.get(form, f".{form}.jsonl")
        where = Path(path) if path else Path(notebook or "sweep").with_suffix(ending)
        if form == "jsonl":
            where.write_text(runs_jsonl(self), encoding="utf-8")
            return where
        checks = {name: check.source for name, check in self.tests.items() if check.source}
        return write_suite(suite_of(self, settings, checks), where, form)

    def trust(self, rubric: str = "") -> Trust:
        """Return how far a judge can be trusted: beside your ratings, and by what its scores go with.

        Raises
        ------
        UsageError
            Where nothing was judged, or not by that rubric.
        """
        known = self.rubric_names
        rubric = rubric or (known[0] if known else "judge")
        if rubric not in known:
            raise UsageError(f"nothing was judged by {rubric!r}; there are {', '.join(known) or 'no rubrics'}")
        return trust(self, rubric)

    def pairs(self, seed: int = 0) -> BlindPairs:
        """Return pairs of replies to judge without knowing whose they are; see `evaluation.pairs.BlindPairs`."""
        return BlindPairs(self, seed)

    def judge_pairs(self, rubric: str, model: str = "") -> JudgedPairs:
        """Have a model say which of two replies meets a rubric better, each pair in both orders.

        A verdict that turns with the order is a tie, and how many did is told: that is the judge's bias.
        """
        found = self._at_home.judge_pairs(self, rubric, model)
        self._changed()
        return found

    def tried(self) -> int:
        """Return how many wordings were tried in this notebook: what comparisons are corrected for."""
        return self._home.tried() if self._home is not None else super().tried()

    def adopt(self, number: int | None = None) -> Prompt:
        """Make a run the thread's turn, that of the leader by default, and print the cell that asks the same.

        Returns
        -------
        Prompt
            Its wording.
        """
        if number is None:
            found = self.best()
            number = found.run
            if not found.told:
                # Apart from the cell, which is there to be copied.
                print(f"run {number} leads, and is no winner: {found}", file=sys.stderr)  # noqa: T201
        print(self.make_turn(number))  # noqa: T201
        return self.prompt(number)

    def prompt(self, number: int) -> Prompt:
        """Return the wording of a run as an object, with its name, its hash and its parent."""
        from .prompts.prompt_lineage import prompt_of

        task = self.run(number).task
        return prompt_of(self.plan, task.variant, task.template)

    def improve(self, by: str = "", *, rounds: int = 3, notes: str = "", model: str = "") -> Improvement:
        """Have a model propose new wordings from what failed; return the best, and its gain on rows locked away.

        Half of the rows are locked away until the end. The tools, variables, checks and rubrics are those of this
        sweep; it needs at least one of the last two.

        Parameters
        ----------
        by : str
            What to go by; see `best`.
        rounds : int
            Proposals.
        notes : str
            What you think is wrong with the replies.
        model : str
            The model that proposes; the assistant's own by default.
        """
        return self._at_home.improve(self, by, rounds, notes, model)

    def make_turn(self, number: int) -> str:
        """Make a run the thread's turn, and return the cell that asks the same."""
        return self._at_home.adopt(self.run(number))

    @property
    def _at_home(self) -> Home:
        if self._home is None:
            raise UsageError("these runs belong to no sweep that could do this: ask the sweep anew")
        return self._home


_FLAGS = {"model": "-m", "profile": "--profile", "system": "-s", "reasoning": "--reasoning"}


def adopt(run: SweepRun, threads: Threads, thread: str = "") -> None:
    """Append the prompt of `run` and what came of it to a thread, the current one by default, and keep that.

    Raises
    ------
    UsageError
        Where the run has no whole reply, or another run is at work on the thread.
    """
    if run.reply is None or not run.ok:
        raise UsageError(f"run {run.task.number} has no whole reply: {run.error or 'it was not run to its end'}")
    turn = Conversation()
    turn.add_user(Text(run.task.prompt))
    for event in run.reply.events:
        turn.fold(event)
    hold = threads.hold(thread)
    if not hold.take(5.0):
        raise UsageError("another notebook is at work on this thread: adopt the run when it has ended")
    try:
        conversation = threads[thread]
        conversation.repair("not run: the run before this message ended first")
        conversation.messages.extend(turn.messages)
        threads.save(thread)
    finally:
        hold.release()


def cell_of(run: SweepRun, shared: Mapping[str, Any], thread: str = "") -> str:
    """Return the cell that asks what `run` asked: its first line has what is set, the prompt is filled in."""
    words = ["%%assistant"]
    options = {
        "model": shared.get("model"),
        "system": shared.get("instructions"),
        "reasoning": shared.get("reasoning"),
        **{name: value for name, value in run.task.variant.items() if name in OPTIONS},
    }
    words += [f"{_FLAGS[name]} {shlex.quote(str(value))}" for name, value in options.items() if value]
    parameters = {**(shared.get("parameters") or {}), **run.task.parameters}
    words += [f"-p {shlex.quote(f'{name}={_written(value)}')}" for name, value in parameters.items()]
    words += [f"-t {shlex.quote(thread)}"] if thread else []
    return f"{' '.join(words)}\n{run.task.prompt}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
