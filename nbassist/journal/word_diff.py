"""What changed between two texts, word by word, in time that goes by their length.

Comparing each word with each is quadratic at best: two replies of 20 KB that differ took minutes. So long texts are
first divided at the words that stand once in each (Cohen's patience diff), and what lies between is compared.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_FEW = 10_000  # pairs of words, up to which each is compared with each
_DEEPEST = 6  # how often what lies between is divided again; what is not settled then has changed

Piece: TypeAlias = tuple[Literal["same", "gone", "new"], str]


def diff_words(before: str, after: str) -> list[Piece]:
    """Return the pieces of two texts in order: `same` in both, `gone` from the first, `new` in the second."""
    first, second = _WORD.findall(before), _WORD.findall(after)
    pieces: list[Piece] = []
    i = j = 0
    for begin, there, length in _stretches([*_same(first, second), (len(first), len(second))]):
        if begin > i:
            pieces.append(("gone", "".join(first[i:begin])))
        if there > j:
            pieces.append(("new", "".join(second[j:there])))
        i, j = begin + length, there + length
        if same := "".join(first[begin:i]):
            pieces.append(("same", same))
    return pieces


def apart(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces, with a blank between what is gone and what is new in its place, to be told apart by eye."""
    last: Piece = ("same", "")
    for piece in pieces:
        if last[0] == "gone" and piece[0] == "new" and not last[1][-1:].isspace() and not piece[1][:1].isspace():
            yield "same", " "
        yield piece
        last = piece


def _same(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of the words that are the same, in the first and in the second, in order."""
    found: list[tuple[int, int]] = []
    open_ranges = [(0, len(first), 0, len(second), 0)]
    while open_ranges:
        i, i_end, j, j_end, depth = open_ranges.pop()
        while i < i_end and j < j_end and first[i] == second[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        while i < i_end and j < j_end and first[i_end - 1] == second[j_end - 1]:
            i_end, j_end = i_end - 1, j_end - 1
            found.append((i_end, j_end))
        if (i_end - i) * (j_end - j) <= _FEW:
            # Without `autojunk`, which takes whatever is frequent, such as a blank, for noise.
            matcher = SequenceMatcher(None, first[i:i_end], second[j:j_end], autojunk=False)
            for block in matcher.get_matching_blocks():
                found += ((i + block.a + n, j + block.b + n) for n in range(block.size))
        elif depth < _DEEPEST and (anchors := _anchors(first[i:i_end], second[j:j_end], i, j)):
            for at, there in [*anchors, (i_end, j_end)]:
                open_ranges.append((i, at, j, there, depth + 1))
                if at < i_end:
                    found.append((at, there))
                i, j = at + 1, there + 1
    return sorted(found)


def _anchors(first: Sequence[str], second: Sequence[str], i: int, j: int) -> list[tuple[int, int]]:
    """Return where words stand that are once in each, as many as are in the same order; none where no word is."""
    here, there = Counter(first), Counter(second)
    places = {word: j + n for n, word in enumerate(second) if here[word] == there[word] == 1}
    pairs = [(i + n, places[word]) for n, word in enumerate(first) if word in places]
    # The longest sequence that rises: for each length the lowest end so far, and from each pair to the one before it.
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    rising: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        rising.append(pairs[number])
        number = before[number]
    return rising[::-1]


def _stretches(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Give where words that follow each other in both begin, and how many they are; the last is the end."""
    begin = (-1, -1)
    length = 0
    for i, j in pairs:
        if length and (i, j) == (begin[0] + length, begin[1] + length):
            length += 1
            continue
        if length:
            yield *begin, length
        begin, length = (i, j), 1
    yield *begin, length
