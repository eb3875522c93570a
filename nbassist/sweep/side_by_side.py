"""Replies side by side, with a word diff or as a blind pair; and which rows are shown, in what order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, cast

from ..core.html_allowlist import inert, seal
from ..display.markdown.block_html import markdown_html
from ..journal.word_diff import apart, diff_words
from .evaluation.measures import different_rows, measure_of, measures, points
from .evaluation.pairs import BlindPairs, Choice
from .run_list import RunList, SweepRun

_CHOICES = {"1": "first", "2": "second", "tie": "tie"}
_ADDED = "background:rgba(40,160,80,.25);text-decoration:none"
_GONE = "background:rgba(220,60,60,.22);text-decoration:line-through"


def reply_html(run: SweepRun) -> str:
    """Return the reply of a run, rendered, and nothing besides."""
    if run.reply is None:
        return seal(f"<p>{inert(run.error or 'not run yet')}</p>")
    return markdown_html(run.text or run.reply.detail)


def beside(runs: RunList, numbers: Sequence[int], *, diff: bool = False) -> list[str]:
    """Return the replies of some runs; with `diff`, each but the first with the words that it has otherwise."""
    chosen = [runs.run(number) for number in numbers]
    if not diff or not chosen:
        return [reply_html(run) for run in chosen]
    first = chosen[0]
    return [reply_html(first), *(_differing(first.text, run.text) for run in chosen[1:])]


def _differing(before: str, after: str) -> str:
    pieces = []
    for kind, text in apart(diff_words(before, after)):
        words = inert(text)
        if kind == "new":
            words = f'<ins style="{_ADDED}">{words}</ins>'
        elif kind == "gone":
            words = f'<del style="{_GONE}">{words}</del>'
        pieces.append(words)
    return seal(f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{"".join(pieces)}</div>')


class BlindTable:
    """Blind pairs as a page shows them: the next two replies, and what there is to say so far."""

    def __init__(self, runs: RunList) -> None:
        self._runs = runs
        self._pairs: BlindPairs | None = None

    def answer(self, choice: str) -> dict[str, Any]:
        """Take `1`, `2`, `tie` or `undo`, and return what is shown next; another choice only shows it."""
        if self._pairs is None or not len(self._pairs):
            self._pairs = BlindPairs(self._runs)
        if choice in _CHOICES and self._pairs.next() is not None:
            self._pairs.choose(cast(Choice, _CHOICES[choice]))
        elif choice == "undo":
            self._pairs.undo()
        pair = self._pairs.next()
        line = self._pairs.line
        if pair is None:
            return {"done": True, "line": line if len(self._pairs) else "there are no two replies that differ"}
        first, second = self._runs.run(pair.first), self._runs.run(pair.second)
        replies = [reply_html(first), reply_html(second)]
        return {"done": False, "line": line, "asked": first.task.input.label, "replies": replies}


FILTERS: Mapping[str, Callable[[SweepRun], bool]] = {
    "failed": lambda run: run.done and not run.ok,
    "check failed": lambda run: any(value is False for value in run.checks.values()),
    "unrated": lambda run: run.ok and points(run.rating) is None,
}
"""What a run has to be for its row to be shown, by name; `different` goes by whole rows."""


def filtered(runs: RunList, rows: Sequence[int], name: str) -> list[int]:
    """Return those of the rows that a filter leaves; all for a name that is none."""
    if name == "different":
        differ = set(different_rows(runs))
        return [row for row in rows if row in differ]
    test = FILTERS.get(name)
    return list(rows) if test is None else [row for row in rows if any(map(test, _row(runs, row)))]


def sorts(runs: RunList) -> list[str]:
    """Return what rows can be sorted by, besides their own order."""
    return [*runs.check_names, *runs.rubric_names, *(one.name for one in measures(runs) if one.name == "rating")]


def ordered(runs: RunList, rows: Sequence[int], by: str) -> list[int]:
    """Return rows with the worst first by a check, a rubric or the rating; as they are for any other name."""
    if by not in sorts(runs):
        return list(rows)
    value = measure_of(runs, by).value

    def worth(row: int) -> float:
        found = [number for run in _row(runs, row) if (number := value(run)) is not None]
        return fmean(map(float, found)) if found else float("inf")

    return sorted(rows, key=worth)


def _row(runs: RunList, row: int) -> Sequence[SweepRun]:
    size = len(runs.plan.variants) * runs.plan.repeat
    return runs.runs[row * size : (row + 1) * size]
