"""`%assistant log` and `diff`: what was asked before, and what changed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...journal.diff import Difference, compare, versions
from ...journal.since import seconds_of
from ..flags import Parser
from ..notebook import cell_id
from ..table import Table

if TYPE_CHECKING:
    from ..config import Config

_LAST = 20


def log(magics: Config, words: list[str]) -> Any:
    """List the runs of this notebook: `log [--cell [ID]] [--grep WORDS] [--since 2h] [--all]`; `log N` shows one.

    `log --cell [ID] --diff` shows the versions of one cell's prompt, and what changed from each to the next.
    """
    if len(words) == 1 and words[0].isdigit():
        return Shown.of(magics.session.journal.entry(int(words[0])))
    found = _parser().parse_args(words)
    notebook = magics.session.threads.shelf.notebook if magics.session.threads.shelf else ""
    # A kernel that does not know its notebook has the runs of its own session.
    begun = 0.0 if notebook or found.all else magics.session.began
    entries = magics.session.journal.entries(
        notebook="" if found.all else notebook,
        cell=cell_id(magics.notebook_shell) if found.cell == "" else found.cell or "",
        grep=found.grep,
        since=max(seconds_of(found.since), begun),
        last=0 if found.grep or found.since or found.cell is not None else _LAST,
    )
    if found.diff:
        if len({entry.cell for entry in entries}) > 1:
            raise UsageError("--diff shows the versions of one cell: write --cell ID --diff, the id as in the notebook")
        return versions(entries)
    return listing(entries)


def diff(magics: Config, words: list[str]) -> Difference:
    """Show, word by word, what changed between two runs of the log: `diff 3 7`."""
    if len(words) != 2 or not all(word.isdigit() for word in words):
        raise UsageError("write it as %assistant diff 3 7: the numbers are those of %assistant log")
    journal = magics.session.journal
    return compare(journal.entry(int(words[0])), journal.entry(int(words[1])))


def listing(entries: list[Any]) -> Table:
    """Return runs as a table, oldest first."""
    rows = []
    for entry in entries:
        when = datetime.fromtimestamp(entry.began).strftime("%m-%d %H:%M")
        prompt = " ".join(entry.prompt.split())
        tokens = f"{entry.usage.input_tokens}+{entry.usage.output_tokens}" if entry.usage.known else ""
        finish = "" if entry.finish == "completed" else entry.finish
        rows.append(
            (
                str(entry.number),
                when,
                entry.thread,
                prompt if len(prompt) <= 60 else prompt[:59] + "…",
                entry.model,
                tokens,
                f"{entry.seconds:.1f} s",
                ", ".join(filter(None, (finish, "recorded" if entry.replayed else "", entry.rating))),
            )
        )
    heads = ("run", "when", "thread", "prompt", "model", "tokens", "took", "")
    return Table(heads, tuple(rows), note="" if rows else "no runs")


class Shown:
    """One run of the log: its prompt, and its reply as the cell showed it."""

    def __init__(self, heading: str, prompt: str, bundle: dict[str, str]) -> None:
        self._heading, self._prompt, self._bundle = heading, prompt, bundle

    @classmethod
    def of(cls, entry: Any) -> Shown:
        """Make it from an entry with its events."""
        from ...display.static import bundle

        when = datetime.fromtimestamp(entry.began).strftime("%Y-%m-%d %H:%M:%S")
        heading = ", ".join(filter(None, (f"run {entry.number}", when, entry.thread, entry.model)))
        return cls(heading, entry.prompt, bundle(event for _, event in entry.events))

    def __repr__(self) -> str:
        return f"{self._heading}\n\n{self._prompt}\n\n{self._bundle['text/plain']}"

    def _repr_html_(self) -> str:
        from html import escape

        prompt = f'<pre style="white-space:pre-wrap">{escape(self._prompt)}</pre>'
        return f"<div><p><strong>{escape(self._heading)}</strong></p>{prompt}{self._bundle['text/html']}</div>"


def _parser() -> Parser:
    made = Parser(prog="%assistant log", add_help=False, allow_abbrev=False)
    made.add_argument("--cell", nargs="?", const="", default=None)
    made.add_argument("--grep", default="")
    made.add_argument("--since", default="")
    made.add_argument("--all", action="store_true")
    made.add_argument("--diff", action="store_true")
    return made
