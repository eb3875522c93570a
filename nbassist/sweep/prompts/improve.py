"""`improve`: a model proposes new wordings from what failed; half of the rows are locked away until the end.

In the manner of reflective prompt evolution (GEPA, Agrawal et al. 2025): a proposal comes from reading failures, and
the best on the open rows is the parent of the next. Choosing on rows makes them look better than they are, so that only
the gain on those that were locked away is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from ...context.prompt import Prompt
from ...core.html_allowlist import inert, seal
from ...display.grid.grid import grid_bundle
from ...errors import UsageError
from ...journal.diff import Difference
from ...journal.word_diff import diff_words
from ..evaluation.intervals import FEWEST, LEVEL, Comparison, mean_interval, paired
from ..evaluation.measures import measure_of
from ..plan import Task
from ..run_grid import RunsGrid
from ..run_list import RunList, SweepRun

_SHOWN = 6  # failures that the model reads
_REFUSED = 4  # earlier proposals that it reads
_LONG = 1_200  # characters of each part of one
_ASK = """You improve a prompt. Here is how it is now; {{{{ … }}}} in it is filled in for each input, and must stay:

<prompt>
{prompt}
</prompt>

Where it did worst:
{failures}
{refused}{notes}
Say in one sentence what you change and why. Then write between <prompt> and </prompt> a new version of the whole prompt
that would do better on inputs like these, without naming any of them. Keep {fields} in it as it stands."""


@dataclass(frozen=True, repr=False)
class Improvement:
    """What came of `improve`.

    Parameters
    ----------
    base, best : Prompt
        The wording that it began with, and the one that was best on the open rows; the same where none was better.
    tried : tuple of Prompt
        All proposals, in order, each with its parent.
    why : dict of str to str
        What the model said of each, by its hash.
    gain : Comparison
        By how much `best` is better on the rows that were locked away.
    rows, locked : int
        Inputs that were open, and that were locked away.
    runs : RunList
        What each wording did on the open rows, as columns: the one that it began with, then the proposals in order.
    """

    base: Prompt
    best: Prompt
    tried: tuple[Prompt, ...]
    why: dict[str, str]
    gain: Comparison
    rows: int
    locked: int
    runs: RunList

    @property
    def told(self) -> bool:
        """Whether the gain is shown, and not chance."""
        return self.gain.interval.value > 0 and self.gain.interval.n >= FEWEST and self.gain.p < 1 - LEVEL

    def diff(self) -> Difference:
        """Return what the best wording says otherwise than the one that it began with."""
        return Difference(
            f"{self.base.name} → {self.best.name}", (("prompt", tuple(diff_words(self.base, self.best))),)
        )

    def changes(self) -> tuple[Difference, ...]:
        """Return what each proposal says otherwise than its parent, with what the model said of it."""
        known = {prompt.hash: prompt for prompt in (self.base, *self.tried)}
        return tuple(
            Difference(
                f"{known[new.parent].name} → {new.name}: {self.why[new.hash]}",
                (("prompt", tuple(diff_words(known[new.parent], new))),),
            )
            for new in self.tried
        )

    def __repr__(self) -> str:
        if self.best.hash == self.base.hash:
            if not self.tried:
                return "the model proposed no other wording"
            return f"none of {len(self.tried)} proposals was better than {self.base.name} on {self.rows} open rows"
        gain = self.gain.interval
        half = f" ±{gain.half:.2g}" if gain.half != float("inf") else ""
        verdict = "better" if self.told else "not told apart"
        return (
            f"{self.best.name}, the best of {len(self.tried)} proposals, gains {gain.value:+.2g}{half} on the "
            f"{self.locked} rows that were locked away: {verdict}"
        )

    def _repr_html_(self) -> str:
        # The grid and the differences come out of their own seals.
        shown = [grid_bundle(RunsGrid(self.runs))["text/html"], *(one._repr_html_() for one in self.changes())]
        return seal(f"<p>{inert(repr(self))}</p>") + "".join(shown)


def improve(
    base: Prompt,
    rows: int,
    sweep: Callable[[Sequence[Prompt], Sequence[int]], RunList],
    propose: Callable[[str], tuple[str, str]],
    *,
    by: str = "",
    rounds: int = 3,
    notes: str = "",
    seed: int = 0,
) -> Improvement:
    """Propose, try and choose on one half of the rows, and hold the result against the other.

    Parameters
    ----------
    base : Prompt
        The wording to begin with.
    rows : int
        How many inputs there are.
    sweep : callable
        Asks wordings on some rows, by their numbers; returns the runs, checked and judged.
    propose : callable
        Given what a model is asked, returns its new wording and what it said of it.
    by : str
        What to go by; see `nbassist.sweep.evaluation.measures.measure_of`.
    rounds : int
        Proposals.
    notes : str
        What the person thinks is wrong.
    seed : int
        Of the choice of the rows that are locked away.

    Raises
    ------
    UsageError
        Where there are fewer than four rows.
    """
    if rows < 4:
        raise UsageError(f"to improve a prompt needs at least four rows, half of them locked away; there are {rows}")
    # Drawn, since rows may be sorted; by a seed, so that a second call opens none of those that were locked away.
    order = list(range(rows))
    Random(seed).shuffle(order)
    locked, open_ = sorted(order[: rows // 2]), sorted(order[rows // 2 :])
    best, why = base, dict[str, str]()
    tried: list[Prompt] = []
    runs = sweep([base], open_)
    columns = [runs]
    best_worth = _mean(runs, 0, by)
    refused: list[str] = []  # what was proposed for the best of now, and did not better it
    for number in range(1, rounds + 1):
        text, said = propose(_question(best, runs, by, notes, refused))
        text = _with_fields(best, text.strip())
        if text in ("", *map(str, tried), str(base)):
            refused.append(text)
            continue
        new = best.child(text, f"{base.name} v{number}")
        tried.append(new)
        why[new.hash] = said
        candidate = sweep([new], open_)
        columns.append(candidate)
        if (worth := _mean(candidate, 0, by)) > best_worth:
            best, best_worth, runs, refused = new, worth, candidate, []
        else:
            refused.append(str(new))
    shown = beside_each_other([base, *tried], columns)
    if best is base:
        return Improvement(base, base, tuple(tried), why, paired([0.0], [0.0]), len(open_), len(locked), shown)
    # Both anew on rows that chose nothing: the best of many on the open rows is best there by luck as well.
    final = sweep([base, best], locked)
    measure = measure_of(final, by)
    gain = paired(_rows(final, 0, by), _rows(final, 1, by), share=measure.share)
    return Improvement(base, best, tuple(tried), why, gain, len(open_), len(locked), shown)


def beside_each_other(prompts: Sequence[Prompt], columns: Sequence[RunList]) -> RunList:
    """Return runs of one wording each, on the same rows, as the columns of one list; nothing is asked.

    Parameters
    ----------
    prompts : sequence of Prompt
        The wordings.
    columns : sequence of RunList
        What each did; all with the same inputs and repeats, and nothing else varied.
    """
    first = columns[0].plan
    vary = {**first.vary, "prompt": tuple(prompts)}
    tasks: list[Task] = []
    made: list[SweepRun] = []
    for row in range(len(first.inputs)):
        for prompt, runs in zip(prompts, columns, strict=True):
            for run in runs.cell(row, 0):
                variant = {**run.task.variant, "prompt": prompt}
                tasks.append(replace(run.task, number=len(tasks), variant=variant))
                made.append(replace(run, task=tasks[-1]))
    found = RunList(replace(first, vary=vary, tasks=tasks, alternatives=("prompt",)))
    found.runs = made
    return found


def _rows(runs: RunList, column: int, by: str) -> list[float]:
    value = measure_of(runs, by).value
    found = []
    for row in range(len(runs.plan.inputs)):
        values = [float(worth) for run in runs.cell(row, column) if (worth := value(run)) is not None]
        found.append(sum(values) / len(values) if values else 0.0)
    return found


def _mean(runs: RunList, column: int, by: str) -> float:
    return mean_interval(_rows(runs, column, by)).value


def _question(prompt: Prompt, runs: RunList, by: str, notes: str, refused: Sequence[str]) -> str:
    """Return what a model is asked; after each proposal that was refused, it reads the next few failures."""
    value = measure_of(runs, by).value
    worth = {run.task.number: float(value(run) or 0.0) for run in runs if run.done}
    made = sorted((run for run in runs if run.done), key=lambda run: (worth[run.task.number], run.task.number))
    worst = [run for run in made if worth[run.task.number] < max(worth.values())] or made
    start = len(refused) * _SHOWN % len(worst)
    failures = "\n\n".join(map(_failure, (worst[start:] + worst[:start])[:_SHOWN]))
    before = "\n".join(f"<tried>\n{text[:_LONG]}\n</tried>" for text in refused[-_REFUSED:] if text)
    before = f"\nTried already, and no better:\n{before}\n" if before else ""
    said = f"\nWhat the person says of it:\n{notes}\n" if notes else ""
    fields = ", ".join(_fields(prompt)) or "it"
    return _ASK.format(prompt=prompt, failures=failures, refused=before, notes=said, fields=fields)


def _failure(run: SweepRun) -> str:
    wrong = [name for name, value in run.checks.items() if value is False]
    lines = [
        f"Input: {str(run.task.input.value)[:_LONG]}",
        f"Reply: {(run.text or run.error or 'none')[:_LONG]}",
        *([f"Not true of it: {', '.join(wrong)}"] if wrong else []),
        *([f"The judge says: {run.reason}"] if run.reason else []),
        *([f"The person says: {run.rating}"] if run.rating else []),
    ]
    return "\n".join(lines)


def _fields(prompt: str) -> list[str]:
    return re.findall(r"\{\{.+?\}\}", prompt, re.DOTALL)


def _with_fields(before: str, after: str) -> str:
    """Return a proposal with what is filled in; a model that left it out meant its words to stand before it."""
    lost = [field for field in dict.fromkeys(_fields(before)) if field not in after]
    return "\n\n".join([after, *lost]) if after else ""


def read_proposal(reply: str) -> tuple[str, str]:
    """Return the wording that a model proposed, and what it said of it; empty where there is none."""
    # Tags and no JSON: a prompt is many lines, and a small model gives the schema back in place of an object.
    said = reply.partition("<prompt>")[0]
    # The last, for some speak of the tags before they write them.
    wording = reply.rpartition("<prompt>")[2].partition("</prompt>")[0] if "<prompt>" in reply else ""
    return wording.strip(), " ".join(said.split())
