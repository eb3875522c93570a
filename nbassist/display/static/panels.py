"""What stands around the text of a reply: the frame of panels, the line above, its sources, and the footer."""

from __future__ import annotations

import base64
import re
from html import escape

from ...core.events import Usage
from ...core.html_allowlist import OWN_FILE, good_link, inert
from ...core.text import one_line
from .. import segments
from ..transcript import Transcript
from .media import pre

_PANEL = (
    "border:1px solid rgba(128,128,128,0.28);border-radius:6px;margin:6px 0 10px 0;padding:0 12px;"
    "background:transparent;box-shadow:none;overflow-wrap:anywhere"
)
_SUMMARY = (
    "display:list-item;list-style-position:outside;margin:0 0 0 15px;cursor:pointer;padding:4px 0;line-height:1.5;"
    "font-size:13px;font-weight:400;background:transparent;overflow:visible"
)
_LINE = "display:flex;align-items:baseline;gap:6px"
_MARK = "flex:none;min-width:16px;text-align:center;border-radius:4px;font-size:11px"
_CUT = "min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_PREVIEW = f"{_CUT};flex-shrink:9999;opacity:0.75"  # it gives way before the name does
_META = "flex:none;margin-left:auto;padding-left:6px;opacity:0.75"
_LABEL = "opacity:0.75;font-size:11px;letter-spacing:0.02em;margin:6px 0 2px 0"
# No one colour of text can be read on white and on a dark page alike: 4.5 to 1 on both is impossible. So text keeps the
# page's own colour everywhere in what is saved, and what is good or bad is a tint behind it.
GOOD, BAD, CARE = "rgba(47,158,68,0.22)", "rgba(224,49,49,0.22)", "rgba(202,138,4,0.25)"
_MARKS = {
    "done": ("✓", GOOD),
    "failed": ("✕", BAD),
    "refused": ("✕", BAD),
    "dropped": ("–", CARE),
    "interrupted": ("–", CARE),
    "asking": ("?", ""),
}


def panel(kind: str, key: str, summary: str, body: str, *, opened: bool = False) -> tuple[str, str]:
    """Return what stands before and after `body` of a collapsible panel, joined to it: (before + body, after)."""
    attributes = (f' data-p="{escape(key)}"' if key else "") + (' open=""' if opened else "")
    before = (
        f'<details class="nba-panel nba-{kind}" style="{_PANEL}"{attributes}>'
        f'<summary style="{_SUMMARY}">{summary}</summary><div class="nba-body">'
    )
    return before + body, "</div></details>\n"


def summary_line(state: str, name: str, preview: str, meta: str) -> str:
    """Return the one line of a panel: a mark, a name, what it is about, and on the right how it stands."""
    mark, tint = _MARKS.get(state, ("●", ""))
    style = _MARK + (f";background:{tint}" if tint else "")
    # The dot parts the two where there are no styles, and so no right-hand side.
    last = f'<span style="display:none"> · </span><span class="nba-meta" style="{_META}">{inert(meta)}</span>'
    return (
        f'<span style="{_LINE}"><span class="nba-mark nba-{state}" style="{style}">{mark}</span> '
        f'<strong class="nba-name" style="{_CUT}">{inert(name)}</strong> {_preview(preview)}'
        + (f"{last}</span>" if meta else "</span>")
    )


def reasoning_line(text: str = "", seconds: float = 0.0) -> str:
    """Return the one line of the panel of reasoning, with how long it took and how it begins once it is closed."""
    name = f"Thought for {seconds_text(seconds)}" if seconds else "Reasoning"
    begins = one_line(text[:400].replace("*", "").replace("`", "").replace("#", ""), 100)
    return f'<span style="{_LINE}"><span style="flex:none">{name}</span> {_preview(begins) if begins else ""}</span>'


def _preview(text: str) -> str:
    return f'<span class="nba-preview" style="{_PREVIEW}">{inert(text)}</span>'


def label(text: str) -> str:
    """Return the small heading of a part of a panel."""
    return f'<div class="nba-label" style="{_LABEL}">{text}</div>'


def notice(text: str) -> str:
    """Return a line that the person should know."""
    return (
        '<p class="nba-notice" style="border-left:3px solid rgba(202,138,4,0.8);padding:2px 0 2px 10px;margin:8px 0">'
        f"{inert(text)}</p>\n"
    )


def refusal(text: str) -> str:
    """Return the model's refusal."""
    return f'<p class="nba-refusal" style="white-space:pre-wrap"><em>{inert(text)}</em></p>\n'


