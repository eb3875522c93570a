"""Texts of any length that are grown by repeating a pattern, so that the cost of two lengths can be compared."""

from __future__ import annotations

import random
from collections.abc import Callable

Make = Callable[[int], str]


def repeated(pattern: str, between: str = "") -> Make:
    """Return a text of `pattern`, over and over."""
    return lambda size: between.join([pattern] * (size // (len(pattern) + len(between)) + 1))[:size]


def after(head: str, pattern: str, tail: str = "") -> Make:
    """Return a text of `head`, of `pattern` over and over, and of `tail`."""
    return lambda size: head + repeated(pattern)(max(0, size - len(head) - len(tail))) + tail


def nested(opening: str, closing: str = "", share: float = 0.5) -> Make:
    """Return as many openings as fit into a share of the text, and then closings."""

    def make(size: int) -> str:
        count = max(1, int(size * share) // max(1, len(opening)))
        return (opening * count + "x" + closing * count)[:size]

    return make


def headed(head: Callable[[int], str], pattern: str) -> Make:
    """Return a head that grows with the square root of the length, and then lines."""
    return lambda size: (head(int(size**0.5)) + repeated(pattern)(size))[:size]


def stairs(mark: str, step: int) -> Make:
    """Return lines, each indented by a step more than the one before."""

    def make(size: int) -> str:
        lines, depth, total = [], 0, 0
        while total < size:
            line = " " * (step * depth) + mark + " x\n"
            lines.append(line)
            total += len(line)
            depth += 1
        return "".join(lines)[:size]

    return make


def runs(mark: str) -> Make:
    """Return runs of a mark, each one longer than the one before."""

    def make(size: int) -> str:
        pieces, total, length = [], 0, 1
        while total < size:
            piece = mark * length + " "
            pieces.append(piece)
            total += len(piece)
            length += 1
        return "".join(pieces)[:size]

    return make


def numbered(pattern: str) -> Make:
    """Return `pattern` with the numbers from 0 on in it."""

    def make(size: int) -> str:
        pieces, total, number = [], 0, 0
        while total < size:
            piece = pattern.format(n=number)
            pieces.append(piece)
            total += len(piece)
            number += 1
        return "".join(pieces)[:size]

    return make


def noise(alphabet: str, seed: int = 1) -> Make:
    """Return characters of an alphabet by chance, the same each time."""
    return lambda size: "".join(random.Random(seed).choices(alphabet, k=size))


def table(columns: Callable[[int], int]) -> Make:
    """Return a table with a number of columns that follows from the length."""

    def make(size: int) -> str:
        n = max(1, columns(size))
        head = "|a" * n + "|\n" + "|-" * n + "|\n"
        return (head + ("|x" * n + "|\n") * (size // (2 * n + 2) + 1))[:size]

    return make
