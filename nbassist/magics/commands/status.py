"""`%assistant` alone: where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..table import Table
from . import HOMES, find, nothing_more

if TYPE_CHECKING:
    from ..config import Config


def status(magics: Config, words: list[str]) -> Table:
    """Show where the assistant stands: endpoint, model, thread, tools; nothing is connected to or started."""
    from ...tools import registry
    from .usage import in_one_line

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
            ("tools", ", ".join(registry()) or "none: mark functions with @tool"),
        ),
    )


def help_(magics: Config, words: list[str]) -> Table:
    """List the commands."""
    nothing_more("help", words)
    rows = [(name, (find(name).__doc__ or "").strip().splitlines()[0].replace("`", "")) for name in HOMES]
    return Table(("%assistant", ""), tuple(rows), note="%%assistant? explains the flags of a cell")
