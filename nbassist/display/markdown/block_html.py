"""From blocks (`nbassist.display.markdown.blocks`) to HTML: whole for the static reply, by pieces for the live one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby

from markdown_it.token import Token

from ...core.html_allowlist import inert
from .blocks import Block, Splitter
from .bounds import LINKED, MATHML, SPARSEST, Credit
from .highlight import highlight_lines, language_of
from .math import MathForm
from .renderer import TABLE_CLOSE, Definitions, Renderer, code_shell, right_to_left
from .unfinished import mend

# What has a meaning inside of a cell, and what runs from right to left and is given its own direction.
_MARKED = re.compile(r"[\\`*_~\[\]<>&!$\"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


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


_ITEM = re.compile(r"[ \t]*(?:(\d{1,9})[.)])?")

_SHORT, _SHORTEST_LINES = 4_000, 4.5  # characters of a text that is rendered whatever its lines, and of a line
_LONGEST = 60_000  # characters of one block or part; more is shown as plain text


@dataclass(slots=True)
class Cache:
    """HTML of sources that came out the same for every surface: those without math."""

    html: dict[tuple[str, str, bool], str] = field(default_factory=dict)


class BlockHtml:
    """Renders the blocks of one text.

    Parameters
    ----------
    math_form : {"mathml", "tex"}
        How math is written.
    cache : Cache, optional
        Shared between the live and the static rendering of the same reply.
    definitions : Definitions, optional
        What the text defines, as far as that is known.
    """

    def __init__(
        self, math_form: MathForm = "mathml", cache: Cache | None = None, definitions: Definitions | None = None
    ) -> None:
        self.definitions = definitions if definitions is not None else Definitions()
        self._renderer = Renderer(math_form, self.definitions)
        self._cache = (cache or Cache()).html
        self._credit = Credit()
        self._styles: tuple[str, list[str]] | None = None  # of the columns of the table with that head

    def shell(self, block: Block, slot: str = "") -> tuple[str, str]:
        """Return what stands before and after the parts of a block that grows; `slot` marks the element around them."""
        if block.kind == "code":
            before, _, after = code_shell("\0", language_of(block.head), slot).partition("\0")
            return before, after
        if block.kind == "table":
            head = self._safe("head", block.head).partition("<tbody>")[0].partition("</table>")[0]
            return f"{head}<tbody{slot}>\n", f"</tbody>\n{TABLE_CLOSE}"
        mark = _ITEM.match(block.head)
        number = int(mark[1]) if mark and mark[1] else None
        tag = "ul" if number is None else "ol"
        start = "" if number in (None, 1) else f' start="{number}"'
        way = ' dir="auto"' if slot or right_to_left(block.body) else ""  # of items to come nothing is known
        return f"<{tag}{start}{way}{slot}>\n", f"</{tag}>\n"

    def parts(self, block: Block, start: int = 0) -> str:
        """Return the parts of a block from `start` on; those of code are not highlighted beyond themselves."""
        parts = block.parts[start:]
        if block.kind == "code":
            return "\n".join(highlight_lines("".join(parts), language_of(block.head)))
        if block.kind == "plain":
            return "".join(self._part(block, part) if self._covers(part) else _plain(part) for part in parts)
        if block.kind == "table":
            return self._table_rows(block, "".join(parts))
        return "".join(self._part(block, part) if self._covers(part) else _plain_item(part) for part in parts)

    def whole(self, block: Block) -> str:
        """Return all of a block."""
        if block.kind == "code":
            before, after = self.shell(block)
            lines = self.parts(block)
            # A parser drops a line end right after the tag.
            return before + ("\n" if lines.startswith("\n") else "") + lines + after
        if block.kind == "table":
            if not self._covers(block.head):
                return _plain(block.head + block.body)
            before, after = self.shell(block)
            # A table without rows has no body, as the parser writes it.
            if not block.parts:
                return before.removesuffix("<tbody>\n") + TABLE_CLOSE
            return before + self._table_rows(block, block.body) + after
        if not self._covers(block.body, len(block.parts)):
            return _plain(block.body)
        if block.kind == "plain":
            return "".join(self._safe("plain", part) for part in block.parts)
        before, after = self.shell(block)
        return before + "".join(self._part(block, part) for part in block.parts) + after

    def _covers(self, source: str, parts: int = 1) -> bool:
        more = LINKED * source.count("[") if self.definitions.references else 0.0
        if self._renderer.math_form == "mathml":
            more += MATHML * (source.count("$") + source.count("\\(") + source.count("\\["))
        return self._credit.covers(source, parts, more)

    def _part(self, block: Block, source: str) -> str:
        return self._safe("plain", source) if block.kind == "plain" else self.item(source, block.loose)[0]

    def _table_rows(self, block: Block, source: str) -> str:
        if self._styles is None or self._styles[0] != block.head:
            self._styles = block.head, styles_of(self._renderer.parse(block.head)[0])
        out: list[str] = []
        for plain, run in runs(source):
            # Each row is filled up to the width of the head: a thousand empty rows of a hundred columns are a hundred
            # thousand cells.
            if len(self._styles[1]) * run.count("\n") > SPARSEST * len(run):
                out.append(_plain_row(run))
            elif plain:
                out.append(rows_html(run, self._styles[1]))
            else:
                covered = self._covers(run)
                out.append(self._divided(self._safe("rows", block.head + run))[0] if covered else _plain_row(run))
        return "".join(out)

    def open_end(self, source: str) -> str:
        """Return what is still being written, not kept."""
        return self._renderer.html(source) if Credit().covers(source) else _plain(source)

    def open_rows(self, block: Block, source: str) -> tuple[str, str]:
        """Return rows that are still being written, and the HTML of what in `source` is no row."""
        if not Credit().covers(block.head + source):
            return _plain_row(source), ""
        return self._divided(self._renderer.html(block.head + source))

    def open_item(self, source: str, loose: bool) -> tuple[str, str]:
        """Return an item that is still being written, and the HTML of what in `source` comes after the list."""
        return self.item(source, loose) if Credit().covers(source) else (_plain_item(source), "")

    @staticmethod
    def _divided(html: str) -> tuple[str, str]:
        table, _, rest = html.partition(TABLE_CLOSE)
        return table.partition("<tbody>\n")[2].removesuffix("</table>").removesuffix("</tbody>\n"), rest

    def item(self, source: str, loose: bool) -> tuple[str, str]:
        """Return the items of a list's source, and the HTML of what in it comes after the list."""
        key = ("item", source, loose)
        if (hit := self._cache.get(key)) is not None:
            return hit, ""
        if len(source) > _LONGEST:
            return _plain_item(source), ""
        tokens, env = self._renderer.parse(source)
        end = next((i for i, token in enumerate(tokens) if token.level == 0 and token.nesting < 0), 0)
        if not tokens or not tokens[0].type.endswith("list_open"):
            return "", self._renderer.render(tokens, env)
        for token in tokens[:end]:
            if token.level == 2 and token.type.startswith("paragraph_"):
                # In a tight list the parser hides paragraphs; an item that is rendered alone can't know which list it
                # is in.
                token.hidden = not loose
        html = self._renderer.render(tokens[1:end], env)
        rest = self._renderer.render(tokens[end + 1 :], env)
        if not rest:
            self._keep(key, source, html)
        return html, rest

    def _safe(self, kind: str, source: str) -> str:
        if len(source) > _LONGEST and kind != "rows":
            return _plain(source)
        key = (kind, source, False)
        html = self._cache.get(key)
        if html is None:
            html = self._renderer.html(source)
            self._keep(key, source, html)
        return html

    def _keep(self, key: tuple[str, str, bool], source: str, html: str) -> None:
        """Remember what can come out no differently: neither math nor references of the rest are in it."""
        if "$" not in source and "\\" not in source and "[" not in source:
            self._cache[key] = html


