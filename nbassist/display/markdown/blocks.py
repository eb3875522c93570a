"""Splits markdown into blocks while it is written, each line looked at a bounded number of times.

A block is closed when a later block has begun, on whole lines only: no later text changes what came before it, but for
link references and footnotes (`Definitions` in `nbassist.display.markdown.renderer`). So any cuts of a text give the
same blocks. Blocks that may be long grow by parts (lines of code, rows of a table, items of a list), and a part is
final once it is in `Block.parts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Literal

from markdown_it.token import Token

from .renderer import block_parser

# A paragraph put behind an item, in each of the five marks that a list can have: lists of another mark are other lists.
_PROBE = {"-": "- x\n", "*": "* x\n", "+": "+ x\n", ".": "1. x\n", ")": "1) x\n"}
_BLANK = re.compile(r"\n[ \t]*\n")
_SPACE = re.compile(r"^[ \t]+", re.MULTILINE)
# Items of one line that can only be read in one way: each line begins with a mark and a word. No rule that ends a
# paragraph or begins another block does so with a letter.
_PLAIN_ITEMS = re.compile(r"(?:[-*+] (?:\*\*|`)?[^\W\d_][^\n]*\n)+")
_STRETCH = 256  # characters looked at in one go
_CHUNK = 131_072  # the same of a text that is whole
_SHORT, _DENSE = 256, 24  # characters of a tail that is looked at again for few more; characters of a line of many


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
        self._ahead = ""  # whole lines of a text that is whole, which the end may follow
        self._tail = ""  # whole lines that belong to no part yet
        self._fence: re.Pattern[str] | None = None
        self._indent = 0
        self._seen = 0  # length of the tail when it was last parsed

    @classmethod
    def of(cls, text: str) -> Splitter:
        """Return the splitter of a text that is whole; it costs no more than one look at each line."""
        splitter = cls()
        for at in range(0, len(text), _CHUNK):
            splitter.feed(text[at : at + _CHUNK], whole=True)
        splitter.finish()
        return splitter

    def feed(self, text: str, *, whole: bool = False) -> None:
        """Take the next piece and close what can be closed; a piece of a text that is `whole` may wait for the end."""
        end = text.rfind("\n") + 1
        if not end:
            self._line.append(text)
            return
        lines = "".join(self._line) + text[:end]
        self._line = [text[end:]] if end < len(text) else []
        if whole:
            self._advance(self._ahead, final=False)
            self._ahead = lines
            return
        begin = 0
        while begin < len(lines):  # a long text in one piece costs no more than the same in many
            end = lines.find("\n", min(begin + _STRETCH, len(lines) - 1)) + 1
            self._advance(lines[begin:end], final=False)
            begin = end

    def finish(self) -> None:
        """The text is at its end: close everything."""
        last = self._ahead + "".join(self._line)
        self._line, self._ahead = [], ""
        self._advance(last + "\n" if last and not last.endswith("\n") else last, final=True)
        if self.growing is not None:
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
        if not final and len(self._tail) - self._seen <= self._seen >> self._patience:
            return
        while self._tail and self._step(final):
            pass
        self._seen = len(self._tail) if self._fence is None else 0

    @property
    def _patience(self) -> int:
        """By which power of two the tail, as it was last parsed, is to have grown before it is parsed again."""
        if self._seen < _SHORT:
            return 4
        return 2 if self._tail.count("\n") * _DENSE < len(self._tail) else 0

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

    def _step(self, final: bool) -> bool:
        """Close what the tail shows to be closed, at the end all; True where the rest is to be looked at again."""
        if self.growing is not None and self.growing.kind == "table":
            return self._rows(self.growing)
        if not final and _PLAIN_ITEMS.fullmatch(self._tail):
            self._plain_items()
            return False
        # The parser itself decides what a block is; only where it is safe to cut is decided here.
        tokens = block_parser().parse(self._tail)
        tops = [at for at, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0 and token.map]
        if not tops:
            return False
        tree = [tokens[begin:end] for begin, end in pairwise([*tops, len(tokens)])]
        # At the end of the text the last block is closed as well: its end is the text's.
        starts = self._offsets([block[0] for block in tree]) + [len(self._tail)] * final
        if self.growing is not None:
            block, *tree = tree
            self._items(self.growing, block, starts[1] if len(starts) > 1 else None)
            if not tree:
                self._tail = "" if final else self._tail
                return False
            starts = starts[1:]
        elif (source := self._tail[: starts[0]]).strip():
            self.closed.append(Block("plain", parts=[source]))  # definitions, which leave no token
        for block, (begin, end) in zip(tree, pairwise(starts), strict=False):
            self._whole(block, self._tail[begin:end])
        self._tail = self._tail[starts[-1] :]
        return not final and _grows(tree[-1][0]) and self._begin(tree[-1][0])

    def _whole(self, tokens: list[Token], source: str) -> None:
        """Close a block that stands in `source` from its first line on, with what comes before the next one."""
        kind, lines = tokens[0], [line + "\n" for line in source.split("\n")[:-1]]
        assert kind.map
        height = kind.map[1] - kind.map[0]
        if kind.type == "fence":
            self.closed.append(Block("code", kind.info.strip(), [kind.content] if kind.content else []))
        elif kind.type == "table_open":
            self.closed.append(Block("table", "".join(lines[:2]), lines[2:height]))
        elif _grows(kind):
            self.growing = Block("list", lines[0])
            self._items(self.growing, tokens, len(source), source)
            return
        else:
            height = 0
        if (rest := "".join(lines[height:])).strip():
            self.closed.append(Block("plain", parts=[rest]))

    def _begin(self, token: Token) -> bool:
        """Let the block at the start of the tail grow by parts."""
        first, _, rest = self._tail.partition("\n")
        if token.type == "fence":
            mark = token.markup
            # A fence is closed by one of its own mark, at least as long, with nothing behind it (CommonMark 4.5).
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
        # With its head, without which rows are a paragraph.
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

    def _items(self, block: Block, tokens: list[Token], after: int | None, source: str = "") -> None:
        """Move items that another one follows into the list.

        Parameters
        ----------
        block : Block
            The list.
        tokens : list of Token
            Of the list, as far as it has come.
        after : int or None
            Where in the source another block begins, which ends the list; None where none does yet.
        source : str
            What the tokens are of; the tail by default.
        """
        text = source or self._tail
        items = [token for token in tokens if token.type == "list_item_open" and token.level == 1]
        starts = _offsets(text, items, items[0].map[0] if source and items[0].map else 0)
        direct = [token for token in tokens if token.type == "paragraph_open" and token.level == 2]
        block.loose = block.loose or any(not token.hidden for token in direct)
        if after is not None:
            starts.append(after)
        # An item is final when another has begun: until then lines may still belong to it.
        block.parts += [text[begin:stop] for begin, stop in pairwise(starts)]
        source = text[starts[0] : starts[-1]]
        if not direct and _BLANK.search(source):
            self._probe(block, source if after is None else source.rstrip() + "\n", items[0].markup)
        if after is not None:
            self._close(block)
        else:
            self._tail = text[starts[-1] :]

    def _plain_items(self) -> None:
        """Move items of one line each, as the parser would; most lists are of such, and it takes a while over each."""
        lines = [line + "\n" for line in self._tail.split("\n")[:-1]]
        lists = [list(items) for _, items in groupby(lines, lambda line: line[0])]
        for items in lists[:-1]:
            block = self.growing or Block("list", items[0])
            block.parts += items
            self._close(block)
        *items, self._tail = lists[-1]
        self.growing = self.growing or Block("list", lists[-1][0])
        self.growing.parts += items

    def _probe(self, block: Block, source: str, markup: str) -> None:
        """An item without a paragraph does not show whether it makes the list loose; one put after it does."""
        tokens = block_parser().parse(source + _PROBE[markup])
        block.loose = block.loose or any(
            token.type == "paragraph_open" and token.level == 2 and not token.hidden for token in tokens
        )

    def _offsets(self, tokens: list[Token]) -> list[int]:
        """Return where in the tail these tokens begin; they are in order."""
        return _offsets(self._tail, tokens)


def _offsets(text: str, tokens: list[Token], first: int = 0) -> list[int]:
    """Return where in `text`, whose first line has the number `first`, these tokens begin; they are in order."""
    offsets, at, number = [], 0, first
    for token in tokens:
        while token.map and number < token.map[0]:
            at = text.index("\n", at) + 1
            number += 1
        offsets.append(at)
    return offsets
