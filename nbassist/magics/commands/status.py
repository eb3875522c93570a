"""`%assistant` alone: where it stands; and `%assistant usage`: tokens by kind and money, from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...display.static.panels import cost_text, usage_text
from ...journal.usage import Total, totals
from ..line.help import show_help
from ..table import Table
from . import nothing_more

if TYPE_CHECKING:
    from ..config import Config


def status(magics: Config, words: list[str]) -> Table:
    """Show where the assistant stands: endpoint, model, thread, tools; nothing is connected to or started."""
    from ...tools import registry

    nothing_more("status", words)
    session = magics.session
    settings = session.settings(magics.choices())
    source = settings.sources.get
    current = session.threads.current
    number = len(session.threads[current].turns)
    others = [name for name in session.threads.names() if name != current]
    endpoint = settings.base_url or "the embedded server"
    if settings.base_url and source("base_url"):
        endpoint += f" (from {source('base_url')})"
    model = settings.model or "the endpoint's own choice"
    if settings.model:
        model += f" (from {source('model')})"
    return Table(
        ("", ""),
        (
            ("endpoint", endpoint),
            ("backend", "settled with the first prompt" if settings.backend == "auto" else settings.backend),
            ("model", model),
            ("key", f"set (from {source('api_key')})" if settings.api_key else "none"),
            ("thread", f"{current} ({number} {'turn' if number == 1 else 'turns'})"),
            *([("others", ", ".join(others))] if others else []),
            *([("used", used)] if (used := in_one_line(magics)) else []),
            *([("budget", _budget(magics))] if magics.budget else []),
            ("tools", ", ".join(registry()) or "none: mark functions with @tool"),
        ),
    )


def help_(magics: Config, words: list[str]) -> Table:
    """List the commands; `help NAME` explains a command, a flag, or one of sweep, prompt and config."""
    return show_help(words, magics)


def usage(magics: Config, words: list[str]) -> Table:
    """Show what the runs of this notebook took, by thread and model: `usage [--all] [--by-day]`.

    `--all` counts those of all notebooks; `--by-day` sums by day and model.
    """
    known = {"--all", "--by-day"}
    nothing_more("usage [--all] [--by-day]", [word for word in words if word not in known])
    by_day = "--by-day" in words
    found = _totals(magics, "--all" in words, by_day)
    rows = [_row(one.thread, one) for one in found]
    if len(found) > 1:
        rows.append(_row("in all", sum(found, Total())))
    heads = (
        "day" if by_day else "thread",
        "model",
        "runs",
        "tokens in",
        "of it cached",
        "tokens out",
        "of it reasoning",
        "cost",
    )
    return Table(heads, tuple(rows), note="replies that were recorded before are not counted" if rows else "no runs")


def in_one_line(magics: Config) -> str:
    """Return what this notebook took in all; empty where nothing is written."""
    # The run of the cell above may still be on its way to the file.
    magics.session.journal.flush()
    if not magics.session.journal.path.exists():
        return ""
    total = sum(_totals(magics, everywhere=False), Total())
    if not total.runs:
        return ""
    tokens = usage_text(total.usage) if total.usage.known else ""
    runs = "1 run" if total.runs == 1 else f"{total.runs:,} runs"
    return " · ".join(part for part in (tokens, "" if total.unpriced == total.runs else _cost(total), runs) if part)


def _budget(magics: Config) -> str:
    return f"{cost_text(magics.session.budget.spent)} of ${magics.budget:.2f}, since the kernel began"


def _totals(magics: Config, everywhere: bool, by_day: bool = False) -> list[Total]:
    """Sum the runs of this notebook; of a kernel that does not know its notebook, those since it started."""
    session = magics.session
    notebook = session.threads.shelf.notebook if session.threads.shelf else ""
    return totals(
        session.journal,
        notebook="" if everywhere else notebook,
        since=0.0 if everywhere or notebook else session.began,
        by_day=by_day,
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