_NOTE = "opacity:0.75;font-size:12px;line-height:1.5;margin:0 0 8px 0"
FOOTER = "opacity:0.85;font-size:11px;line-height:1.5;margin:10px 0 2px 0"
_BADGE = "border-radius:4px;padding:1px 6px"
_TROUBLE = "border-radius:4px;padding:6px 10px;margin:8px 0;font-size:13px"
_EDGE = {BAD: "rgba(224,49,49,0.8)", CARE: "rgba(202,138,4,0.8)"}
_LONG_ENOUGH = 0.5  # seconds of writing, of which a rate can be told
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


def rate_text(rate: float) -> str:
    """Return how fast a model writes: ``42 tokens/s``, ``3.4 tokens/s``."""
    return f"{rate:,.0f} tokens/s" if rate >= 9.95 else f"{rate:.1f} tokens/s"


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
        if transcript.writing >= _LONG_ENOUGH and not transcript.replayed:
            parts.append(rate_text(usage.output_tokens / transcript.writing))
    if transcript.replayed:
        parts.append("from the cache")
    elif transcript.cost is not None:
        parts.append(cost_text(transcript.cost))
    if transcript.turns > 1:
        parts.append(f"{transcript.turns} turns")
    if transcript.retries:
        parts.append("1 retry" if transcript.retries == 1 else f"{transcript.retries} retries")
    if transcript.rating:
        parts.append(f"rated {one_line(transcript.rating, 60)}")
    return " · ".join(part for part in parts if part)


def footer(transcript: Transcript) -> str:
    """Return the footer; how the run ended stands out where that is not what was wanted."""
    said, ending = footer_text(transcript), _FINISHES[transcript.finish]
    html = inert(said)
    if ending:
        tint = BAD if transcript.finish == "failed" else CARE
        badge = f'<strong class="nba-ending" style="background:{tint};{_BADGE}">{ending}</strong>'
        html = badge + inert(said.removeprefix(ending))
    return f'<p class="nba-footer" style="{FOOTER}">{html}</p>\n'


def trouble(transcript: Transcript) -> str:
    """Return what went wrong and what to do, to stand right below the last line of the text; empty for nothing."""
    said, to_do = transcript.detail, to_do_text(transcript)
    if not said and not to_do:
        return ""
    tint = BAD if transcript.finish == "failed" else CARE
    # What happened stands out, and what to do about it is read next.
    inside = "<br>".join(filter(None, (f"<strong>{inert(said)}</strong>" if said else "", inert(to_do))))
    style = f"border-left:3px solid {_EDGE[tint]};{_TROUBLE};background:{tint}"
    return f'<p class="nba-trouble" style="{style}">{inside}</p>\n'


def to_do_text(transcript: Transcript) -> str:
    """Return what a person does about a reply that is not whole; empty where nothing is to be done."""
    if transcript.finish in (None, "completed") or "%assistant " in transcript.detail:  # it says what to do itself
        return ""
    again = "Run the cell again"
    return f"{again}, or go on from here with %%assistant --append." if transcript.text else f"{again}."


def note(transcript: Transcript) -> str:
    """Return the line above the reply, where there is one."""
    return f'<p class="nba-note" style="{_NOTE}">{inert(transcript.note)}</p>\n' if transcript.note else ""


def _passage(title: str, passage: str) -> str:
    """Return a source that opens to the passage found there; its title alone where that is not known."""
    if not passage.strip():
        return title
    return f'<details class="nba-passage"><summary>{title}</summary>{pre(passage)}</details>'


def _to_save(citation: segments.Citation) -> str:
    """Return a link that saves a file of the reply, also later; empty where its bytes are not here."""
    if not citation.data:
        return ""
    name = re.sub(r"[^\w .-]", "_", citation.title).strip(" .") or "file"
    href = OWN_FILE + base64.b64encode(citation.data).decode("ascii")
    # Its words promise nothing: in a notebook that is not trusted the page takes the address away, and they stay.
    return f' <a href="{href}" download="{escape(name)}">↓ {inert(name)}, {len(citation.data):,} bytes</a>'


def sources(citations: list[segments.Citation]) -> str:
    """Return the list of sources; empty where there are none."""
    if not citations:
        return ""
    items = []
    for citation in citations:
        title = inert(citation.name)
        # The URL is the model's, or a page's that it read.
        if citation.url.startswith(("http://", "https://")) and good_link(citation.url):
            rel = 'target="_blank" rel="noopener noreferrer nofollow"'
            title = f'<a href="{escape(citation.url)}" {rel}>{title}</a>'
        items.append(f"<li>{_passage(title, citation.passage)}{_to_save(citation)}</li>")
    return f'<div class="nba-sources">{label("Sources")}<ol style="margin:0 0 8px 0">{"".join(items)}</ol></div>\n'
