"""`%assistant` alone: where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ...settings import Settings
from ..session import DEFAULT_THREAD, Session
from . import nothing_more

if TYPE_CHECKING:
    from ..cell import NbAssist


def status(magics: NbAssist, words: list[str]) -> Status:
    """Show where the assistant stands: endpoint, model, thread, tools."""
    from ...tools import registry

    nothing_more("status", words)
    return Status.of(magics.session.settings(magics.choices()), magics.session, tuple(registry()))


@dataclass(frozen=True, repr=False)
class Status:
    """Where the assistant stands; `rows` are pairs of a name and a value, in the order in which they are shown."""

    rows: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, settings: Settings, session: Session, tools: tuple[str, ...]) -> Status:
        """Describe where the next prompt would go; nothing is connected to or started."""
        source = settings.sources.get
        lengths = {name: len(thread) for name, thread in session.threads.items()} or {DEFAULT_THREAD: 0}
        threads = ", ".join(f"{name} ({length} messages)" for name, length in lengths.items())
        endpoint = settings.base_url or "the embedded server"
        if settings.base_url and source("base_url"):
            endpoint += f" (from {source('base_url')})"
        backend = "settled with the first prompt" if settings.backend == "auto" else settings.backend
        model = settings.model or "the endpoint's own choice"
        if settings.model:
            model += f" (from {source('model')})"
        return cls(
            (
                ("endpoint", endpoint),
                ("backend", backend),
                ("model", model),
                ("key", f"set (from {source('api_key')})" if settings.api_key else "none"),
                ("threads", threads),
                ("tools", ", ".join(tools) or "none: mark functions with @tool"),
            )
        )

    def __repr__(self) -> str:
        return "\n".join(f"{name:<10}{value}" for name, value in self.rows)

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
            for name, value in self.rows
        )
        return f"<table>{cells}</table>"
