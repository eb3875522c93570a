"""What is wrong with a model's arguments; apart, since the toolbox needs it before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistakes:
    """Why arguments can't be used: one line each, at least one."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.lines)
