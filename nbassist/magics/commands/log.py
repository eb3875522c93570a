"""`%assistant log` and `diff`: what was asked before, and what changed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...core.text import clean
from ...errors import UsageError
from ...journal.diff import Difference, compare, versions
from ...journal.entry import seconds_of
from ..history import NotebookRuns, rate_run
from ..line.flags import Parser
from ..notebook import cell_id
from ..table import Table

if TYPE_CHECKING:
    from ..config import Config

_LAST = 20


def log(magics: Config, words: list[str]) -> Any:
    """List the runs of this notebook: `log [--cell [ID]] [--grep WORDS] [--since 2h] [--all]`; `log N` shows one.

    `log --cell [ID] --diff` shows the versions of one cell's prompt, and what changed from each to the next. With
    `--all` the runs of all notebooks are listed, by the numbers of the journal, which are written `#512`.
    """
    runs = NotebookRuns.of(magics.session)
    if len(words) == 1 and words[0].removeprefix("#").isdigit():
        return LoggedRun.of(runs.entry(words[0]))
    found = _parser().parse_args(words)
    narrowed: dict[str, Any] = {
        "cell": cell_id(magics.notebook_shell) if found.cell == "" else found.cell or "",
        "grep": found.grep,
        "since": seconds_of(found.since),
        "last": 0 if found.grep or found.since or found.cell is not None else _LAST,
    }
    entries = magics.session.journal.entries(**narrowed) if found.all else runs.entries(**narrowed)
    if found.diff:
        if len({entry.cell for entry in entries}) > 1:
            raise UsageError("--diff shows the versions of one cell: write --cell ID --diff, the id as in the notebook")
        return versions(entries)
    return listing(entries, "#" if found.all else "")


def diff(magics: Config, words: list[str]) -> Difference:
    """Show, word by word, what changed between two runs of the log: `diff 3 7`; alone, between the last two."""
    runs = NotebookRuns.of(magics.session)
    if not words:
        last = runs.entries(last=2)
        if len(last) < 2:
            raise UsageError("there are no two runs to compare yet: %assistant log lists those there are")
        return compare(*last)
    if len(words) != 2 or not all(word.removeprefix("#").isdigit() for word in words):
        raise UsageError("write it as %assistant diff 3 7, or alone: the numbers are those of %assistant log")
    return compare(runs.entry(words[0]), runs.entry(words[1]))


def rate(magics: Config, words: list[str]) -> Any:
    """Say what a reply was worth: `rate good`, `rate 7 bad`; the journal keeps it, and the cell shows it.

    Without a number it is the last run of this notebook. A rating is `good`, `bad`, a number or any word; `none` takes
    it back.
    """
    runs = NotebookRuns.of(magics.session)
    if len(words) == 1:
        last = runs.entries(last=1)
        if not last:
            raise UsageError("there is no run to rate yet")
        words = [str(last[0].number), *words]
    if len(words) != 2:
        raise UsageError("write it as %assistant rate good, or %assistant rate 7 bad, by the number in %assistant log")
    number = rate_run(magics.session, magics.notebook_shell, words[0], "" if words[1] == "none" else words[1])
    return f"run {number}: {'no rating' if words[1] == 'none' else words[1]}"


def listing(entries: list[Any], mark: str = "") -> Table:
    """Return runs as a table, oldest first; `mark` stands before each number."""
    rows = []
    for entry in entries:
        when = datetime.fromtimestamp(entry.began).strftime("%m-%d %H:%M")
        prompt = " ".join(entry.prompt.split())
        tokens = f"{entry.usage.input_tokens}+{entry.usage.output_tokens}" if entry.usage.known else ""
        finish = "" if entry.finish == "completed" else entry.finish
        rows.append(
            (
                f"{mark}{entry.number}",
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


class LoggedRun:
    """One run of the log: its prompt, and its reply as the cell showed it."""

    def __init__(self, heading: str, prompt: str, bundle: dict[str, str]) -> None:
        self._heading, self._prompt, self._bundle = clean(heading), clean(prompt), bundle

    @classmethod
    def of(cls, entry: Any) -> LoggedRun:
        """Make it from an entry with its events."""
        from ...display.static.reply import bundle

        when = datetime.fromtimestamp(entry.began).strftime("%Y-%m-%d %H:%M:%S")
        heading = ", ".join(filter(None, (f"run {entry.number}", when, entry.thread, entry.model)))
        return cls(heading, entry.prompt, bundle(event for _, event in entry.events))

    def __repr__(self) -> str:
        return f"{self._heading}\n\n{self._prompt}\n\n{self._bundle['text/plain']}"

    def _repr_html_(self) -> str:
        from ...core.html_allowlist import inert, seal

        prompt = f'<pre style="white-space:pre-wrap">{inert(self._prompt)}</pre>'
        return seal(f"<div><p><strong>{inert(self._heading)}</strong></p>{prompt}{self._bundle['text/html']}</div>")


def _parser() -> Parser:
    made = Parser(prog="%assistant log", add_help=False, allow_abbrev=False)
    made.add_argument("--cell", nargs="?", const="", default=None)
    made.add_argument("--grep", default="")
    made.add_argument("--since", default="")
    made.add_argument("--all", action="store_true")
    made.add_argument("--diff", action="store_true")
    return made
