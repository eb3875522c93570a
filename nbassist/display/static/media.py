"""What a call displayed and what the reply pictures, as HTML that is safe to stand anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from ...core.html_allowlist import inert
from ...core.mime import in_words, needs_page
from ...core.text import clean, settle
from .. import segments
from ..markdown.sanitiser import CODE_FONT, image_placeholder, sanitise_shown

LONGEST = 20_000  # characters of an output or traceback shown in a panel
PRE = (
    "margin:0 0 8px 0;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;max-height:320px;overflow-y:auto;"
    + CODE_FONT
)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")


def bundle_html(bundle: Mapping[str, Any]) -> str:
    """Return the richest form of something displayed that is safe to show here; empty where none is."""
    said = f"<p>{inert(in_words(bundle))}, shown below while it is live</p>" if needs_page(bundle) else ""
    for media_type in _IMAGES:
        data = bundle.get(media_type)
        if isinstance(data, bytes):
            data = base64.b64encode(data).decode("ascii")
        if isinstance(data, str):
            # As an image, not as markup: within `img` it runs no script.
            if media_type == "image/svg+xml":
                data = base64.b64encode(data.encode("utf-8", "replace")).decode("ascii")
            return _img(media_type, "".join(data.split()), str(bundle.get("text/plain", "image"))[:200]) + said
    if said:
        return said + (pre(settle(plain)) if isinstance(plain := bundle.get("text/plain"), str) else "")
    # A parser of HTML takes its time over megabytes of it, and they would stand in the notebook's file.
    if isinstance(html := bundle.get("text/html"), str) and len(html) <= 50 * LONGEST:
        return f'<div class="nba-scroll" style="overflow-x:auto">{sanitise_shown(html)}</div>'
    if isinstance(markdown := bundle.get("text/markdown"), str):
        from ..markdown.block_html import markdown_html

        return markdown_html(cut(clean(markdown)), "tex")
    if isinstance(plain := bundle.get("text/plain"), str) and plain.strip():
        return pre(settle(plain))
    return ""


def only_text(bundles: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what was displayed where all of it is plain text; None where any of it has another form."""
    found = list(bundles)
    if any(set(bundle) - {"text/plain"} for bundle in found):
        return None
    return "\n".join(str(bundle.get("text/plain", "")) for bundle in found).strip()


def image(segment: segments.ImageSegment) -> str:
    """Return an image of the reply, or a line that names the file where its bytes are not here."""
    if not segment.data or segment.media_type not in _IMAGES:
        return f'<p class="nba-image">image {inert(segment.file_id or segment.media_type)}</p>\n'
    alt = "image of the reply, not finished" if segment.partial else "image of the reply"
    return _img(segment.media_type, base64.b64encode(segment.data).decode("ascii"), alt)


def seen_by_model(call: segments.CallSegment) -> str:
    """Return the images that the model got of a call and that nothing it displayed shows already."""
    shown = "".join(_image_data(call.display))
    images = ((one.media_type, base64.b64encode(one.data).decode("ascii")) for one in call.images)
    return "".join(_img(kind, data, "image for the model") for kind, data in images
                   if kind in _IMAGES and data not in shown)  # fmt: skip


def _image_data(bundles: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for bundle in bundles:
        for media_type in _IMAGES:
            data = bundle.get(media_type)
            if isinstance(data, bytes):
                yield base64.b64encode(data).decode("ascii")
            elif isinstance(data, str):
                yield "".join(data.split())


def pre(text: str) -> str:
    """Return text as it stands, cut where it is very long."""
    return f'<pre style="{PRE}">{escape(cut(text), quote=False)}</pre>'


def cut(text: str, longest: int = LONGEST) -> str:
    """Return `text`, or its beginning and how much is left out."""
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest:,} more characters"


def _img(media_type: str, data: str, alt: str) -> str:
    if not all(c.isalnum() or c in "+/=" for c in data[:100]):
        return image_placeholder("", alt)
    return f'<img alt="{escape(alt)}" src="data:{media_type};base64,{escape(data)}" style="max-width:100%">\n'
