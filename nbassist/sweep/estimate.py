"""What a sweep will take, before anything is asked: runs, tokens and money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..events import Usage
from ..messages import Request
from ..prices import dollars
from ..window import tokens_of_request
from .plan import Plan, Task
from .runner import Order, options_of

_OUTPUT = 300  # tokens of an answer, where nothing limits it


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
        Runs, and those of them whose first reply is kept already.
    input_tokens, output_tokens : int
        Of the others, about; answers are taken to be 300 tokens long where nothing limits them.
    cost : float, optional
        US dollars, about; None where a price is not known.
    """

    formula: str
    runs: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost: float | None

    def __str__(self) -> str:
        money = "cost unknown" if self.cost is None else "free" if self.cost == 0 else f"about ${self.cost:.2g}"
        cached = f", {self.cached:,} from the cache" if self.cached else ""
        if self.cached == self.runs:
            return f"{self.formula}{cached}"
        return (
            f"{self.formula}{cached}; about {self.input_tokens:,} tokens to read and {self.output_tokens:,} to write, "
            f"{money}"
        )


def estimate(plan: Plan, order: Order, known: Any = None) -> Estimate:
    """Return what `plan` will take.

    Parameters
    ----------
    plan : Plan
        All its runs count.
    order : Order
        How they will be run.
    known : callable, optional
        Given the keys of requests, returns those whose replies are kept; None for none.
    """
    asked = [_preview(task, order) for task in plan.tasks]
    keys = [key for _, key, _ in asked if key]
    kept = known(keys) if known is not None and keys and order.cache in ("auto", "replay") else set()
    read = written = 0
    cost: float | None = 0.0
    for request, key, free in asked:
        if key and key in kept:
            continue
        tokens = tokens_of_request(request)
        answer = _limit(request)
        read, written = read + tokens, written + answer
        price = 0.0 if free else dollars(request.model, Usage(tokens, answer, known=True))
        cost = None if cost is None or price is None else cost + price
    cached = sum(key in kept for _, key, _ in asked if key)
    return Estimate(plan.formula, len(plan), cached, read, written, cost)


def _preview(task: Task, order: Order) -> tuple[Request, str, bool]:
    asker: Any = order.asker(task.option("profile"))
    request, key = asker.preview(task.prompt, **options_of(task, order))
    return request, key, bool(asker.settings.free)


def _limit(request: Request) -> int:
    for name in ("max_output_tokens", "max_completion_tokens", "max_tokens"):
        value = request.parameters.get(name)
        if isinstance(value, int) and value > 0:
            return min(value, _OUTPUT * 10)
    return _OUTPUT
