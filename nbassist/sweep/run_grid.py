"""The runs of a sweep as the grid of `nbassist.display.grid.grid`: variants as columns, inputs as rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from ..core.html_allowlist import inert
from ..display.grid.grid import GridCell, Progress, State
from ..display.static.panels import cost_text, seconds_text
from ..display.static.reply import bundle
from .evaluation.intervals import mean_interval
from .evaluation.judge_trust import trust
from .evaluation.measures import agreement, answered, median_of, points, rated, rating_of
from .evaluation.summary_statistics import standing
from .plan import named
from .run_list import RunList, SweepRun, Update
from .side_by_side import BlindTable, beside, filtered, ordered, sorts

_MANY = 1_000  # runs; of more the cost of judging is summed at the end
_QUOTE = "opacity:0.8;white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 6px 0;font-size:12px"


class RunsGrid:
    """What a grid shows of `runs`, or of those on the inputs `rows`; see `nbassist.display.grid.grid.Source`."""

    def __init__(
        self,
        runs: RunList,
        rows: Sequence[int] | None = None,
        rate: Callable[[int, str], None] = lambda number, rating: None,
        act: Callable[[str, int], str] = lambda what, number: "nothing here can do this",
    ) -> None:
        self._act = act
        self._blind = BlindTable(runs)
        self.runs = runs
        self._rate = rate
        self._rows = range(len(runs.plan.inputs)) if rows is None else rows
        plan = runs.plan
        varied = [name for name, values in plan.vary.items() if len(values) > 1]
        self.heads: Sequence[Sequence[str]] = [
            [_head(name, variant[name]) for name in varied] for variant in plan.variants
        ]
        self.labels: Sequence[str] = [plan.inputs[row].label for row in self._rows]
        self._begun = 0.0
        self._running = False
        self._cost: float | None = None
        self._count()
        self._done_before = self._done
        self._writing: dict[int, list[str]] = {}
        self._wait_until, self._wait_for = 0.0, ""
        self._judging = ""

    def begin(self) -> None:
        """The runs begin."""
        self._begun, self._running = time.monotonic(), True

    def apply(self, update: Update) -> None:
        """Take what happened to a run."""
        if update.what == "started":
            self._writing[update.number] = []
        elif update.what == "text" and update.number in self._writing:
            self._writing[update.number].append(update.text)
        elif update.what == "waiting":
            self._wait_until, self._wait_for = time.monotonic() + update.seconds, update.text
        elif update.what == "judging":
            self._judging = update.text
        elif update.what == "ended":
            self._writing.pop(update.number, None)
            run = self.runs[update.number]
            self._done += 1
            self._failed += not run.ok
            self._cached += run.cached
            if self._cost is not None and run.reply is not None:
                self._cost = None if run.reply.cost is None else self._cost + run.reply.cost

    def end(self) -> None:
        """The runs have ended."""
        self._running, self._judging = False, ""
        self._writing.clear()
        self._count()

    def _count(self) -> None:
        touched = self.runs.touched()
        self._done = sum(run.done for run in touched)
        self._failed = sum(run.done and not run.ok for run in touched)
        self._cached = sum(run.cached for run in touched)
        self._cost = _cost(self.runs)

    def cells(self, row: int, column: int) -> Sequence[GridCell]:
        """Return the repeats in a cell."""
        return [self._cell(run) for run in self.runs.cell(self._rows[row], column)]

    def summary(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Return a line for each thing that is known of the columns."""
        count = len(self.heads)
        columns = [self.runs.column(number) for number in range(count)]
        lines: list[tuple[str, list[float | None], Callable[[float], str]]] = [
            ("median time", [median_of(c, _time) for c in columns], seconds_text),
            ("median tokens", [median_of(c, _tokens) for c in columns], lambda n: f"{n:,.0f}"),
            ("median cost", [median_of(c, _price) for c in columns], cost_text),
            ("agreement", [agreement(self.runs, n) for n in range(count)] if self.runs.plan.repeat > 1 else [], _share),
        ]
        found: list[tuple[str, Sequence[str]]] = [
            (name, ["" if value is None else shown(value) for value in values])
            for name, values, shown in lines
            if any(value is not None for value in values)
        ]
        counts = [answered(column) for column in columns]
        if any(usable < made for usable, made in counts):
            found.append(("answered", [f"{usable:,} of {made:,}" if made else "" for usable, made in counts]))
        return found + self._worth(columns)

    def _worth(self, columns: Sequence[list[SweepRun]]) -> list[tuple[str, Sequence[str]]]:
        """Return a line for each check, for ratings, and for each rubric, each mean with its interval by rows."""
        runs = self.runs
        lines: list[tuple[str, Callable[[SweepRun], float | bool | None]]] = [
            *((f"check {name}", _check_of(name)) for name in runs.check_names),
            ("rating", rating_of) if any(rated(column) is not None for column in columns) else ("", _nothing),
            *((name if name == "judge" else f"judge {name}", _score_of(name)) for name in runs.rubric_names),
        ]
        found: list[tuple[str, Sequence[str]]] = []
        for title, value in lines:
            cells = [self._mean(column, value) for column in columns]
            if title and any(cells):
                found.append((title, cells))
        return found

    def _mean(self, column: list[SweepRun], value: Callable[[SweepRun], float | bool | None]) -> str:
        size = self.runs.plan.repeat
        rows = [
            [v for run in column[at : at + size] if (v := value(run)) is not None] for at in range(0, len(column), size)
        ]
        known = [row for row in rows if row]
        if not known:
            return ""
        share = all(isinstance(v, bool) for row in known for v in row)
        mean = mean_interval([fmean(row) for row in known], share=share)
        half = "" if math.isinf(mean.half) else f" ±{100 * mean.half_of_share:.0f}" if share else f" ±{mean.half:.2g}"
        return f"{100 * mean.value:.0f}%{half}" if share else f"{mean.value:.2g}{half}"

    def notes(self) -> Sequence[str]:
        """Return how the columns stand, once all has ended, and what is to be known of that."""
        if self._running:
            return []
        lines: list[str] = []
        several = len(self.runs.plan.variants) > 1
        if several and (self.runs.check_names or self.runs.rubric_names or self._rated):
            found = standing(self.runs, family=self.runs.tried())
            lines.append(f"{found.measure.name}: {found}")
        for rubric in self.runs.rubric_names:
            lines += trust(self.runs, rubric).lines
        return [*lines, *self.runs.warnings]

    @property
    def _rated(self) -> bool:
        return any(run.rating and points(run.rating) is not None for run in self.runs.touched())

    def progress(self) -> Progress:
        """Return how far it is: what is done, failed, from the cache, what it cost, and the time left."""
        total = len(self.runs)
        parts = [f"{self._done:,} of {total:,} done" if self._done < total else f"{total:,} done"]
        parts += [f"{self._failed:,} failed"] if self._failed else []
        parts += [f"{self._cached:,} from the cache"] if self._cached else []
        if not self._running and self._done:
            parts += self._totals()
        parts += [cost_text(self._cost)] if self._cost and self._done else []
        judged = (
            sum(run.judge_cost or 0.0 for run in self.runs.touched()) if total < _MANY or not self._running else 0.0
        )
        parts += [f"judging {cost_text(judged)}"] if judged else []
        parts += [self._judging] if self._judging else []
        return Progress(" · ".join(parts), self._done / max(total, 1), self._running, self._ahead())

    def _totals(self) -> list[str]:
        """Return tokens, and the seconds that the endpoint took, of all runs together."""
        made = self.runs.touched()
        tokens = sum(_tokens(run) or 0 for run in made)
        seconds = sum(_time(run) or 0.0 for run in made)
        return [*([f"{tokens:,} tokens"] if tokens else []), *([seconds_text(seconds)] if seconds else [])]

    def _ahead(self) -> str:
        now, total = time.monotonic(), len(self.runs)
        if not self._running:
            return ""
        if now < self._wait_until:
            return f"all wait {self._wait_until - now:.0f} s: {self._wait_for}"
        if (fresh := self._done - self._done_before) and self._done < total:
            return f"about {_left((now - self._begun) / fresh * (total - self._done))} left"
        return ""

    def filtered(self, name: str) -> list[int]:
        """Return the rows that a filter leaves; see `nbassist.sweep.side_by_side`."""
        return filtered(self.runs, self._rows, name)

    def sorts(self) -> Sequence[str]:
        """Return what rows can be sorted by, besides their own order."""
        return sorts(self.runs)

    def ordered(self, rows: Sequence[int], by: str) -> list[int]:
        """Return rows with the worst first by one of `sorts`."""
        return ordered(self.runs, rows, by)

    def beside(self, numbers: Sequence[int], *, diff: bool) -> list[str]:
        """Return the replies of some runs, rendered; with `diff`, what each says otherwise than the first."""
        return beside(self.runs, numbers, diff=diff)

    def pair(self, choice: str) -> dict[str, Any]:
        """Take a choice between two hidden replies, and return the next two."""
        return self._blind.answer(choice)

    def act(self, what: str, number: int) -> str:
        """Do what a button says."""
        return self._act(what, number)

    def whole(self, number: int) -> str:
        """Return a whole run: its prompt, and the reply with its calls as the cell of a prompt shows it."""
        run = self.runs[number]
        prompt = f'<div style="{_QUOTE}">{inert(run.task.prompt)}</div>'
        if run.reply is None:
            return f"{prompt}<p>{inert(run.error or 'not run yet')}</p>"
        reason = f'<div style="{_QUOTE}">judge: {inert(run.reason)}</div>' if run.reason else ""
        return prompt + reason + bundle(run.reply.events)["text/html"]

    def rate(self, number: int, rating: str) -> None:
        """Take what the person says of a run."""
        self._rate(number, rating)

    def _cell(self, run: SweepRun) -> GridCell:
        number = run.task.number
        if (writing := self._writing.get(number)) is not None:
            return GridCell(number, "running", "".join(writing[:200]))
        if run.reply is None:
            return GridCell(number, "failed" if run.error else "waiting", run.error)
        ended = "" if run.ok else run.reply.finish
        score = " ".join(f"{name} {value:g}" for name, value in run.scores.items())
        took = "from the cache" if run.cached else seconds_text(run.seconds)
        note = " · ".join(filter(None, (ended, score, took)))
        state: State = "done" if run.ok or run.text else "failed"
        return GridCell(number, state, run.text or run.reply.detail, note, run.rating, tuple(run.checks.items()))


def _head(name: str, value: Any) -> str:
    return f"{name} = {named(value)}"


def _nothing(run: SweepRun) -> None:
    return None


def _check_of(name: str) -> Callable[[SweepRun], float | bool | None]:
    return lambda run: run.checks.get(name)


def _score_of(name: str) -> Callable[[SweepRun], float | None]:
    return lambda run: run.scores.get(name)


def _tokens(run: SweepRun) -> int | None:
    usage = run.reply.usage if run.reply else None
    return usage.input_tokens + usage.output_tokens if usage and usage.known else None


def _time(run: SweepRun) -> float | None:
    return None if run.cached else run.seconds or None  # giving it again says nothing of the model


def _price(run: SweepRun) -> float | None:
    return run.reply.cost or None if run.reply else None


def _left(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s" if seconds < 100 else seconds_text(seconds)


def _share(value: float) -> str:
    return f"{value:.0%}"


def _cost(runs: RunList) -> float | None:
    costs = [run.reply.cost for run in runs.touched() if run.reply is not None]
    return None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs)
