"""What runs took, summed: tokens by kind and money, by thread and model."""

from __future__ import annotations

from dataclasses import dataclass

from ..events import Usage
from .journal import Journal

_KINDS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True)
class Total:
    """What some runs took; replies that were recorded before took nothing, and are not among them.

    Parameters
    ----------
    thread, model : str
        Empty where that is not known, and for the sum of all.
    runs : int
        How many.
    usage : Usage
        Of those runs whose endpoint counts tokens; not `known` where none does.
    uncounted : int
        Runs of which the tokens are not known.
    cost : float
        US dollars, of those runs whose cost is known.
    unpriced : int
        Runs of which the cost is not known.
    """

    thread: str = ""
    model: str = ""
    runs: int = 0
    usage: Usage = Usage()
    uncounted: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(
            runs=self.runs + other.runs,
            usage=self.usage + other.usage,
            uncounted=self.uncounted + other.uncounted,
            cost=self.cost + other.cost,
            unpriced=self.unpriced + other.unpriced,
        )


def totals(journal: Journal, *, notebook: str = "", since: float = 0.0) -> list[Total]:
    """Return what runs took by thread and model, those that ran first before others.

    Parameters
    ----------
    journal : Journal
        Where the runs are.
    notebook : str
        Only those of it; empty for all.
    since : float
        Only those begun at or after it, in seconds since 1970.

    Raises
    ------
    JournalError
        Where the journal can't be read.
    """
    from sqlalchemy import func, select

    from .schema import runs

    counted = runs.c.usage["known"].as_boolean()
    asked = (
        select(
            runs.c.thread,
            runs.c.model,
            func.count(),
            func.sum(counted),
            func.count(runs.c.cost),
            func.sum(runs.c.cost),
            *(func.sum(runs.c.usage[kind].as_integer()) for kind in _KINDS),
        )
        .where(runs.c.replayed.is_(False), runs.c.began >= since)
        .group_by(runs.c.thread, runs.c.model)
        .order_by(func.min(runs.c.number))
    )
    if notebook:
        asked = asked.where(runs.c.notebook == notebook)
    with journal.reading() as connection:
        rows = connection.execute(asked).all()
    return [
        Total(
            thread,
            model,
            number,
            Usage(**dict(zip(_KINDS, (int(tokens or 0) for tokens in kinds), strict=True)), known=bool(known)),
            number - int(known or 0),
            float(cost or 0.0),
            number - priced,
        )
        for thread, model, number, known, priced, cost, *kinds in rows
    ]
