"""The words of a question that count, and how much of them a passage has."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_WORD = re.compile(r"[^\W_]+")
_MOST_TERMS = 48
_STOP_TEXT = """
a about above after again against all also am an and any are as at be because been before being below between both
but by can could did do does doing don down during each few find for from further get give had has have having he
her here hers him his how i if in into is it its itself just know let me more most my no nor not now of off on once
only or other our out over own please s same she should show so some such t tell than that the their them then
there these they this those through to too under until up us using very was we were what when where which while who
whom why will with without would you your
"""
_STOP = frozenset(_STOP_TEXT.split())
_ENDINGS = ("ations", "ation", "ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s")
_STEM = 3


def terms(query: str) -> list[str]:
    """Return the words of a query that tell passages apart, in lower case, each once; all where none does."""
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))
    return ([word for word in words if word not in _STOP] or words)[:_MOST_TERMS]


def stem(word: str) -> str:
    """Return a word without the endings of English, roughly."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            return word[: -len(ending)]
    return word


class Coverage:
    """Tells how much of a question a text has.

    Parameters
    ----------
    wanted : collection of str
        The words that count; see `terms`.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._stems = [stem(word) for word in wanted]

    def of(self, text: str) -> float:
        """Return which share of the words a text has, from 0 to 1; 0 where none are wanted."""
        if not self._stems:
            return 0.0
        lower = text.lower()
        return sum(_has(lower, start) for start in self._stems) / len(self._stems)


def _has(text: str, start: str) -> bool:
    """Return whether a word of a text begins so; ten times as fast as to take the text apart into words."""
    at = text.find(start)
    while at > 0 and text[at - 1].isalnum():
        at = text.find(start, at + 1)
    return at >= 0


def fused(rankings: Sequence[Sequence[int]], k: int = 10) -> list[tuple[int, float]]:
    """Return what stands in rankings, the best first, with the sum of reciprocal ranks, 1 for the first of all.

    `k` is how little the first places count before the later ones: 10 was found best of those tried.
    """
    sums: dict[int, float] = {}
    for ranking in rankings:
        for place, item in enumerate(ranking, 1):
            sums[item] = sums.get(item, 0.0) + (k + 1) / (k + place)
    best = len([ranking for ranking in rankings if ranking]) or 1
    return sorted(((item, total / best) for item, total in sums.items()), key=lambda pair: (-pair[1], pair[0]))
