"""The pieces around the text: panels of calls and reasoning, notices, sources, footer; the same live and static.

Styles that the static form needs stand inline and are neutral to the theme (grey borders, opacity), since a
notebook that is not trusted keeps no style element; `live.css` refines the classes while the reply is written.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from html import escape
from typing import Any

from . import segments
from .clean import clean, settle
from .highlight import highlight_lines
from .safe import image_placeholder, inert, sanitise_shown
from .transcript import Transcript

LONGEST = 20_000  # characters of an output or traceback shown in a panel
_PANEL = (
    "border:1px solid rgba(128,128,128,0.28);border-radius:6px;margin:6px 0 10px 0;padding:0 12px;"
    "overflow-wrap:anywhere"
)
_SUMMARY = "cursor:pointer;padding:4px 0;line-height:1.5;font-size:13px"
_META = "float:right;opacity:0.7;margin-left:12px"
_LABEL = "opacity:0.7;font-size:11px;letter-spacing:0.02em;margin:6px 0 2px 0"
PRE = "margin:0 0 8px 0;white-space:pre-wrap;overflow-wrap:anywhere;max-height:320px;overflow-y:auto"
_FOOTER = "opacity:0.7;font-size:11px;line-height:1.5;margin:10px 0 2px 0"
STATES = {
    "writing": "writing",
    "ready": "waiting",
    "running": "running",
    "done": "",
    "failed": "failed",
    "dropped": "not run",
    "interrupted": "interrupted",
}
_MARKS = {"done": ("✓", "#2f9e44"), "failed": ("✕", "#e03131"), "dropped": ("–", ""), "interrupted": ("–", "")}
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")


def panel(kind: str, key: str, summary: str, body: str, *, opened: bool = False) -> tuple[str, str]:
    """Return what stands before and after `body` of a collapsible panel, joined to it: (before + body, after)."""
    attributes = (f' data-p="{escape(key)}"' if key else "") + (' open=""' if opened else "")
    before = (
        f'<details class="nba-panel nba-{kind}" style="{_PANEL}"{attributes}>'
        f'<summary style="{_SUMMARY}">{summary}</summary><div class="nba-body">'
    )
    return before + body, "</div></details>\n"


def seconds_text(seconds: float) -> str:
    """Return a duration as a person reads it: ``20 ms``, ``0.31 s``, ``3.4 s``, ``2 min 5 s``."""
    if seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def arguments_preview(arguments: str, limit: int = 80) -> str:
    """Return the arguments of a call on one line, as Python would write them where they are a JSON object."""
    try:
        parsed = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        text = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in parsed.items())
    else:
        text = arguments
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def call_summary(call: segments.Call) -> str:
    """Return the one line of a call: mark, name, arguments, and on the right how it stands."""
    if call.state == "writing":
        preview = " ".join("".join(call.arguments.pieces[-100:])[-160:].split())[-80:]
    else:
        preview = arguments_preview(call.arguments.text)
    meta = " · ".join(
        part for part in (STATES[call.state], seconds_text(call.seconds) if call.state in ("done", "failed") else "")
        if part
    )  # fmt: skip
    return (
        f'<span class="nba-meta" style="{_META}">{meta}</span>'
        f"{_mark(call.state)} "
        f'<strong class="nba-name">{inert(call.name)}</strong> '
        f'<span class="nba-preview" style="opacity:0.7">{inert(preview)}</span>'
    )


def _mark(state: str) -> str:
    mark, colour = _MARKS.get(state, ("●", ""))
    style = "display:inline-block;width:14px" + (f";color:{colour}" if colour else "")
    return f'<span class="nba-mark nba-{state}" style="{style}">{mark}</span>'


def call_arguments(call: segments.Call) -> str:
    """Return the whole arguments of a call, laid out where they are JSON."""
    text = call.arguments.text
    if not text.strip() or text.strip() == "{}":
        return ""
    try:
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        laid_out = text
    html = "\n".join(highlight_lines(_cut(laid_out), "json"))
    return f'{_label("Arguments")}<div class="highlight"><pre style="{PRE}">{html}</pre></div>'


def call_result(call: segments.Call) -> str:
    """Return what a call gave: what it showed, its error, its traceback, its output; empty before it ran."""
    parts = []
    shown = "".join(bundle_html(bundle) for bundle in call.display)
    if shown:
        parts.append(_label("Shown") + f'<div class="nba-shown">{shown}</div>')
    if call.error:
        parts.append(f'<p class="nba-error" style="margin:6px 0"><strong>{inert(call.error)}</strong></p>')
    if call.traceback:
        parts.append(_label("Traceback") + _pre(call.traceback))
    if call.output and call.output != call.error:
        parts.append(_label("Output to the model") + _pre(call.output))
    return "".join(parts)


def server_summary(tool: segments.ServerTool) -> str:
    """Return the one line of something that the service ran."""
    state = "done" if tool.state == "completed" else tool.state
    return (
        f'<span class="nba-meta" style="{_META}">{STATES[state]}</span>{_mark(state)} '
        f'<strong class="nba-name">{inert(tool.kind.replace("_", " "))}</strong>'
    )


def server_body(tool: segments.ServerTool) -> str:
    """Return what the service wrote while it ran its tool."""
    return _pre(tool.body.text) if tool.body.text.strip() else ""


def notice(text: str) -> str:
    """Return a line that the person should know."""
    return (
        '<p class="nba-notice" style="border-left:3px solid rgba(202,138,4,0.8);padding:2px 0 2px 10px;margin:8px 0">'
        f"{inert(text)}</p>\n"
    )


def refusal(text: str) -> str:
    """Return the model's refusal."""
    return f'<p class="nba-refusal" style="white-space:pre-wrap"><em>{inert(text)}</em></p>\n'


