"""The runs of one notebook by its own numbers, which `%assistant log` shows, and the earlier runs of one cell."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import JournalError, UsageError

if TYPE_CHECKING:
    from ..journal import Journal
    from ..journal.entry import Entry
    from .config import Session

_CELL = 50  # runs of a cell that its bar goes back


class NotebookRuns:
    """The runs of a notebook, numbered from 1 in the order in which they were written.

    The journal is one for all notebooks of a person: a number of its own is written ``#512``.

    Parameters
    ----------
    journal : Journal
        Where they are.
    notebook : str
        Its path; empty for those of a kernel that does not know its notebook.
    since : float
        Of these, those begun at or after it, in seconds since 1970.
    """

    def __init__(self, journal: Journal, notebook: str, since: float = 0.0) -> None:
        self._journal = journal
        self._notebook, self._since = notebook, since

    @classmethod
    def of(cls, session: Session) -> NotebookRuns:
        """Return those of a session's notebook; without one, those of the session itself."""
        notebook = session.threads.shelf.notebook if session.threads.shelf else ""
        return cls(session.journal, notebook, 0.0 if notebook else session.began)

    def entries(self, **narrowed: Any) -> list[Entry]:
        """Return runs, oldest first, by their own numbers; the parameters are those of `Journal.entries`."""
        since = max(narrowed.pop("since", 0.0), self._since)
        if self._notebook:
            found = self._journal.entries(notebook=self._notebook, since=since, **narrowed)
        else:  # those of other notebooks that run meanwhile are not among them
            last = narrowed.pop("last", 0)
            found = [entry for entry in self._journal.entries(since=since, **narrowed) if not entry.notebook][-last:]
        numbers = self._numbers() if found else []
        return [replace(entry, number=bisect_left(numbers, entry.number) + 1) for entry in found]

    def entry(self, word: str) -> Entry:
        """Return the run that a person names: by its own number, or as ``#512`` by the journal's.

        Raises
        ------
        UsageError
            Where it is no number, or this notebook has no such run.
        """
        if word.startswith("#") and word[1:].isdigit():
            return self._journal.entry(int(word[1:]))
        return replace(self._journal.entry(self.in_journal(word)), number=int(word))

    def in_journal(self, word: str) -> int:
        """Return the journal's number of the run that a person names."""
        if word.startswith("#") and word[1:].isdigit():
            return int(word[1:])
        if not word.isdigit():
            raise UsageError(f"a run is named by its number in %assistant log, not {word!r}")
        numbers = self._numbers()
        if not 1 <= int(word) <= len(numbers):
            there = f"there are {len(numbers)}" if numbers else "there are none yet"
            raise UsageError(f"this notebook has no run {word}: {there}, and %assistant log lists them")
        return numbers[int(word) - 1]

    def own(self, number: int) -> int:
        """Return the notebook's own number of a run of the journal."""
        return bisect_left(self._numbers(), number) + 1

    def _numbers(self) -> list[int]:
        return self._journal.numbers(self._notebook, self._since)


class CellRuns:
    """The earlier runs of one cell, for the bar below its reply; see `nbassist.display.live.bars.CellHistory`.

    Parameters
    ----------
    runs : NotebookRuns
        Of its notebook.
    journal : Journal
        Where they are.
    cell : str
        Its id.
    """

    def __init__(self, runs: NotebookRuns, journal: Journal, cell: str) -> None:
        self._runs, self._journal = runs, journal
        self._known: dict[int, Entry] = {}
        try:
            # Those of a sweep in the same cell are no replies of it.
            found = [entry for entry in runs.entries(cell=cell, last=_CELL) if not entry.variant]
        except JournalError:  # it is told elsewhere why; there is no bar then
            found = []
        self._ratings = {entry.number: entry.rating for entry in found}

    def numbers(self) -> Sequence[int]:
        """Return the numbers of its runs, oldest first."""
        return list(self._ratings)

    def rating(self, number: int) -> str:
        """Return what was said of a run; may be empty."""
        return self._ratings.get(number, "")

    def rated(self, number: int, rating: str) -> None:
        """Take note of what was said of a run elsewhere."""
        if number in self._ratings:
            self._ratings[number] = rating

    def html(self, number: int) -> str:
        """Return the prompt and the reply of a run as safe HTML."""
        from ..core.html_allowlist import inert
        from ..display.static.reply import html_of
        from ..display.transcript import Transcript

        entry = self._entry(number)
        prompt = f'<p style="white-space:pre-wrap;opacity:0.75">{inert(entry.prompt)}</p>'
        return prompt + html_of(Transcript.of(event for _, event in entry.events), math_form="mathml")

    def difference(self, number: int) -> str:
        """Return, as safe HTML, what differs between a run and the last, or between the last and the one before."""
        from ..journal.diff import compare

        numbers = self.numbers()
        before, after = (number, numbers[-1]) if number != numbers[-1] else (numbers[-2], number)
        return compare(self._entry(before), self._entry(after))._repr_html_()

    def rate(self, number: int, rating: str) -> None:
        """Say what a run was worth; the journal keeps it."""
        self._journal.rate(self._runs.in_journal(str(number)), rating)
        self._ratings[number] = rating

    def _entry(self, number: int) -> Entry:
        if number not in self._known:
            self._known[number] = self._runs.entry(str(number))
        return self._known[number]


def rate_run(session: Session, shell: Any, word: str, rating: str) -> int:
    """Say what a run was worth, in the journal and in its cell; return the number that `%assistant log` has for it.

    Raises
    ------
    NbassistError
        Where there is no such run.
    """
    runs = NotebookRuns.of(session)
    number = runs.in_journal(word)
    session.journal.entry(number)  # an error where there is none
    session.journal.rate(number, rating)
    own = runs.own(number)
    kernel = getattr(shell, "kernel", None)
    # What was never imported has no bars.
    if kernel is not None and "nbassist.display.live.bars" in sys.modules:
        from ..display.live.bars import known_bars

        if (bars := known_bars(kernel)) is not None:
            bars.rated(own, rating)
    return own
