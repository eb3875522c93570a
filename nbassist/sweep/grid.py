"""The runs of a sweep as the grid of `nbassist.display.grid`: variants as columns, inputs as rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from ..display.footer import cost_text, seconds_text
from ..display.grid import GridCell, Progress
from ..display.static import bundle
from .columns import agreement, different_rows, median_of, passed, rated, scored
from .onerun import Run
from .runlist import RunList
from .updates import Update

_MANY = 1_000  # runs; of more the cost of judging is summed at the end
_QUOTE = "opacity:0.8;white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 6px 0;font-size:12px"


class RunsGrid:
    """What a grid shows of `runs`, or of those on the inputs `rows`; see `nbassist.display.grid.Source`."""

    def __init__(
        self,
        runs: RunList,
        rows: Sequence[int] | None = None,
        rate: Callable[[int, str], None] = lambda number, rating: None,
    ) -> None:
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
        self._done = sum(run.done for run in runs)
        self._done_before = self._done
        self._failed = sum(bool(run.error) for run in runs)
        self._cached = sum(run.cached for run in runs)
        self._cost = _cost(runs)
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
            self._failed += bool(run.error)
            self._cached += run.cached
            if self._cost is not None and run.reply is not None:
                self._cost = None if run.reply.cost is None else self._cost + run.reply.cost

    def end(self) -> None:
        """The runs have ended."""
        self._running, self._judging = False, ""
        self._writing.clear()
        self._done = sum(run.done for run in self.runs)
        self._failed = sum(bool(run.error) for run in self.runs)

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
            *((f"check {name}", [passed(c, name) for c in columns], _share) for name in self.runs.check_names),
            ("rating", [rated(c) for c in columns], lambda n: f"{n:.2g}"),
            ("judge", [scored(c) for c in columns], lambda n: f"{n:.2g}"),
        ]
        return [
            (name, ["" if value is None else shown(value) for value in values])
            for name, values, shown in lines
            if any(value is not None for value in values)
        ]

    def progress(self) -> Progress:
        """Return how far it is: what is done, failed, from the cache, what it cost, and the time left."""
        total = len(self.runs)
        parts = [f"{self._done:,} of {total:,} done" if self._done < total else f"{total:,} done"]
        parts += [f"{self._failed:,} failed"] if self._failed else []
        parts += [f"{self._cached:,} from the cache"] if self._cached else []
        parts += [cost_text(self._cost)] if self._cost and self._done else []
        judged = sum(run.judge_cost or 0.0 for run in self.runs) if total < _MANY or not self._running else 0.0
        parts += [f"judging {cost_text(judged)}"] if judged else []
        parts += [self._judging] if self._judging else []
        return Progress(" · ".join(parts), self._done / max(total, 1), self._running, self._ahead())

    def _ahead(self) -> str:
        now, total = time.monotonic(), len(self.runs)
        if not self._running:
            return ""
        if now < self._wait_until:
            return f"all wait {self._wait_until - now:.0f} s: {self._wait_for}"
        if (fresh := self._done - self._done_before) and self._done < total:
            return f"about {_left((now - self._begun) / fresh * (total - self._done))} left"
        return ""

    def different(self) -> list[int]:
        """Return the rows in which not all runs say the same."""
        return different_rows(self.runs)

    def whole(self, number: int) -> str:
        """Return a whole run: its prompt, and the reply with its calls as the cell of a prompt shows it."""
        run = self.runs[number]
        prompt = f'<div style="{_QUOTE}">{escape(run.task.prompt)}</div>'.replace("$", "<span>$</span>")
        if run.reply is None:
            return f"{prompt}<p>{escape(run.error or 'not run yet')}</p>"
        reason = f'<div style="{_QUOTE}">judge: {escape(run.reason)}</div>' if run.reason else ""
        return prompt + reason + bundle(run.reply.events)["text/html"]

    def rate(self, number: int, rating: str) -> None:
        """Take what the person says of a run."""
        self._rate(number, rating)

    def _cell(self, run: Run) -> GridCell:
        number = run.task.number
        if (writing := self._writing.get(number)) is not None:
            return GridCell(number, "running", "".join(writing[:200]))
        if run.reply is None:
            return GridCell(number, "failed" if run.error else "waiting", run.error)
        ended = "" if run.ok else run.reply.finish
        failed = [f"not {name}" for name, ok in run.checks.items() if not ok]
        score = "" if run.score is None else f"judge {run.score:g}"
        took = "from the cache" if run.cached else seconds_text(run.seconds)
        note = " · ".join(filter(None, (ended, *failed, score, took)))
        return GridCell(number, "done", run.text or run.reply.detail, note, run.rating)


def _head(name: str, value: Any) -> str:
    return f"{name} = {value}"


def _tokens(run: Run) -> int | None:
    usage = run.reply.usage if run.reply else None
    return usage.input_tokens + usage.output_tokens if usage and usage.known else None


def _time(run: Run) -> float | None:
    return None if run.cached else run.seconds or None  # giving it again says nothing of the model


def _price(run: Run) -> float | None:
    return run.reply.cost or None if run.reply else None


def _left(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s" if seconds < 100 else seconds_text(seconds)


def _share(value: float) -> str:
    return f"{value:.0%}"


def _cost(runs: RunList) -> float | None:
    costs = [run.reply.cost for run in runs if run.reply is not None]
    return None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs)
