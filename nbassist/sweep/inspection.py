"""What a person asks to see of a sweep: a whole run, rows that differ, differences word by word, a plot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.html_allowlist import inert, seal
from ..core.text import clean
from ..display.grid.grid import grid_bundle
from ..display.static.reply import bundle
from ..errors import UsageError
from ..journal.diff import Difference
from ..journal.word_diff import diff_words
from .evaluation.measures import points
from .run_grid import RunsGrid
from .run_list import RunList, SweepRun

_DIFFERENCES = 50  # that are shown; the rest are counted


class SweepDisplay:
    """Something to look at in a cell."""

    def __init__(self, data: Mapping[str, str]) -> None:
        self._bundle = dict(data)

    def __repr__(self) -> str:
        return self._bundle["text/plain"]

    def _repr_html_(self) -> str:
        return self._bundle["text/html"]


def whole(runs: RunList, number: int) -> SweepDisplay:
    """Return a run with its prompt, its reply and its calls."""
    run: SweepRun = runs.run(number)
    about = ", ".join(f"{name} = {value}" for name, value in run.task.variant.items())
    heading = " · ".join(filter(None, (f"run {number}", about, run.task.input.label)))
    plain = bundle(run.reply.events)["text/plain"] if run.reply else run.error or "not run yet"
    html = seal(f"<div><p><strong>{inert(heading)}</strong></p>{RunsGrid(runs).whole(number)}</div>")
    return SweepDisplay({"text/plain": clean(f"{heading}\n\n{run.task.prompt}\n\n{plain}"), "text/html": html})


def grid(runs: RunList, rows: list[int] | None = None) -> SweepDisplay:
    """Return the grid as it stands; with `rows`, only these."""
    return SweepDisplay(grid_bundle(RunsGrid(runs, rows)))


@dataclass(frozen=True, repr=False)
class Differences:
    """What differs between a base variant and the others, on each input.

    Parameters
    ----------
    all : tuple of Difference
        Input by input, variant by variant; what is the same all over is not in it.
    compared : int
        How many pairs of replies were compared.
    """

    all: tuple[Difference, ...]
    compared: int

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Difference:
        return self.all[index]

    def __repr__(self) -> str:
        return "\n\n".join([*(repr(one) for one in self.all[:_DIFFERENCES]), self._rest])

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self.all[:_DIFFERENCES]) + f"<p>{inert(self._rest)}</p>"

    @property
    def _rest(self) -> str:
        more = len(self.all) - _DIFFERENCES
        shown = f"; the first {_DIFFERENCES} are shown" if more > 0 else ""
        return f"{len(self.all):,} of {self.compared:,} differ{shown}"


def differences(runs: RunList, base: int = 0, row: int | None = None) -> Differences:
    """Compare each variant with variant `base`, word by word: the replies, the prompts, and what was set.

    Parameters
    ----------
    runs : RunList
        The first repeats are compared; with one variant alone, its repeats with the first of them.
    base : int
        The variant, by its number.
    row : int, optional
        Only this input, by its number.
    """
    variants = range(len(runs.plan.variants))
    if base not in variants:
        raise UsageError(f"there is no variant {base}: there are {len(variants)}, from 0")
    if row is not None and row not in range(len(runs.plan.inputs)):
        raise UsageError(f"there is no input {row}: there are {len(runs.plan.inputs)}, from 0")
    pairs: list[tuple[SweepRun, SweepRun]] = []
    for number in range(len(runs.plan.inputs)) if row is None else [row]:
        first, *repeats = runs.cell(number, base)
        others = [runs.cell(number, one)[0] for one in variants if one != base] or repeats
        pairs += [(first, other) for other in others if first.reply is not None and other.reply is not None]
    found = (_difference(first, second) for first, second in pairs)
    return Differences(tuple(one for one in found if one is not None), len(pairs))


def _difference(first: SweepRun, second: SweepRun) -> Difference | None:
    if first.text == second.text:
        return None
    before, after = first.task, second.task
    texts = [
        ("prompt", before.prompt, after.prompt),
        ("set", _set(before.variant), _set(after.variant)),
        ("reply", first.text, second.text),
    ]
    parts = tuple((name, tuple(diff_words(old, new))) for name, old, new in texts if old != new)
    label = f" · {before.input.label}" if before.input.label else ""
    return Difference(f"run {before.number} → run {after.number}{label}", parts)


def _set(variant: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {json.dumps(value, ensure_ascii=False, default=str)}" for name, value in variant.items()
    )


_MEASURES: Mapping[str, Callable[[SweepRun], Any]] = {
    "rating": lambda run: points(run.rating),
    "score": lambda run: run.score,
    "seconds": lambda run: run.seconds or None,
    "tokens": lambda run: run.reply.usage.output_tokens if run.reply and run.reply.usage.known else None,
    "cost": lambda run: run.reply.cost if run.reply else None,
    "length": lambda run: len(run.text) if run.ok else None,
}


def plot(runs: RunList, what: str = "") -> Any:
    """Draw one measure by variant, a dot for each run and a line at the median; return the axes of Matplotlib.

    Parameters
    ----------
    runs : RunList
        What is drawn.
    what : str
        `rating`, `score`, `seconds`, `tokens`, `cost` or `length`; by default the first of ratings, scores and
        lengths that there is.
    """
    if what and what not in _MEASURES:
        raise UsageError(f"there is nothing called {what!r} to draw; there are {', '.join(_MEASURES)}")
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise UsageError(f"a plot needs Matplotlib: pip install matplotlib ({error})") from error

    what = what or next(
        (m for m in ("rating", "score") if any(_MEASURES[m](run) is not None for run in runs)), "length"
    )
    names = ["\n".join(head) or "reply" for head in RunsGrid(runs).heads]
    columns = [
        [value for run in runs.column(number) if (value := _MEASURES[what](run)) is not None]
        for number in range(len(names))
    ]
    _, axes = plt.subplots(figsize=(max(4.0, 1.4 * len(names)), 3.2), layout="constrained")
    for place, values in enumerate(columns):
        spread = [place + 0.24 * ((number * 0.618) % 1 - 0.5) for number in range(len(values))]
        axes.plot(spread, values, "o", alpha=0.45, markersize=4)
    filled = [(place, values) for place, values in enumerate(columns) if values]
    if filled:
        axes.boxplot([values for _, values in filled], positions=[place for place, _ in filled], showfliers=False)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(
        {"length": "characters", "seconds": "seconds", "tokens": "tokens written", "cost": "US dollars"}.get(what, what)
    )
    axes.spines[["top", "right"]].set_visible(False)
    return axes
