"""`Finding`: one line of the report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    what : str
        What was looked at, in a word or two.
    text : str
        How it is, in one line.
    state : {"ok", "note", "wrong"}
        "note" for what is missing and not needed for what is set up.
    mend : str
        What to run or to set; empty where there is nothing to do, or `text` says it.
    """

    what: str
    text: str
    state: State = "ok"
    mend: str = ""

    @classmethod
    def of_error(cls, what: str, error: Exception) -> Finding:
        """Make one of an error, whose line may end with the command that mends it."""
        return cls(what, re.sub(r"\s+", " ", str(error)).strip(), "wrong")

    @property
    def line(self) -> str:
        """The text with what mends it."""
        return f"{self.text}; {self.mend}" if self.mend else self.text
