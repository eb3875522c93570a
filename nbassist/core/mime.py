"""Which displays need a page of their own, live, and what they are in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SCRIPTED = re.compile(r"<\s*(script|iframe|audio|video|object|embed|canvas)\b", re.IGNORECASE)
_WIDGET = "application/vnd.jupyter.widget-view+json"
_KINDS = (
    (re.compile(r"application/vnd\.plotly"), "a Plotly figure"),
    (re.compile(r"application/vnd\.vegalite"), "a Vega-Lite chart"),
    (re.compile(r"application/vnd\.vega"), "a Vega chart"),
    (re.compile(r"application/vnd\.(bokehjs|holoviews)"), "a Bokeh plot"),
    (re.compile(re.escape(_WIDGET)), "a widget"),
    (re.compile(r"application/geo\+json"), "a map"),
    (re.compile(r"audio/"), "a sound"),
    (re.compile(r"video/"), "a film"),
    (re.compile(r"application/vnd\."), "a display of its own kind"),
    (re.compile(r"application/javascript"), "a script"),
)
_TAGS = {"audio": "a sound", "video": "a film", "iframe": "a page in a frame", "canvas": "a drawing"}


def needs_page(bundle: Mapping[str, Any]) -> bool:
    """Return whether a display can be shown only live, by the page's own means: scripts, widgets, players."""
    return bool(_kind(bundle))


def in_words(bundle: Mapping[str, Any]) -> str:
    """Return what such a display is, with its title where it has one; empty for any other."""
    kind = _kind(bundle)
    if not kind:
        return ""
    title = next((found for mime, data in bundle.items() if mime.endswith("json") and (found := _title(data))), "")
    return f"{kind} “{title}”" if title else kind


def _kind(bundle: Mapping[str, Any]) -> str:
    # By the media type first: the HTML beside a chart's own type is a script that draws the same chart.
    for pattern, kind in _KINDS:  # a plot of Bokeh is a script, too
        if any(map(pattern.match, bundle)):
            return kind
    html = bundle.get("text/html")
    found = _SCRIPTED.search(html) if isinstance(html, str) else None
    return _TAGS.get(found[1].lower(), "HTML with scripts") if found else ""


def _title(data: Any) -> str:
    """The title in a chart's own words: a text, or an object that holds it; Plotly has it in the layout."""
    if not isinstance(data, Mapping):
        return ""
    layout = data.get("layout")
    title = data.get("title") or (layout.get("title") if isinstance(layout, Mapping) else "")
    if isinstance(title, Mapping):
        title = title.get("text")
    return " ".join(title.split())[:80] if isinstance(title, str) else ""
