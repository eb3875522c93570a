"""The last look at HTML before it leaves: an allow-list that every page, live, saved or exported, goes through.

Text from outside is escaped where it is put into HTML (`inert`). `seal` does not trust that: whatever a library or a
mistake of ours let through is taken out here, so that nothing runs, nothing is fetched and nothing leaves its place.

What a reply or a tool may show is narrower, and stands in `nbassist.display.markdown.sanitiser`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from html import escape
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from .html_cleaner import HtmlCleaner, cleaner
from .text import clean

SCHEMES = {"http", "https", "mailto"}
_MATHML_NAMES = """
math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom menclose msub msup msubsup munder
mover munderover mmultiscripts mtable mtr mtd merror
"""
MATHML = frozenset(_MATHML_NAMES.split())
_MATHML_ATTRIBUTE_NAMES = """
display mathvariant stretchy displaystyle scriptlevel columnalign columnspacing columnlines rowlines rowspacing
linethickness fence separator lspace rspace minsize maxsize form accent accentunder width height depth voffset
notation movablelimits largeop symmetric
"""
MATHML_ATTRIBUTES = frozenset(_MATHML_ATTRIBUTE_NAMES.split())
"""What a formula may be made of, and no element of HTML among it."""

_TAG_NAMES = """
p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code span div strong em b i u s small sub sup a img table
thead tbody tfoot tr th td caption colgroup col details summary dl dt dd kbd samp var mark ins del section
header footer figure figcaption
"""
_TAGS = frozenset(_TAG_NAMES.split())
# Of the question in a live page.
_CONTROL_NAMES = """
form button label textarea input
"""
_CONTROLS = frozenset(_CONTROL_NAMES.split())
_ATTRIBUTES = {
    "a": {"href", "title", "target", "rel", "download"},
    "img": {"src", "alt"},
    "ol": {"start"},
    "details": {"open"},
    "table": {"cellpadding"},
    "th": {"colspan", "rowspan", "scope", "align", "valign"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "tr": {"valign"},
    "math": {"display", "alttext"},
    **{tag: set(MATHML_ATTRIBUTES) for tag in MATHML if tag != "math"},
    "*": {"class", "dir", "style"},
}
_OF_CONTROLS = {
    "form": {"aria-labelledby"},
    "button": {"type"},
    "label": {"for"},
    "textarea": {"id", "rows", "spellcheck"},
    "input": {"type", "aria-label", "placeholder", "maxlength"},
    "p": {"id", "role"},
    "div": {"hidden"},
}
_PROPERTY_NAMES = """
align-items background border border-bottom border-collapse border-left border-radius box-shadow color cursor display
flex flex-shrink
font-family font-size font-weight gap letter-spacing line-height list-style list-style-position margin
margin-bottom margin-left max-height max-width min-width opacity overflow overflow-wrap overflow-x overflow-y
padding padding-left text-align text-decoration text-overflow vertical-align white-space word-break
"""
_PROPERTIES = _PROPERTY_NAMES.split()
# No address can be written with these characters, and of functions only a colour and a variable of JupyterLab's.
_VALUE = r"(?:rgba\([\d., ]+\)|var\(--jp-[a-z0-9-]+(?:,[\w .,%-]+)?\)|[\w .,%#-])+"
# Of properties that hosts define, these alone, and with this value alone: see `NO_ICONS`.
_NO_ICON = r"--md-(?:admonition-icon--note|details-icon):linear-gradient\(transparent,transparent\)"
_STYLE = re.compile(rf"(?:(?:(?:{'|'.join(_PROPERTIES)}):{_VALUE}|{_NO_ICON})(?:;|\Z))*\Z")
NO_ICONS = ";".join(
    f"--md-{name}:linear-gradient(transparent,transparent)" for name in ("admonition-icon--note", "details-icon")
)
"""For the outermost element: MkDocs Material draws two icons over the line of each panel, by masks that these name. No
inline style reaches what stands before and after an element, but a mask that shows nothing does."""

# Within an `img` element SVG runs no script and loads nothing, whatever is in it.
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]*\Z")

# Of a model's text no SVG: it is a document, whatever a browser makes of it within an image.
_OWN_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*\Z")

# Of a type that every browser saves and none opens, so that nothing in it runs.
OWN_FILE = "data:application/octet-stream;base64,"
_OWN_FILE = re.compile(rf"{re.escape(OWN_FILE)}[A-Za-z0-9+/=]*\Z")

_FIRST_LINE = re.compile(r"(<(?:pre|textarea)(?: [^>]*)?>)(?=\n)")

Place: TypeAlias = Literal["", "tbody"]


def good_link(url: str) -> bool:
    """Return whether a link may stand in a page: one that a person can follow, and that runs nothing."""
    try:
        return urlsplit(url.strip()).scheme.lower() in SCHEMES
    except ValueError:
        return False


def own_picture(url: str) -> bool:
    """Return whether `url` is a picture in itself, of a kind that runs nothing: it is shown, and nothing is fetched."""
    return _OWN_PICTURE.match(url) is not None


def inert(text: str) -> str:
    r"""Return `text` clean and escaped, for MathJax, too, which runs over notebooks: no ``$`` or ``\(`` begins math."""
    escaped = escape(clean(text), quote=False)
    if "$" in escaped:
        escaped = escaped.replace("$", "<span>$</span>")
    if "\\" in escaped:
        escaped = escaped.replace("\\", "<span>\\</span>")
    return escaped


def seal(html: str, *, place: Place = "", controls: bool = False) -> str:
    """Return `html` with nothing in it but what a page of ours is made of.

    Parameters
    ----------
    html : str
        A whole, or a part that closes what it opens.
    place : str
        The element that a part goes into, where it can't stand elsewhere: rows only stand in a table.
    controls : bool
        Whether the buttons and fields of a question may be in it: in a live page alone.
    """
    if not html.isascii():
        html = html.encode("utf-8", "replace").decode()  # a lone surrogate is no character, and no parser takes it
    # Most of what is patched into a page is a few plain words.
    if "<" not in html and "&" not in html:
        return html
    # A parser of HTML drops rows that stand in no table.
    before, after = ("<table><tbody>", "</tbody></table>") if place == "tbody" else ("", "")
    sealed = _cleaner(controls).clean(before + html + after).removeprefix(before).removesuffix(after)
    return with_first_lines(sealed)


def with_first_lines(html: str) -> str:
    """Return what a parser wrote out with the line ends that the next one drops: right after the tags of code."""
    return _FIRST_LINE.sub(r"\1\n", html) if "<pre" in html or "<textarea" in html else html


@functools.cache
def _cleaner(controls: bool) -> HtmlCleaner:
    attributes = {tag: set(names) for tag, names in _ATTRIBUTES.items()}
    for tag, names in _OF_CONTROLS.items() if controls else ():
        attributes[tag] = attributes.get(tag, set()) | names
    return cleaner(
        tags={*_TAGS, *MATHML, *(_CONTROLS if controls else ())},
        attributes=attributes,
        attribute_filter=_kept,
        generic_attribute_prefixes={"data-"},  # names of places, which the page's own script reads
        # `data:` is let through here and held to pictures and files by `_CHECKS`: the schemes are one list for all.
        url_schemes={*SCHEMES, "data"},
        clean_content_tags={"script", "style", "svg", "iframe", "template", "noscript", "object"},
        # nh3 refuses to set `rel` itself where it is among the attributes that may be there.
        link_rel=None,
        strip_comments=True,
    )


def _kept(element: str, attribute: str, value: str) -> str | None:
    check = _CHECKS.get(attribute)
    return value if check is None or check(value) else None


_CHECKS: dict[str, Callable[[str], bool]] = {
    "style": functools.lru_cache(maxsize=512)(lambda value: _STYLE.match(value) is not None),
    "src": lambda value: _IMAGE.match(value) is not None,
    # A file that came with the reply is in its link; text of a model can't bring one, see its sanitiser.
    "href": lambda value: good_link(value) or _OWN_FILE.match(value) is not None,
}
