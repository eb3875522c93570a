"""The frame of collapsible panels, and the lines between them; the same live and static.

Styles that the static form needs stand inline and are neutral to the theme (grey borders, opacity), since a
notebook that is not trusted keeps no style element; `live.css` refines the classes while the reply is written.
"""

from __future__ import annotations

from html import escape

from .clean import one_line
from .safe import inert

_PANEL = (
    "border:1px solid rgba(128,128,128,0.28);border-radius:6px;margin:6px 0 10px 0;padding:0 12px;"
    "overflow-wrap:anywhere"
)
_SUMMARY = (
    "display:list-item;list-style-position:outside;margin-left:15px;cursor:pointer;padding:4px 0;line-height:1.5;"
    "font-size:13px"
)
_LINE = "display:flex;align-items:baseline;gap:6px"
_MARK = "flex:none;width:12px"
_CUT = "min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_PREVIEW = f"{_CUT};flex-shrink:9999;opacity:0.75"  # it gives way before the name does
_META = "flex:none;margin-left:auto;padding-left:6px;opacity:0.75"
_LABEL = "opacity:0.75;font-size:11px;letter-spacing:0.02em;margin:6px 0 2px 0"
_MARKS = {
    "done": ("✓", "#2f9e44"),
    "failed": ("✕", "#e03131"),
    "refused": ("✕", ""),
    "dropped": ("–", ""),
    "interrupted": ("–", ""),
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
    mark, colour = _MARKS.get(state, ("●", ""))
    style = _MARK + (f";color:{colour}" if colour else "")
    # The dot parts the two where there are no styles, and so no right-hand side.
    last = f'<span style="display:none"> · </span><span class="nba-meta" style="{_META}">{inert(meta)}</span>'
    return (
        f'<span style="{_LINE}"><span class="nba-mark nba-{state}" style="{style}">{mark}</span> '
        f'<strong class="nba-name" style="{_CUT}">{inert(name)}</strong> {_preview(preview)}'
        + (f"{last}</span>" if meta else "</span>")
    )


def reasoning_line(text: str = "") -> str:
    """Return the one line of the panel of reasoning, with how it begins once it is closed."""
    begins = one_line(text[:400].replace("*", "").replace("`", "").replace("#", ""), 100)
    return f'<span style="{_LINE}"><span>Reasoning</span> {_preview(begins) if begins else ""}</span>'


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
