"""What is wrong with a model's arguments, in words that it can act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistakes:
    """Why arguments can't be used: one line each, at least one."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.lines)
