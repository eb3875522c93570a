"""What stands around a reply: the line above it, the list of its sources, and the footer that says how it ended."""

from __future__ import annotations

from html import escape

from ..events import Usage
from . import segments
from .panels import label
from .safe import good_link, inert
from .transcript import Transcript

_NOTE = "opacity:0.75;font-size:12px;line-height:1.5;margin:0 0 8px 0"
FOOTER = "opacity:0.75;font-size:11px;line-height:1.5;margin:10px 0 2px 0"
_FINISHES = {
    "completed": "",
    "incomplete": "Incomplete",
    "interrupted": "Interrupted",
    "failed": "Failed",
    "stopped": "Stopped",
    None: "Not finished",
}


def seconds_text(seconds: float) -> str:
    """Return a duration as a person reads it: ``20 ms``, ``0.31 s``, ``3.4 s``, ``2 min 5 s``."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def cost_text(dollars: float) -> str:
    """Return a price in US dollars, two figures of it at least: ``$0.0012``, ``$0.31``, ``$12.40``, ``free``."""
    if dollars <= 0:
        return "free"
    if dollars < 0.00005:
        return "under $0.0001"
    return f"${dollars:.2f}" if dollars >= 0.095 else f"${dollars:.3f}" if dollars >= 0.0095 else f"${dollars:.4f}"


def usage_text(usage: Usage) -> str:
    """Return tokens by kind, those that there are: ``1,180 tokens in (640 cached), 412 out (300 reasoning)``."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    reasoning = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out{reasoning}"


def footer_text(transcript: Transcript) -> str:
    """Return the last line: how it ended where that is worth saying, model, seconds, tokens, cost, turns.

    What is not known is left out; a reply that was recorded before says so, and costs nothing again.
    """
    parts = [_FINISHES[transcript.finish], transcript.model]
    if transcript.seconds:
        parts.append(seconds_text(transcript.seconds))
    usage = transcript.usage
    if usage.known:
        parts.append(usage_text(usage))
    if transcript.replayed:
        parts.append("from the cache")
    elif transcript.cost is not None:
        parts.append(cost_text(transcript.cost))
    if transcript.turns > 1:
        parts.append(f"{transcript.turns} turns")
    if transcript.retries:
        parts.append("1 retry" if transcript.retries == 1 else f"{transcript.retries} retries")
    return " · ".join(part for part in parts if part)


def footer(transcript: Transcript) -> str:
    """Return the footer, and above it in full what went wrong, if anything did."""
    trouble = ""
    if transcript.detail:
        colour = "rgba(220,38,38,0.8)" if transcript.finish == "failed" else "rgba(202,138,4,0.8)"
        trouble = (
            f'<p class="nba-trouble" style="border-left:3px solid {colour};padding:2px 0 2px 10px;margin:8px 0">'
            f"{inert(transcript.detail)}</p>\n"
        )
    return f'{trouble}<p class="nba-footer" style="{FOOTER}">{inert(footer_text(transcript))}</p>\n'


def note(transcript: Transcript) -> str:
    """Return the line above the reply, where there is one."""
    return f'<p class="nba-note" style="{_NOTE}">{inert(transcript.note)}</p>\n' if transcript.note else ""


def sources(citations: list[segments.Citation]) -> str:
    """Return the list of sources; empty where there are none."""
    if not citations:
        return ""
    items = []
    for citation in citations:
        title = inert(citation.title or citation.url)
        if citation.url.startswith(("http://", "https://")) and good_link(citation.url):
            rel = 'target="_blank" rel="noopener noreferrer nofollow"'
            title = f'<a href="{escape(citation.url)}" {rel}>{title}</a>'
        items.append(f"<li>{title}</li>")
    return f'<div class="nba-sources">{label("Sources")}<ol style="margin:0 0 8px 0">{"".join(items)}</ol></div>\n'
