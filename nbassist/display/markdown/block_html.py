"""From blocks (`nbassist.display.markdown.blocks`) to HTML: whole for the static reply, by pieces for the live one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from .blocks import Block, Splitter
from .bounds import LINKED, MATHML, SPARSEST, Credit, formulas, too_dear_to_split
from .highlight import highlight_lines, language_of
from .math import MathForm
from .renderer import TABLE_CLOSE, Definitions, Renderer, code_shell, right_to_left
from .unfinished import mend
from .unparsed import as_text, item_as_text, item_html, plain_item, row_as_text, rows_html, runs, styles_of

_ITEM = re.compile(r"[ \t]*(?:(\d{1,9})[.)])?")
_TABLE = 3  # blocks that the head of a table costs as much as
_TOGETHER = 4_000  # characters of short blocks or items that are parsed at once
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
            return "".join(self._part(block, part) if self._covers(part) else as_text(part) for part in parts)
        if block.kind == "table":
            return self._table_rows(block, "".join(parts))
        return "".join(
            self._part(block, part) if plain_item(part) or self._covers(part) else item_as_text(part) for part in parts
        )

    def whole(self, block: Block) -> str:
        """Return all of a block."""
        if block.kind == "code":
            before, after = self.shell(block)
            lines = self.parts(block)
            # A parser drops a line end right after the tag.
            return before + ("\n" if lines.startswith("\n") else "") + lines + after
        if block.kind == "table":
            if not self._covers(block.head, _TABLE):
                return as_text(block.head + block.body)
            before, after = self.shell(block)
            # A table without rows has no body, as the parser writes it.
            if not block.parts:
                return before.removesuffix("<tbody>\n") + TABLE_CLOSE
            return before + self._table_rows(block, block.body) + after
        dear = [part for part in block.parts if block.kind != "list" or not plain_item(part)]
        body, source = block.body, "".join(dear)
        self._credit.earn(len(body) - len(source))
        if not self._covers(source, max(1, len(dear))):
            return as_text(body)
        if block.kind == "plain":
            return "".join(self._safe("plain", part) for part in block.parts)
        before, after = self.shell(block)
        return before + self._together("item", block.parts, block.loose) + after

    def all(self, blocks: Sequence[Block]) -> str:
        """Return all of some blocks of one text, in their order."""
        out: list[str] = []
        for plain, group in groupby(blocks, lambda block: block.kind == "plain" and len(block.parts) == 1):
            if not plain:
                out += map(self.whole, group)
                continue
            for covered, found in groupby([block.body for block in group], self._covers):
                sources = list(found)
                out.append(self._together("plain", sources) if covered else as_text("".join(sources)))
        return "".join(out)

    def _together(self, kind: Literal["plain", "item"], sources: Iterable[str], loose: bool = False) -> str:
        """Return blocks or items that follow each other, parsed together: one by one it takes twice the time."""
        out: list[str] = []
        run: list[str] = []
        size = 0
        for source in sources:
            # What the live view has painted is there already, what is plain needs no parser, and what runs from right
            # to left is marked alone.
            plain = kind == "item" and plain_item(source)
            alone = plain or (kind, source, loose) in self._cache or right_to_left(source)
            if run and (alone or size + len(source) > _TOGETHER):
                out.append(self._one(kind, "".join(run), loose))
                run, size = [], 0
            if alone:
                out.append(self._one(kind, source, loose))
            else:
                run.append(source)
                size += len(source)
        return "".join([*out, self._one(kind, "".join(run), loose) if run else ""])

    def _one(self, kind: Literal["plain", "item"], source: str, loose: bool) -> str:
        return self.item(source, loose)[0] if kind == "item" else self._safe("plain", source)

    def _covers(self, source: str, parts: int = 1, credit: Credit | None = None) -> bool:
        more = LINKED * source.count("[") if self.definitions.references else 0.0
        if self._renderer.math_form == "mathml":
            more += MATHML * formulas(source)
        return (credit or self._credit).covers(source, parts, more)

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
                out.append(row_as_text(run))
            elif plain:
                out.append(rows_html(run, self._styles[1]))
            else:
                covered = self._covers(run)
                out.append(self._divided(self._safe("rows", block.head + run))[0] if covered else row_as_text(run))
        return "".join(out)

    def open_end(self, source: str) -> str:
        """Return what is still being written, not kept."""
        return self._renderer.html(source) if self._covers(source, credit=Credit()) else as_text(source)

    def open_rows(self, block: Block, source: str) -> tuple[str, str]:
        """Return rows that are still being written, and the HTML of what in `source` is no row."""
        if not self._covers(block.head + source, credit=Credit()):
            return row_as_text(source), ""
        return self._divided(self._renderer.html(block.head + source))

    def open_item(self, source: str, loose: bool) -> tuple[str, str]:
        """Return an item that is still being written, and the HTML of what in `source` comes after the list."""
        return self.item(source, loose) if self._covers(source, credit=Credit()) else (item_as_text(source), "")

    @staticmethod
    def _divided(html: str) -> tuple[str, str]:
        table, _, rest = html.partition(TABLE_CLOSE)
        return table.partition("<tbody>\n")[2].removesuffix("</table>").removesuffix("</tbody>\n"), rest

    def item(self, source: str, loose: bool) -> tuple[str, str]:
        """Return the items of a list's source, and the HTML of what in it comes after the list."""
        if plain := item_html(source, loose):
            return plain, ""
        key = ("item", source, loose)
        if (hit := self._cache.get(key)) is not None:
            return hit, ""
        if len(source) > _LONGEST:
            return item_as_text(source), ""
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
            return as_text(source)
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


def markdown_html(
    text: str, math_form: MathForm = "mathml", cache: Cache | None = None, *, broken_off: bool = False
) -> str:
    """Return a whole text as safe HTML, block by block; a text that can't be rendered is shown as it is.

    Where it was `broken_off`, what is open at its end is closed, as while it was written.
    """
    if too_dear_to_split(text):
        return as_text(text)
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
        return html.all(splitter.closed)
    except Exception:  # noqa: BLE001 - a reply must not be lost to a mistake of a parser or a lexer
        return as_text(text)
