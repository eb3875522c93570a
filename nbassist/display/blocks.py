"""Splits markdown into blocks while it is written, each line looked at a bounded number of times.

A block is closed when a later block has begun, on whole lines only: no later text changes what came before it, but
for link references and footnotes (`Definitions` in `nbassist.display.markdown`). So any cuts of a text give the same
blocks. Blocks that may be long grow by parts (lines of code, rows of a table, items of a list), and a part is final
once it is in `Block.parts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from markdown_it.token import Token

from .markdown import block_parser

_PROBE = {"-": "- x\n", "*": "* x\n", "+": "+ x\n", ".": "1. x\n", ")": "1) x\n"}
_SPACE = re.compile(r"^[ \t]+", re.MULTILINE)
_STRETCH = 256  # characters looked at in one go


def _grows(token: Token) -> bool:
    return token.type in ("fence", "table_open", "bullet_list_open", "ordered_list_open")


def _dedent(space: str, indent: int) -> str:
    """Take `indent` columns off the start of a line, as CommonMark does for a fence that is indented."""
    column = at = 0
    while column < indent and at < len(space):
        column += 4 - column % 4 if space[at] == "\t" else 1
        at += 1
    return " " * max(0, column - indent) + space[at:]


@dataclass(slots=True)
class Block:
    """A top-level block of markdown.

    Parameters
    ----------
    kind : {"plain", "code", "table", "list"}
        `plain` is everything that does not grow by parts.
    head : str
        Of code its info string, of a table its first two lines, of a list its opening line; else empty.
    parts : list of str
        Source text: of `plain` one, of code stretches of whole lines, of a table rows, of a list items.
    loose : bool
        Of a list: its items are paragraphs; may turn true once.
    """

    kind: Literal["plain", "code", "table", "list"]
    head: str = ""
    parts: list[str] = field(default_factory=list)
    loose: bool = False

    @property
    def body(self) -> str:
        """The parts, joined."""
        return "".join(self.parts)


class Splitter:
    """Takes pieces of a text and gives its blocks.

    Attributes
    ----------
    closed : list of Block
        The blocks that are final, in order; it only ever grows.
    growing : Block or None
        A block of code, table or list that is being written; its parts are final already.
    """

    def __init__(self) -> None:
        self.closed: list[Block] = []
        self.growing: Block | None = None
        self._line: list[str] = []  # pieces of the line that has no end yet
        self._tail = ""  # whole lines that belong to no part yet
        self._fence: re.Pattern[str] | None = None
        self._indent = 0
        self._seen = 0  # length of the tail when it was last parsed

    def feed(self, text: str) -> None:
        """Take the next piece and close what can be closed."""
        end = text.rfind("\n") + 1
        if not end:
            self._line.append(text)
            return
        lines = "".join(self._line) + text[:end]
        self._line = [text[end:]] if end < len(text) else []
        begin = 0
        while begin < len(lines):  # a long text in one piece costs no more than the same in many
            end = lines.find("\n", min(begin + _STRETCH, len(lines) - 1)) + 1
            self._advance(lines[begin:end], final=False)
            begin = end

    def finish(self) -> None:
        """The text is at its end: close everything."""
        last = "".join(self._line)
        self._line = []
        self._advance(last + "\n" if last else "", final=True)
        if self.growing is not None:
            if self.growing.kind == "list":
                self._end_list(self.growing, self._tail)
            self._close(self.growing)
        elif self._tail.strip():
            self._close(Block("plain", parts=[self._tail]))
        self._tail = ""

    def mend(self, mended: Callable[[str], str]) -> None:
        """Put in the place of what is open at the end what `mended` makes of it; code is left as it is."""
        if self._fence is None:
            self._tail, mark, line = mended(self.rest).rpartition("\n")
            self._tail += mark
            self._line = [line] if line else []

    @property
    def rest(self) -> str:
        """The text after the last final part: what may still change."""
        return self._tail + "".join(self._line)

    @property
    def line(self) -> str:
        """The line that has no end yet."""
        return "".join(self._line)

    def _close(self, block: Block) -> None:
        self.closed.append(block)
        self.growing = self._fence = None

    def _advance(self, lines: str, final: bool) -> None:
        if self._fence is not None:
            lines = self._code(lines)
        self._tail += lines
        # A tail that is long already is parsed again only when it has grown by a sixteenth, so that a paragraph or
        # a quotation of any length costs in proportion. Closing later gives the same blocks.
        if not final and len(self._tail) - self._seen <= self._seen >> 4:
            return
        while self._tail and self._step():
            pass
        self._seen = len(self._tail) if self._fence is None else 0

    def _code(self, lines: str) -> str:
        """Move lines into the block of code; return those after its end."""
        assert self.growing is not None
        assert self._fence is not None
        end = self._fence.search(lines)
        if body := lines[: end.start()] if end else lines:
            if self._indent:
                body = _SPACE.sub(lambda space: _dedent(space.group(), self._indent), body)
            self.growing.parts.append(body)
        if end is None:
            return ""
        self._close(self.growing)
        return lines[end.end() :]

    def _step(self) -> bool:
        """Close what the tail shows to be closed; True where what is left is to be looked at again."""
        if self.growing is not None and self.growing.kind == "table":
            return self._rows(self.growing)
        tokens = block_parser().parse(self._tail)
        tops = [token for token in tokens if token.level == 0 and token.nesting >= 0 and token.map]
        if not tops:
            return False
        if self.growing is not None:
            return self._items(self.growing, tokens, tops)
        count = next((i for i, token in enumerate(tops) if _grows(token)), len(tops) - 1)
        starts = self._offsets(tops[: count + 1])
        for begin, end in zip([0, *starts], starts, strict=False):
            if (source := self._tail[begin:end]).strip():
                self.closed.append(Block("plain", parts=[source]))
        self._tail = self._tail[starts[-1] :]
        return _grows(tops[count]) and self._begin(tops[count])

    def _begin(self, token: Token) -> bool:
        """Let the block at the start of the tail grow by parts."""
        first, _, rest = self._tail.partition("\n")
        if token.type == "fence":
            mark = token.markup
            self._fence = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*\n", re.MULTILINE)
            self._indent = len(first) - len(first.lstrip(" "))
            self.growing = Block("code", head=token.info.strip())
            self._tail = self._code(rest)
            return bool(self._tail)
        if token.type == "table_open":
            second, _, self._tail = rest.partition("\n")
            self.growing = Block("table", head=f"{first}\n{second}\n")
        else:
            self.growing = Block("list", head=first + "\n")
        return bool(self._tail)

    def _rows(self, block: Block) -> bool:
        """Move whole rows into the table; end it where something else follows."""
        table = block_parser().parse(block.head + self._tail)[0]
        assert table.map
        lines = self._tail.split("\n")[:-1]
        count = table.map[1] - 2
        block.parts += [line + "\n" for line in lines[:count]]
        self._tail = "".join(line + "\n" for line in lines[count:])
        if not self._tail:
            return False
        self._close(block)
        return True

    def _items(self, block: Block, tokens: list[Token], tops: list[Token]) -> bool:
        """Move items that another one follows into the list; end it where another block follows."""
        end = next((i for i, token in enumerate(tokens) if token.level == 0 and token.nesting < 0), len(tokens))
        items = [token for token in tokens[:end] if token.type == "list_item_open" and token.level == 1]
        starts = self._offsets(items)
        direct = [token for token in tokens[:end] if token.type == "paragraph_open" and token.level == 2]
        block.loose = block.loose or any(not token.hidden for token in direct)
        for begin, stop in pairwise(starts):
            block.parts.append(self._tail[begin:stop])
            if not direct:
                self._probe(block, self._tail[begin:stop], items[0].markup)
        if len(tops) == 1:
            self._tail = self._tail[starts[-1] :]
            return False
        after = self._offsets(tops)[1]
        self._end_list(block, self._tail[starts[-1] : after])
        self._tail = self._tail[after:]
        self._close(block)
        return True

    def _end_list(self, block: Block, source: str) -> None:
        tokens = block_parser().parse(source)
        if not any(token.type == "paragraph_open" and token.level == 2 for token in tokens):
            self._probe(block, source.rstrip() + "\n", tokens[0].markup)
        block.parts.append(source)

    def _probe(self, block: Block, source: str, markup: str) -> None:
        """An item without a paragraph does not show whether it makes the list loose; one put after it does."""
        tokens = block_parser().parse(source + _PROBE[markup])
        block.loose = block.loose or any(
            token.type == "paragraph_open" and token.level == 2 and not token.hidden for token in tokens
        )

    def _offsets(self, tokens: list[Token]) -> list[int]:
        """Return where in the tail these tokens begin; they are in order."""
        offsets, at, number = [], 0, 0
        for token in tokens:
            while token.map and number < token.map[0]:
                at = self._tail.index("\n", at) + 1
                number += 1
            offsets.append(at)
        return offsets
