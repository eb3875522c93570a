"""The library that cleans HTML by a list, and what stands in for it where it is missing: the text alone.

nh3 is compiled. A Python without its wheel, such as one in a browser that does not reach Pyodide's packages, must not
show HTML that nothing has gone over: there each reply is its text, escaped.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from html.parser import HTMLParser
from typing import Any, Protocol

from .notices import tell_once


class HtmlCleaner(Protocol):
    """Takes HTML down to what is on its list."""

    def clean(self, html: str) -> str: ...


def cleaner(**rules: Any) -> HtmlCleaner:
    """Return a cleaner of nh3 with these rules; without nh3 one that leaves the text alone, which is said once.

    Parameters
    ----------
    **rules
        As `nh3.Cleaner` takes them.
    """
    try:
        import nh3
    except ImportError:
        tell_once(
            "sanitiser",
            "replies are shown as plain text: the sanitiser nh3 is not installed here, and HTML is not shown without "
            "it; install nh3, and restart the kernel",
        )
        return EscapedText()
    return nh3.Cleaner(**rules)


class EscapedText:
    """Keeps no tag of what it gets: the text of a page, each block on a line of its own, escaped.

    The places that a live page is painted in are made anew, as plain elements with nothing but the place's number.
    """

    def clean(self, html: str) -> str:
        """Return the text of `html`; empty where there is none."""
        reader = _Reader()
        reader.feed(html)
        reader.close()
        text = reader.written()
        # The style is on the list of all pages; a second round takes the element off and puts it on again.
        return f'<div style="white-space:pre-wrap">{text}</div>' if text else ""


_MATH = re.compile(r"[$\\]")
_BLOCK_NAMES = """
p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre div table tr details summary dl dt dd section form
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_EMPTY = frozenset(("br", "hr", "img", "input", "col"))
_CELLS = frozenset(("td", "th"))
_DROPPED = frozenset(("script", "style", "svg", "iframe", "template", "noscript", "object"))


class _Reader(HTMLParser):
    """Collects the text. What it writes is escaped, or an element of its own: what it gets wrong can't run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._open: list[tuple[str, bool]] = []  # each tag that is open, and whether it is a place
        self._names: Counter[str] = Counter()  # how many of each are: a page may open thousands, and end others
        self._dropped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._dropped += 1
        elif tag in _BLOCKS:
            self._break()
        elif tag in _CELLS:
            self._pieces.append("\t")
        place = dict(attrs).get("data-s") or ""
        is_place = place.isdecimal() and place.isascii()
        if is_place:
            self._pieces.append(f'<div data-s="{place}">')
        if tag not in _EMPTY:
            self._open.append((tag, is_place))
            self._names[tag] += 1
        elif is_place:
            self._pieces.append("</div>")

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._dropped = max(self._dropped - 1, 0)
        if self._names[tag]:
            self._end(tag)
        if tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if data and not self._dropped:
            # MathJax looks for formulas within one text: a dollar alone in its element begins none.
            self._pieces.append(_MATH.sub(r"<span>\g<0></span>", escape(data, quote=False)))

    def _break(self) -> None:
        if self._pieces and not self._pieces[-1].endswith(("\n", '">', "</div>")):
            self._pieces.append("\n")

    def _end(self, tag: str) -> None:
        """End an element, and with it all that stand open in it; with an empty name all."""
        while self._open:
            name, is_place = self._open.pop()
            self._names[name] -= 1
            if is_place:
                self._pieces.append("</div>")
            if name == tag:
                return

    def written(self) -> str:
        """Return what was collected, each element of ours ended."""
        self._end("")
        return "".join(self._pieces).strip("\n")