def _closed(text: str) -> str:
    """Return `text` with what is open at its end closed, unless that would leave something out."""
    mended = mend(text)
    return mended if mended.startswith(text) else text


def _plain(source: str) -> str:
    return f'<p style="white-space:pre-wrap">{inert(source)}</p>\n'


def _plain_item(source: str) -> str:
    return f"<li>{_plain(source)}</li>\n"


def _plain_row(source: str) -> str:
    return f'<tr><td style="text-align:left;white-space:pre-wrap">{inert(source)}</td></tr>\n' if source.strip() else ""


def markdown_html(
    text: str, math_form: MathForm = "mathml", cache: Cache | None = None, *, broken_off: bool = False
) -> str:
    """Return a whole text as safe HTML, block by block; a text that can't be rendered is shown as it is.

    Where it was `broken_off`, what is open at its end is closed, as while it was written.
    """
    if len(text) > _SHORT and len(text) < _SHORTEST_LINES * text.count("\n"):
        return _plain(text)  # so many lines that even finding the blocks among them would be too dear
    try:
        splitter = Splitter() if broken_off else Splitter.of(text)
        if broken_off:
            splitter.feed(text)
            splitter.mend(_closed)
            splitter.finish()
        html = BlockHtml(math_form, cache)
        # First all definitions, then the HTML: a reference may stand before what it refers to.
        for block in splitter.closed:
            if block.kind != "code":
                html.definitions.collect(block.head + block.body)
        return "".join(html.whole(block) for block in splitter.closed)
    except Exception:  # noqa: BLE001 - a reply must not be lost to a mistake of a parser or a lexer
        return _plain(text)
