"""A thread as one HTML file, without script and without anything that is fetched."""

from __future__ import annotations

from html import escape

from ..conversation import Conversation
from ..display.static import bundle
from .turns import turns_of

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.55 system-ui, sans-serif; }
.prompt { margin: 2rem 0 1rem; padding: .6rem 1rem; border-left: 3px solid #1976d2; white-space: pre-wrap;
  background: color-mix(in srgb, CanvasText 5%, Canvas); overflow-wrap: anywhere; }
.shown { opacity: .7; font-size: .85em; }
pre, code { font-family: ui-monospace, monospace; font-size: .9em; }
pre { padding: .6rem .8rem; overflow-x: auto; background: color-mix(in srgb, CanvasText 5%, Canvas); }
table { border-collapse: collapse; } th, td { padding: .25rem .6rem; border: 1px solid rgba(128, 128, 128, .4); }
img { max-width: 100%; }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def as_page(conversation: Conversation) -> str:
    """Return the page; it is readable in light and dark."""
    title = escape(conversation.name or "conversation")
    parts = []
    for number, turn in enumerate(turns_of(conversation), 1):
        shown = f'\n<span class="shown">shown along: {escape(", ".join(turn.shown))}</span>' if turn.shown else ""
        parts.append(f'<section id="turn-{number}">\n<div class="prompt">{escape(turn.prompt)}{shown}</div>')
        parts.append((bundle(turn.events)["text/html"] if turn.messages else "") + "\n</section>")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )
