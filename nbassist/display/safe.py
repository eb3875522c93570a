"""Text and HTML from outside, made safe to stand in a page: nothing runs, nothing loads, nothing leaves its place."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

import nh3

from .clean import clean

# Exports give `pre` no font of its own; the variables are JupyterLab's, which its exports keep.
CODE_FONT = (
    "font-family:var(--jp-code-font-family, monospace);font-size:var(--jp-code-font-size, 13px);"
    "line-height:var(--jp-code-line-height, 1.35)"
)
_SCHEMES = {"http", "https", "mailto"}
_MATHML = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "mpadded"),
    *("mphantom", "mfenced", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
    *("mmultiscripts", "mtable", "mtr", "mtd", "semantics"),
}
_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "span"),
    *("div", "strong", "em", "s", "sup", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "target", "rel"},
    "ol": {"start"},
    "th": {"style"},
    "td": {"style"},
    "li": {"style"},
    **{tag: {"style"} for tag in ("div", "p", "pre", "table", "h1", "h2", "h3", "h4", "h5", "h6")},
    "math": {"display", "xmlns", "alttext"},
    **{tag: {"mathvariant", "stretchy", "displaystyle", "columnalign", "linethickness", "fence", "separator", "lspace",
             "rspace", "minsize", "maxsize", "form", "accent", "columnspacing", "rowspacing", "width", "notation",
             "open", "close", "scriptlevel", "depth", "height", "movablelimits"} for tag in _MATHML if tag != "math"},
    "*": {"class", "dir"},
}  # fmt: skip
_SANITISER = nh3.Cleaner(
    tags={*_TAGS, *_MATHML},
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    url_schemes=_SCHEMES,
    filter_style_properties={
        *("text-align", "list-style", "overflow-x", "white-space", "background", "border-radius", "padding", "margin"),
        *("font-family", "font-size", "font-weight", "line-height", "display", "gap", "overflow-wrap", "word-break"),
    },
    link_rel=None,
    strip_comments=True,
)


def good_link(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def inert(text: str) -> str:
    r"""Escape `text`, also for MathJax, which notebooks run over HTML: no ``$``, ``\(`` or ``\begin`` begins math."""
    escaped = escape(text, quote=False)
    if "$" in escaped:
        escaped = escaped.replace("$", "<span>$</span>")
    if "\\" in escaped:
        escaped = escaped.replace("\\", "<span>\\</span>")
    return escaped


def sanitise(html: str) -> str:
    """Return `html` with nothing but the tags and attributes that this module writes."""
    return _SANITISER.clean(html)


_SHOWN = nh3.Cleaner(
    tags={*_TAGS, "b", "i", "u", "small", "sub", "tfoot", "caption", "colgroup", "col", "details", "summary", "dl",
          "dt", "dd", "kbd", "samp", "var", "mark", "section", "header", "footer", "figure", "figcaption"},
    attributes={"*": {"class"}, "a": {"href"}, "th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"},
                "details": {"open"}, "ol": {"start"}},
    url_schemes=_SCHEMES,
    clean_content_tags={"script", "style", "svg", "iframe", "template", "noscript", "object"},
    link_rel="noopener noreferrer nofollow",
    strip_comments=True,
)  # fmt: skip


def sanitise_shown(html: str) -> str:
    """Return HTML that a tool displayed without anything that runs, loads, or reaches out of its place."""
    return _SHOWN.clean(clean(html)).replace("$", "<span>$</span>")


def image_placeholder(url: str, alt: str) -> str:
    """Return what stands for a remote image: its text and its host, as a link that nothing follows by itself."""
    host = urlsplit(url).hostname or "" if good_link(url) else ""
    label = escape(
        f"{alt or 'image'} — image at {host}" if host else f"{alt or 'image'} — image not shown", quote=False
    )
    label = label.replace("$", "<span>$</span>").replace("\\", "<span>\\</span>")
    if not host:
        return f'<span class="nba-image">{label}</span>'
    return f'<a class="nba-image" href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">{label}</a>'
