"""What a run takes while it goes on: tokens a second, money so far, and a budget that is not to be passed.

Endpoints count tokens at the end of a turn. Until then they are estimated from the text, and what was estimated gives
way to what was counted; what is never counted stays at its estimate, and is never nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..core.events import (
    Event,
    ImageReady,
    ReasoningDelta,
    RefusalDelta,
    ServerToolEvent,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    TurnEnded,
    TurnStarted,
    Usage,
)
from ..core.messages import Request
from ..errors import BudgetError
from .context_window import tokens_of_request

_BYTES = 4.0  # of UTF-8 in a token, about; see `context_window`
_ANSWER = 300  # tokens of an answer, where the request has no limit of its own
_LIMITS = ("max_output_tokens", "max_completion_tokens", "max_tokens")
_AFTER_A_THOUGHT = (
    *(TextDelta, RefusalDelta, ToolCallStarted, ToolArgumentsDelta, ToolCallReady),
    *(ServerToolEvent, ImageReady, TurnEnded),
)
Price = Callable[[str, Usage], float | None]


class Budget:
    """What may be spent, and what has been; shared by all runs that it is for, on any thread.

    Parameters
    ----------
    limit : float
        US dollars; 0 for none.
    """

    def __init__(self, limit: float = 0.0) -> None:
        self.limit = limit
        self._spent = 0.0
        self._open: dict[int, float] = {}
        self._lock = threading.Lock()

    @property
    def spent(self) -> float:
        """US dollars, those of runs that go on, and what is set aside for their answers, among them."""
        with self._lock:
            return self._spent + sum(self._open.values())

    def reserve(self, run: int, cost: float, more: float) -> None:
        """Set `more` aside for the next request of a run that has cost `cost` so far.

        Raises
        ------
        BudgetError
            Where it would pass the limit; nothing is set aside then.
        """
        with self._lock:
            others = self._spent + sum(open_ for one, open_ in self._open.items() if one != run)
            if self.limit and others + cost + more > self.limit:
                raise BudgetError(
                    f"the budget of ${self.limit:.2f} would be passed: ${others + cost:.4f} is spent, and the next "
                    f"request takes about ${more:.4f}; raise it by %config NbAssist.budget"
                )
            self._open[run] = cost + more

    def note(self, run: int, cost: float) -> None:
        """Take what a run has cost so far.

        Raises
        ------
        BudgetError
            Where the limit is reached.
        """
        with self._lock:
            self._open[run] = max(self._open.get(run, 0.0), cost)
            whole = self._spent + sum(self._open.values())
        if self.limit and cost > 0 and whole > self.limit:
            raise BudgetError(
                f"stopped at the budget of ${self.limit:.2f}: what came is kept; raise it by %config NbAssist.budget"
            )

    def settle(self, run: int, cost: float | None) -> None:
        """Take what a run has cost in all, None where nobody will say; what was set aside for it counts then."""
        with self._lock:
            aside = self._open.pop(run, 0.0)
            self._spent += aside if cost is None else cost


class Paid(Budget):
    """Counts what was asked another way, and is paid for already: of that nothing can be stopped.

    Parameters
    ----------
    whole : Budget
        What it is counted in.
    """

    def __init__(self, whole: Budget) -> None:
        super().__init__()
        self._whole = whole

    def settle(self, run: int, cost: float | None) -> None:
        """Take what a run has cost in all."""
        self._whole.settle(run, cost)


def cost_ahead(request: Request, model: str, price: Price, limit: float) -> float:
    """Return the US dollars that a request and its answer are expected to take.

    Parameters
    ----------
    request : Request
        An answer is as long as it allows, or else of 300 tokens.
    model : str
        What is asked where the request names none; empty for the endpoint's own choice.
    price : callable
        From a model and usage to US dollars; None where unknown.
    limit : float
        Of the budget that it is for, in US dollars.

    Raises
    ------
    BudgetError
        Where the price is not known, so that no budget can be held.
    """
    model = request.model or model
    answer = next((n for name in _LIMITS if isinstance(n := request.parameters.get(name), int) and n > 0), _ANSWER)
    cost = price(model, Usage(tokens_of_request(request), answer, known=True))
    if cost is None:
        named = f"the price of {model}" if model else "the price of the endpoint's own choice of a model"
        raise BudgetError(
            f"{named} is not known, so the budget of ${limit:.2f} can't be held: put it into "
            "prices.toml, or take the budget away by %config NbAssist.budget = 0"
        )
    return cost


class Meter:
    """What one run takes.

    Parameters
    ----------
    model : str
        What is asked, until the endpoint names another.
    price : callable
        From a model and usage to US dollars; None where unknown.
    budget : Budget
        What it may not pass.

    Attributes
    ----------
    thoughts : list of float
        Seconds of each stretch of reasoning, in order.
    writing : float
        Seconds from the first piece of each turn to its last, in all.
    """

    def __init__(self, model: str, price: Price, budget: Budget) -> None:
        self.thoughts: list[float] = []
        self.writing = 0.0
        self._model, self._price = model, price
        self._budget = budget
        self._counted = 0.0  # dollars of the turns whose tokens were counted, or estimated at their end
        self._asked = 0  # tokens of the request that is being answered
        self._bytes = 0  # of its answer
        self._first = self._last = self._thinking = 0.0
        self._replaying = False
        self._unknown = False

    def ask(self, request: Request) -> None:
        """Take the next request, before it goes out.

        Raises
        ------
        BudgetError
            Where it would pass the budget, or where its price is not known, so that no budget can be held.
        """
        self._asked, self._bytes = tokens_of_request(request), 0
        if limit := self._budget.limit:
            self._budget.reserve(id(self), self._counted, cost_ahead(request, self._model, self._price, limit))

    def take(self, event: Event) -> None:
        """Take the next event of a turn."""
        now = time.monotonic()
        if isinstance(event, TurnStarted):
            self._model, self._replaying = event.model or self._model, event.replayed
            self._first = self._last = 0.0
        elif isinstance(event, TextDelta | RefusalDelta | ReasoningDelta | ToolArgumentsDelta):
            self._first = self._first or now
            self._last = now
            self._bytes += len(event.text) if event.text.isascii() else len(event.text.encode("utf-8", "replace"))
        self._think(event, now)
        if isinstance(event, TurnEnded):
            self._end(event.usage)

    def check(self) -> None:
        """See to it that the budget holds, while an answer comes.

        Raises
        ------
        BudgetError
            Where it is reached.
        """
        if self._budget.limit and (cost := self.cost) is not None:
            self._budget.note(id(self), cost)

    def end(self, cost: float | None) -> None:
        """The run has ended; `cost` is what its turns came to, None where that is not known."""
        whole = self._counted if cost is None else cost
        if self._bytes and not self._replaying:  # a turn that broke off is paid for, and never counted
            whole += self._price(self._model, Usage(self._asked, self._tokens, known=True)) or 0.0
        self._budget.settle(id(self), whole)

    @property
    def cost(self) -> float | None:
        """US dollars so far; None where a price is not known."""
        if self._unknown:
            return None
        now = 0.0 if self._replaying else self._price(self._model, Usage(self._asked, self._tokens, known=True))
        return None if now is None else self._counted + (now if self._bytes else 0.0)

    @property
    def rate(self) -> float:
        """Tokens a second of the answer that comes, about; 0 before there is enough of it to say."""
        seconds = self._last - self._first
        return self._tokens / seconds if seconds > 0.5 and not self._replaying else 0.0

    @property
    def _tokens(self) -> int:
        return round(self._bytes / _BYTES)

    def _think(self, event: Event, now: float) -> None:
        if isinstance(event, ReasoningDelta):
            self._thinking = self._thinking or now
        # What the model says ends a thought; a warning in between does not.
        elif self._thinking and isinstance(event, _AFTER_A_THOUGHT):
            self.thoughts.append(0.0 if self._replaying else now - self._thinking)
            self._thinking = 0.0

    def _end(self, usage: Usage) -> None:
        if not self._replaying:
            self.writing += max(self._last - self._first, 0.0)
            used = usage if usage.known else Usage(self._asked, self._tokens, known=True)
            cost = self._price(self._model, used)
            self._unknown = self._unknown or cost is None
            self._counted += cost or 0.0
        self._asked = self._bytes = 0
