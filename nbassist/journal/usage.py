"""What runs took, summed: tokens by kind and money, by thread and model."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.events import Usage
from .journal import Journal

_KINDS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_TOTALS = f"""
    SELECT {{first}}, model, count(*), sum(CASE WHEN json_extract(usage, '$.known') THEN 1 ELSE 0 END),
        count(cost), sum(cost), {", ".join(f"sum(json_extract(usage, '$.{kind}'))" for kind in _KINDS)}
    FROM runs WHERE replayed = 0 AND began >= :since AND :notebook IN ('', notebook)
    GROUP BY 1, model ORDER BY min(number)
"""
_DAY = "strftime('%Y-%m-%d', began, 'unixepoch', 'localtime')"


@dataclass(frozen=True, slots=True)
class Total:
    """What some runs took; replies that were recorded before took nothing, and are not among them.

    Parameters
    ----------
    thread, model : str
        In place of the thread the day, such as 2026-11-26, where it was summed by days. Empty where
        that is not known, and for the sum of all.
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


def totals(journal: Journal, *, notebook: str = "", since: float = 0.0, by_day: bool = False) -> list[Total]:
    """Return what runs took by thread and model, those that ran first before others.

    Parameters
    ----------
    journal : Journal
        Where the runs are.
    notebook : str
        Only those of it; empty for all.
    since : float
        Only those begun at or after it, in seconds since 1970.
    by_day : bool
        By the days on which they began, as the clock of this machine has them, in place of the threads.

    Raises
    ------
    JournalError
        Where the journal can't be read.
    """
    query = _TOTALS.format(first=_DAY if by_day else "thread")
    with journal.reading() as connection:
        rows = connection.execute(query, {"since": since, "notebook": notebook}).fetchall()
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
