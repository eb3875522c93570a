"""HTML that was rendered from a model's markdown, or that a tool displayed, taken down to what is on our lists.

Styles are inline, since a notebook that is not trusted keeps no style element; those named here are let through, and no
others: a style is ours or it is none.

A new tag, class or style of a reply goes in here; the last list that all pages go through,
`nbassist.core.html_allowlist`, has to know it as well.
"""

from __future__ import annotations

import re
from html import escape
from urllib.parse import urlsplit

from pygments.token import STANDARD_TYPES

from ...core.html_allowlist import MATHML, MATHML_ATTRIBUTES, SCHEMES, good_link, own_picture, with_first_lines
from ...core.html_cleaner import cleaner
from ...core.text import clean

# Exports give `pre` no font of its own; the variables are JupyterLab's, which its exports keep.
CODE_FONT = (
    "font-family:var(--jp-code-font-family, monospace);font-size:var(--jp-code-font-size, 13px);"
    "line-height:var(--jp-code-line-height, 1.35)"
)
# Neutral to the theme.
CODE = "background:rgba(128, 128, 128, 0.09);border-radius:6px;padding:8px 12px;margin:0 0 12px 0;overflow-x:auto"
PRE = f"background:transparent;margin:0;padding:0;word-break:normal;overflow-wrap:anywhere;{CODE_FONT}"
SCROLL = "overflow-x:auto"
TABLE = "margin:0 0 12px 0;overflow-wrap:normal"
CELLS = {"left": "text-align:left", "right": "text-align:right", "center": "text-align:center"}
TASK = "list-style:none"
# JupyterLab floats terms to the left of one line of meaning, and in a grid nothing floats.
DEFINED = {
    "dl": "display:grid;margin:0 0 12px 0",
    "dt": "min-width:100%;font-weight:600",
    "dd": "margin:0 0 0 24px",
    "details": "border:0;padding:0;margin:0 0 12px 0;background:transparent;box-shadow:none",
    "summary": "display:list-item;margin:0 0 0 15px;padding:0;background:transparent;overflow:visible",
}
# Lines of a diff: no theme of Jupyter's colours them.
CHANGED = {"gd": "background:rgba(220, 60, 60, 0.2)", "gi": "background:rgba(40, 160, 80, 0.22)"}
# The colour that JupyterLab's light theme gives to comments has 4.1 to 1 on the ground of code.
COMMENT = "color:inherit;opacity:0.75"
LANGUAGE = "opacity:0.75;font-size:11px;line-height:1.2;margin:0 0 4px 0"
CITED = "background:rgba(128,128,128,0.18);border-radius:4px;padding:0 3px;margin:0 1px"
FOOTNOTE = "display:flex;gap:6px;font-size:13px"
_SIZES = {"h1": "1.45em", "h2": "1.25em", "h3": "1.1em", "h4": "1em", "h5": "1em", "h6": "1em"}
HEADINGS = {tag: f"font-size:{size};font-weight:600;margin:18px 0 6px 0" for tag, size in _SIZES.items()}

STYLES = {
    "div": {CODE, SCROLL, FOOTNOTE, LANGUAGE},
    "pre": {PRE},
    "table": {TABLE},
    "th": set(CELLS.values()),
    "td": set(CELLS.values()),
    "li": {TASK},
    "sup": {CITED},
    "span": {*CHANGED.values(), COMMENT},
    **{tag: {style} for tag, style in DEFINED.items()},
    **{tag: {style} for tag, style in HEADINGS.items()},
}
"""Which styles each element may have."""


_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "span"),
    *("div", "strong", "em", "s", "sup", "a", "table", "thead", "tbody", "tr", "th", "td", "img"),
    *("sub", "kbd", "mark", "u", "small", "b", "i", "details", "summary", "dl", "dt", "dd"),
}
_OURS = {
    "span": {"math", "nba-image", *(name for name in STANDARD_TYPES.values() if name)},
    "div": {"highlight", "nba-scroll", "nba-footnote", "nba-lang"},
    "li": {"task-list-item"},
    "sup": {"nba-source"},
    "a": {"nba-image"},
}
"""The classes that are in rendered markdown: ours, and Pygments' for code."""


def _kept(element: str, attribute: str, value: str) -> str | None:
    good = {"href": good_link, "src": own_picture}.get(attribute)
    return value if good is None or good(value) else None


_SANITISER = cleaner(
    tags={*_TAGS, *MATHML},
    attributes={
        "*": set(),
        "a": {"href", "title", "target", "rel"},
        "ol": {"start"},
        "table": {"cellpadding"},
        "img": {"src", "alt"},
        "details": {"open"},
        "math": {"display", "alttext"},
        **{tag: set(MATHML_ATTRIBUTES) for tag in MATHML if tag != "math"},
    },
    attribute_filter=_kept,
    tag_attribute_values={tag: {"style": set(styles)} for tag, styles in STYLES.items()},
    allowed_classes={tag: set(names) for tag, names in _OURS.items()},
    url_schemes={*SCHEMES, "data"},  # `data` for pictures alone: `_kept` sees to it
    # `rel` is among the attributes, as `link_open` writes it; nh3 takes no second word on it.
    link_rel=None,
    strip_comments=True,
)


def sanitise(html: str) -> str:
    """Return rendered markdown with nothing in it but the tags, attributes, classes and styles that rendering gives."""
    return with_first_lines(_SANITISER.clean(html))


_SHOWN = cleaner(
    tags={*(_TAGS - {"img"}), "b", "i", "u", "small", "sub", "tfoot", "caption", "colgroup", "col", "details",
          "summary", "dl", "dt", "dd", "kbd", "samp", "var", "mark", "section", "header", "footer", "figure",
          "figcaption"},
    attributes={"*": {"class"}, "a": {"href"}, "th": {"colspan", "rowspan", "scope"}, "td": {"colspan", "rowspan"},
                "details": {"open"}, "ol": {"start"}},
    url_schemes=SCHEMES,
    clean_content_tags={"script", "style", "svg", "iframe", "template", "noscript", "object"},
    link_rel="noopener noreferrer nofollow",
    strip_comments=True,
)  # fmt: skip


def sanitise_shown(html: str) -> str:
    """Return HTML that a tool displayed without anything that runs, loads, or reaches out of its place."""
    # MathJax looks for formulas within one text: a dollar alone in its element begins none.
    return _OUTSIDE.sub(_without_math, _SHOWN.clean(clean(html)))


# Text, or a tag, which is left alone; a sanitised page has no `>` in a tag but in quotes.
_OUTSIDE = re.compile(r"""<[^>"]*(?:"[^"]*"[^>"]*)*>|[$\\]""")


def _without_math(match: re.Match[str]) -> str:
    found = match.group()
    return found if found.startswith("<") else f"<span>{found}</span>"


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
