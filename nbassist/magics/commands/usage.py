"""`%assistant usage`: tokens by kind and money, from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.footer import cost_text, usage_text
from ...journal.totals import Total, totals
from ..table import Table
from . import nothing_more

if TYPE_CHECKING:
    from ..config import Config


def usage(magics: Config, words: list[str]) -> Table:
    """Show what the runs of this notebook took, by thread and model; `usage --all` those of all notebooks."""
    everywhere = words == ["--all"]
    nothing_more("usage --all", [] if everywhere else words)
    found = _totals(magics, everywhere)
    rows = [_row(one.thread, one) for one in found]
    if len(found) > 1:
        rows.append(_row("in all", sum(found, Total())))
    heads = ("thread", "model", "runs", "tokens in", "of it cached", "tokens out", "of it reasoning", "cost")
    return Table(heads, tuple(rows), note="replies that were recorded before are not counted" if rows else "no runs")


def in_one_line(magics: Config) -> str:
    """Return what this notebook took in all; empty where nothing is written."""
    magics.session.journal.flush()
    if not magics.session.journal.path.exists():
        return ""
    total = sum(_totals(magics, everywhere=False), Total())
    if not total.runs:
        return ""
    tokens = usage_text(total.usage) if total.usage.known else ""
    runs = "1 run" if total.runs == 1 else f"{total.runs:,} runs"
    return " · ".join(part for part in (tokens, "" if total.unpriced == total.runs else _cost(total), runs) if part)


def _totals(magics: Config, everywhere: bool) -> list[Total]:
    """Sum the runs of this notebook; of a kernel that does not know its notebook, those since it started."""
    session = magics.session
    notebook = session.threads.shelf.notebook if session.threads.shelf else ""
    return totals(
        session.journal,
        notebook="" if everywhere else notebook,
        since=0.0 if everywhere or notebook else session.began,
    )


def _row(thread: str, total: Total) -> tuple[str, ...]:
    used, some = total.usage, total.uncounted and total.usage.known
    figures = (used.input_tokens, used.cached_tokens, used.output_tokens, used.reasoning_tokens)
    tokens = [f"{figure:,}" if used.known else "unknown" for figure in figures]
    if some:
        tokens[0] += f" ({total.uncounted} of the runs unknown)"
    return thread, total.model, f"{total.runs:,}", *tokens, _cost(total)


def _cost(total: Total) -> str:
    if total.unpriced == total.runs:
        return "unknown"
    known = cost_text(total.cost)
    return f"{known}, and {total.unpriced} of the runs unknown" if total.unpriced else known
