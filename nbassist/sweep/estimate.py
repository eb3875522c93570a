"""What a sweep will take, before anything is asked: runs, tokens and money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from ..config.prices import dollars
from ..core.events import Usage
from ..core.messages import Request
from ..run.context_window import tokens_of_request
from .plan import Plan, Task
from .runner import SweepSpec, options_of

_OUTPUT = 300  # tokens of an answer, where nothing is known of it
_VERDICT = 60  # tokens of a judge's
_FRAME = 400  # characters of what a judge is told around the rest
_SAMPLE = 2_000  # runs that are looked at


class Previewer(Protocol):
    """What can tell a request without sending it: see `nbassist.Assistant`."""

    settings: Any

    def preview(self, prompt: str, **options: Any) -> tuple[Request, str]: ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sweep will take.

    Parameters
    ----------
    formula : str
        How many runs there are, and why.
    runs, cached : int
        Runs, and those of them whose first reply is kept already; about, in a plan of which a sample was looked at.
    input_tokens, output_tokens : int
        Of the others, about; answers are taken to be as long as the model's last ones, else 300 tokens.
    cost : float, optional
        US dollars, about; None where a price is not known.
    verdicts : int
        What a judge is asked, at most: equal replies are judged once. Their tokens and cost are in the others.
    """

    formula: str
    runs: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    verdicts: int = 0

    @property
    def calls(self) -> int:
        """What will be asked, at most."""
        return self.runs - self.cached + self.verdicts

    def __str__(self) -> str:
        money = "cost unknown" if self.cost is None else "free" if self.cost == 0 else f"about ${self.cost:.2g}"
        cached = f", {self.cached:,} from the cache" if self.cached else ""
        judged = f", up to {self.verdicts:,} verdicts of a judge" if self.verdicts else ""
        if self.cached == self.runs and not self.verdicts:
            return f"{self.formula}{cached}"
        return (
            f"{self.formula}{cached}{judged}; about {self.input_tokens:,} tokens to read and {self.output_tokens:,} to "
            f"write, {money}"
        )


@dataclass(frozen=True)
class JudgeLoad:
    """What a judge will be asked of each run: its model, and the length of its rubrics in characters."""

    model: str
    rubrics: tuple[int, ...]


def estimate(
    plan: Plan,
    order: SweepSpec,
    known: Any = None,
    *,
    written: Callable[[str], float] = lambda model: 0.0,
    judging: JudgeLoad | None = None,
) -> Estimate:
    """Return what `plan` will take.

    Parameters
    ----------
    plan : Plan
        All its runs count; of a large one a sample is looked at, spread over all of it.
    order : SweepSpec
        How they will be run.
    known : callable, optional
        Given the keys of requests, returns those whose replies are kept; None for none.
    written : callable
        From a model to the tokens of its earlier answers, in the mean; 0 where that is not known.
    judging : JudgeLoad, optional
        What a judge is asked besides.
    """
    # Spread over the whole plan: its first rows may be short, and all of one column.
    step = max(1, -(-len(plan) // _SAMPLE))
    asked = [_preview(plan.tasks[number], order) for number in range(0, len(plan), step)]
    keys = [key for _, key, _ in asked if key]
    kept = known(keys) if known is not None and keys and order.cache in ("auto", "replay") else set()
    total = _Total(written, kept)
    for request, key, free in asked:
        total.take(request, key, free)
        for rubric in judging.rubrics if judging else ():
            total.judge(request, judging.model or request.model if judging else "", rubric, free)
    scale = len(plan) / max(len(asked), 1)
    cost = None if total.cost is None else total.cost * scale
    verdicts = len(plan) * len(judging.rubrics) if judging else 0
    return Estimate(
        plan.formula,
        len(plan),
        round(total.cached * scale),
        round(total.read * scale),
        round(total.wrote * scale),
        cost,
        verdicts,
    )


class _Total:
    """Adds up what requests take."""

    def __init__(self, written: Callable[[str], float], kept: set[str]) -> None:
        self.read = self.wrote = self.cached = 0
        self.cost: float | None = 0.0
        self._written = cache(written)  # each is a look into the journal
        self._kept = kept

    def take(self, request: Request, key: str, free: bool) -> None:
        if key and key in self._kept:
            self.cached += 1
            return
        self._add(request.model, tokens_of_request(request), self._answer(request), free)

    def judge(self, request: Request, model: str, rubric: int, free: bool) -> None:
        asked = sum(len(message.said) for message in request.messages) + len(request.instructions)
        self._add(model, (_FRAME + rubric + asked) // 4 + self._answer(request), _VERDICT, free)

    def _add(self, model: str, read: int, wrote: int, free: bool) -> None:
        self.read, self.wrote = self.read + read, self.wrote + wrote
        price = 0.0 if free else dollars(model, Usage(read, wrote, known=True))
        self.cost = None if self.cost is None or price is None else self.cost + price

    def _answer(self, request: Request) -> int:
        usual = round(self._written(request.model)) or _OUTPUT
        for name in ("max_output_tokens", "max_completion_tokens", "max_tokens"):
            value = request.parameters.get(name)
            if isinstance(value, int) and value > 0:
                # The limit is what it may write at most, not what it will: a usual answer ends before.
                return min(value, usual if self._written(request.model) else _OUTPUT * 10)
        return usual


def _preview(task: Task, order: SweepSpec) -> tuple[Request, str, bool]:
    asker: Any = order.asker(task.option("profile"))
    request, key = asker.preview(task.prompt, **options_of(task, order))
    return request, key, bool(asker.settings.free)
