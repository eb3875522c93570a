"""What a sweep says, held against known truth: false winners, power, coverage, and the requests of --best-of.

    python benchmarks/certainty.py [--quick] [--only winners|coverage|halving]

Each figure comes from sweeps whose wordings are right in a known share of inputs; some inputs are hard for all
wordings, so that rows are alike and repeats too. `winners` and `coverage` fill the runs in by hand, and ask `Runs.best`
as a person does; `halving` asks a scripted model through `Sweep`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from nbassist import Assistant
from nbassist.core.events import Event, TextDelta, TurnEnded, TurnStarted, Usage
from nbassist.core.messages import Request
from nbassist.reply import Reply
from nbassist.sweep import Runs, Sweep, make_plan
from nbassist.sweep.evaluation.intervals import mean_interval
from nbassist.sweep.view import make_sweep_view, run_and_judge

_REPLY = Reply("yes")


def chances(shares: Sequence[float], draw: random.Random) -> list[float]:
    """Return the chance of each wording on one input, whose mean over inputs is its share."""
    level = draw.random()  # how hard the input is, the same for all wordings
    return [1.0 if level < share * 0.7 else (share * 0.3 / (1 - share * 0.7)) for share in shares]


def swept(shares: Sequence[float], rows: int, repeats: int, draw: random.Random, plans: dict[Any, Any]) -> Runs:
    """Return the runs of a sweep, checked, whose wordings are right in these shares of inputs."""
    key = (len(shares), rows, repeats)
    if key not in plans:
        wordings = " | ".join(repr(f"wording {number}") for number in range(len(shares)))
        plans[key] = make_plan(f"{{{{ alt: {wordings} }}}} {{{{ item }}}}", over=range(rows), repeat=repeats)
    runs = Runs(plans[key])
    found = iter(runs)
    for _ in range(rows):
        for chance in chances(shares, draw):
            for _ in range(repeats):
                run = next(found)
                run.reply = _REPLY
                run.checks["right"] = draw.random() < chance
    return runs


def winners(times: int) -> list[tuple[str, str, float, str]]:
    """Return how often there is a leader, a false winner, and the true one, in per cent of sweeps."""
    plans: dict[Any, Any] = {}
    lines = []
    for title, shares, rows, repeats in (
        ("2 equal wordings, 40 × 3", [0.77] * 2, 40, 3),
        ("12 equal wordings, 40 × 3", [0.77] * 12, 40, 3),
        (".752, .803, .760 right, 40 × 3", [0.752, 0.803, 0.760], 40, 3),
        (".752, .803, .760 right, 400 × 3", [0.752, 0.803, 0.760], 400, 3),
        (".60, .80 right, 100 × 1", [0.60, 0.80], 100, 1),
    ):
        draw = random.Random(title)
        truth = max(range(len(shares)), key=shares.__getitem__)
        equal = len(set(shares)) == 1
        led = first = named = false = 0
        count = max(20, times // (10 if rows > 100 else 3 if len(shares) > 3 else 1))
        for _ in range(count):
            runs = swept(shares, rows, repeats, draw, plans)
            found = runs.best()
            means = [statistics.fmean(run.checks["right"] for run in runs.column(c)) for c in range(len(shares))]
            led += max(means) > sorted(means)[-2]
            first += found.number == truth
            named += found.told
            false += found.told and (equal or found.number != truth)
        lines.append((title, "a column leads", led / count, f"of {count}"))
        lines.append((title, "a false winner is named", false / count, ""))
        if not equal:
            lines.append((title, "the best leads", first / count, ""))
            lines.append((title, "the best is named the winner", (named - false) / count, ""))
    return lines


def coverage(times: int) -> list[tuple[str, str, float, str]]:
    """Return how often a mean's interval holds the truth: by rows, and with repeats taken for rows."""
    lines = []
    for repeats in (3, 10):
        draw = random.Random(repeats)
        by_rows = by_runs = 0
        share = 0.77
        for _ in range(times):
            rows = []
            for _ in range(40):
                (chance,) = chances([share], draw)
                rows.append([float(draw.random() < chance) for _ in range(repeats)])
            mine = mean_interval([statistics.fmean(row) for row in rows], share=True)
            other = mean_interval([value for row in rows for value in row], share=True)
            by_rows += mine.low <= share <= mine.high
            by_runs += other.low <= share <= other.high
        title = f"40 × {repeats}, of {times}"
        lines.append((title, "the interval by rows holds the truth", by_rows / times, ""))
        lines.append((title, "with repeats taken for rows", by_runs / times, ""))
    return lines


class Scripted:
    """A model whose wordings are right in known shares of inputs."""

    name = "model"

    def __init__(self, shares: Sequence[float], seed: int) -> None:
        self.shares = shares
        self.seed = seed
        self.asked = 0

    async def astream(self, request: Request) -> AsyncIterator[Event]:
        self.asked += 1
        wording, row = (int(word) for word in request.messages[-1].text.split()[1:])
        chance = chances(self.shares, random.Random(f"{self.seed} {row}"))[wording]
        right = random.Random(f"{self.seed} {row} {wording}").random() < chance
        yield TurnStarted()
        yield TextDelta("yes" if right else "no")
        yield TurnEnded("stop", Usage(1, 1, known=True))

    def cancel(self, cursor: Any, *, forget: bool = False) -> dict[str, str]:
        return {}

    def models(self) -> list[str]:
        return []


def halving(times: int, rows: int) -> list[tuple[str, str, float, str]]:
    """Return how often the best of eight wordings is chosen, and by how many requests: by halving, and with all."""
    shares = [0.60, 0.62, 0.64, 0.66, 0.68, 0.70, 0.72, 0.80]
    wordings = " | ".join(repr(f"wording {number}") for number in range(len(shares)))
    lines = []
    for title, best_of in (("uniform", False), ("--best-of", True)):
        right, asked = 0, []
        for seed in range(times):
            model = Scripted(shares, seed)
            made = Sweep(
                Assistant(backend=model),  # type: ignore[arg-type]
                f"{{{{ alt: {wordings} }}}} {{{{ item }}}}",
                over=range(rows),
                jobs=64,
                cache="off",
            )
            runs = run_and_judge(made, make_sweep_view("none"), ["right: text == 'yes'"], best_of=best_of)
            right += runs.best().number == len(shares) - 1
            asked.append(model.asked)
        name = f"8 wordings, {rows} rows"
        lines.append((name, f"{title} puts the best first", right / times, f"{statistics.fmean(asked):,.0f} requests"))
    return lines


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sweeps")
    parser.add_argument("--only", choices=("winners", "coverage", "halving"))
    said = parser.parse_args()
    began = time.monotonic()
    parts = {
        "winners": lambda: winners(100 if said.quick else 1000),
        "coverage": lambda: coverage(300 if said.quick else 3000),
        "halving": lambda: halving(3 if said.quick else 30, 100 if said.quick else 400),
    }
    false: list[float] = []
    for name, part in parts.items():
        if said.only in (None, name):
            for title, what, value, more in part():
                print(f"{title:34} {what:38} {value:7.1%}  {more}".rstrip())
                false += [value] if what == "a false winner is named" else []
    print(f"{time.monotonic() - began:.0f} s")
    if false and max(false) > 0.08:
        sys.exit(f"a false winner is named in {max(false):.1%}")


if __name__ == "__main__":
    main()