def image(segment: segments.Image) -> str:
    """Return an image of the reply, or a line that names the file where its bytes are not here."""
    if not segment.data or segment.media_type not in _IMAGES:
        return f'<p class="nba-image">image {inert(segment.file_id or segment.media_type)}</p>\n'
    return _img(segment.media_type, base64.b64encode(segment.data).decode("ascii"), "image of the reply")


def sources(citations: list[segments.Citation]) -> str:
    """Return the list of sources; empty where there are none."""
    if not citations:
        return ""
    items = []
    for citation in citations:
        title = inert(citation.title or citation.url)
        if citation.url.startswith(("http://", "https://")):
            rel = 'target="_blank" rel="noopener noreferrer nofollow"'
            title = f'<a href="{escape(citation.url)}" {rel}>{title}</a>'
        items.append(f"<li>{title}</li>")
    return f'<div class="nba-sources">{_label("Sources")}<ol style="margin:0 0 8px 0">{"".join(items)}</ol></div>\n'


def footer_text(transcript: Transcript) -> str:
    """Return the last line: how it ended where that is worth saying, model, seconds, tokens, turns."""
    words = {
        "completed": "",
        "incomplete": "Incomplete",
        "interrupted": "Interrupted",
        "failed": "Failed",
        "stopped": "Stopped",
        None: "Not finished",
    }[transcript.finish]
    parts = [words] if words else []
    if transcript.model:
        parts.append(transcript.model)
    if transcript.seconds:
        parts.append(seconds_text(transcript.seconds))
    usage = transcript.usage
    if usage.known:
        cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
        parts.append(f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out")
    if transcript.turns > 1:
        parts.append(f"{transcript.turns} turns")
    if transcript.retries:
        parts.append("1 retry" if transcript.retries == 1 else f"{transcript.retries} retries")
    return " · ".join(parts)


def footer(transcript: Transcript) -> str:
    """Return the footer, and above it in full what went wrong, if anything did."""
    trouble = ""
    if transcript.detail and transcript.finish != "completed":
        colour = "rgba(220,38,38,0.8)" if transcript.finish == "failed" else "rgba(202,138,4,0.8)"
        trouble = (
            f'<p class="nba-trouble" style="border-left:3px solid {colour};padding:2px 0 2px 10px;margin:8px 0">'
            f"{inert(transcript.detail)}</p>\n"
        )
    return f'{trouble}<div class="nba-footer" style="{_FOOTER}">{inert(footer_text(transcript))}</div>\n'


def bundle_html(bundle: Mapping[str, Any]) -> str:
    """Return the richest form of something displayed that is safe to show here."""
    for media_type in _IMAGES:
        data = bundle.get(media_type)
        if isinstance(data, bytes):
            data = base64.b64encode(data).decode("ascii")
        if isinstance(data, str):
            if media_type == "image/svg+xml":
                data = base64.b64encode(data.encode("utf-8", "replace")).decode("ascii")
            return _img(media_type, "".join(data.split()), str(bundle.get("text/plain", "image"))[:200])
    if isinstance(html := bundle.get("text/html"), str) and len(html) <= 50 * LONGEST:
        return f'<div class="nba-scroll" style="overflow-x:auto">{sanitise_shown(html)}</div>'
    if isinstance(markdown := bundle.get("text/markdown"), str):
        from .blockhtml import markdown_html

        return markdown_html(_cut(clean(markdown)), "tex")
    if isinstance(plain := bundle.get("text/plain"), str):
        return _pre(settle(plain))
    return ""


def _label(text: str) -> str:
    return f'<div class="nba-label" style="{_LABEL}">{text}</div>'


def _pre(text: str) -> str:
    return f'<pre style="{PRE}">{escape(_cut(text), quote=False)}</pre>'


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text) - LONGEST:,} more characters"


def _img(media_type: str, data: str, alt: str) -> str:
    if not all(c.isalnum() or c in "+/=" for c in data[:100]):
        return image_placeholder("", alt)
    return f'<img alt="{escape(alt)}" src="data:{media_type};base64,{escape(data)}" style="max-width:100%">\n'
