"""What needs no parser: rows and items that hold nothing but words, and text that would be too dear to render."""

from __future__ import annotations

import re
from itertools import groupby

from markdown_it.token import Token

from ...core.html_allowlist import inert

# What has a meaning inside of a cell, and what runs from right to left and is given its own direction.
_MARKED = re.compile(r"[\\`*_~\[\]<>&!$\"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]|://|:[a-z0-9_+-]+:")


def is_plain(row: str) -> bool:
    """Return whether a line of a table holds nothing that a parser would see in it but its bars."""
    return _MARKED.search(row) is None


def runs(source: str) -> list[tuple[bool, str]]:
    """Return `source`, whole lines, as stretches of plain rows and of others, in order."""
    lines = [line + "\n" for line in source.split("\n")[:-1]]
    return [(plain, "".join(group)) for plain, group in groupby(lines, is_plain)]


def styles_of(tokens: list[Token]) -> list[str]:
    """Return the style of each column, from the tokens of the table's head."""
    return [str(token.attrs.get("style", "text-align:left")) for token in tokens if token.type == "th_open"]


def rows_html(source: str, styles: list[str]) -> str:
    """Return plain rows as the parser would render them: as many cells as there are columns, whatever a row has."""
    out: list[str] = []
    for line in source.split("\n")[:-1]:
        cells = line.strip().removeprefix("|").removesuffix("|").split("|")[: len(styles)]
        cells += [""] * (len(styles) - len(cells))
        inside = "".join(
            f'<td style="{style}">{inert(cell.strip())}</td>\n' for style, cell in zip(styles, cells, strict=True)
        )
        out.append(f"<tr>\n{inside}</tr>\n")
    return "".join(out)


# One line that begins with a word, with nothing in it that any rule looks for: it comes out as it stands.
_ITEM = re.compile(
    r"(?:[-+*]|\d{1,9}[.)]) {1,4}((?!\d+[.)](?: |$))[^\W_](?:[ -~\u00c0-\u024f\u0370-\u052f\u3040-\u30ff\u4e00-\u9fff]"
    r"(?<![\\`*_~\[\]<>&!$\"|:])|:(?= ))*)\n+",
    re.MULTILINE,
)


def plain_item(source: str) -> bool:
    """Return whether an item of a list holds nothing that a parser would see in it."""
    return _ITEM.fullmatch(source) is not None


def item_html(source: str, loose: bool) -> str:
    """Return such an item as the parser would render it; empty where it is none."""
    found = _ITEM.fullmatch(source)
    if found is None:
        return ""
    text = inert(found[1].rstrip(" "))
    return f"<li><p>{text}</p>\n</li>\n" if loose else f"<li>{text}</li>\n"


def as_text(source: str) -> str:
    """Return a block as it was written."""
    return f'<p style="white-space:pre-wrap">{inert(source)}</p>\n'


def item_as_text(source: str) -> str:
    """Return an item of a list as it was written."""
    return f"<li>{as_text(source)}</li>\n"


def row_as_text(source: str) -> str:
    """Return a row of a table as it was written."""
    return f'<tr><td style="text-align:left;white-space:pre-wrap">{inert(source)}</td></tr>\n' if source.strip() else ""
