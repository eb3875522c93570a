"""What happens in a sweep, as those hear of it who show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

What: TypeAlias = Literal["started", "text", "ended", "waiting", "judging", "judged"]


@dataclass(frozen=True, slots=True)
class Update:
    """Something happened to a run: it started, wrote `text`, ended, was judged.

    Or to the sweep: all wait, for `seconds`, because of `text`; it is judged, as far as `text` says.
    """

    what: What
    number: int = -1
    text: str = ""
    seconds: float = 0.0
