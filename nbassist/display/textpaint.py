"""Paints texts that grow onto slots of a canvas: what is closed is painted once, what is open again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .blockhtml import BlockHtml, Cache, markdown_html
from .blocks import Block, Splitter
from .canvas import Slot
from .highlight import highlight_lines, language_of
from .mend import mend
from .segments import Citation, Growing, with_references
from .shown import LONGEST, PRE

_CONTEXT = 4  # lines of code that show, where they come out the same alone, that no string or comment is open
_WINDOW = 12  # lines of code that are highlighted together with a new one
_WITHIN = ('<span class="s', '<span class="c', '<span class="d')  # strings, comments
_LARGE = 8000  # characters of an open end that are painted again only after a sixteenth more


class CodePaint:
    """A block of code that grows: each line is sent once, when it is whole."""

    def __init__(self, slot: Slot, block: Block) -> None:
        self._slot, self._language = slot, language_of(block.head)
        self._block = block
        self._taken = 0  # parts read
        self._window: list[str] = []  # the last lines, as far back as highlighting looks
        self._sent = 0  # how many of them are on the canvas

    def update(self, line: str) -> None:
        """Paint the lines that came, and `line`, the one that has no end yet."""
        new = "".join(self._block.parts[self._taken :])
        self._taken = len(self._block.parts)
        if not new and not line:
            self._slot.open("")
            return
        if new:
            self._window += new.split("\n")[:-1]
        html = highlight_lines("\n".join([*self._window, line]), self._language)
        if new:
            self._slot.add("".join(f"{text}\n" for text in html[self._sent : len(self._window)]))
            self._sent = len(self._window)
            self._shorten(html)
        self._slot.open("" if set(line.strip()) <= set("`~") else html[-1])

    def _shorten(self, html: list[str]) -> None:
        """Begin the window anew at a line that does not go on with a string or a comment from before it."""
        if len(self._window) < 2 * _CONTEXT:
            return
        tail = self._window[-_CONTEXT:]
        told = sum(map(bool, map(str.strip, tail))) >= _CONTEXT - 1
        if (
            told
            and highlight_lines("\n".join(tail), self._language)
            == html[len(self._window) - _CONTEXT : len(self._window)]
        ):
            del self._window[:-_CONTEXT]  # what came before them changes nothing
            self._sent -= len(html) - 1 - _CONTEXT
            return
        if len(self._window) <= _WINDOW:
            return
        whole = [at for at in range(1, len(self._window)) if not html[at].startswith(_WITHIN)]
        starts = [at for at in whole if not self._window[at - 1].strip() and self._window[at][:1].strip()]
        if starts:
            cut = starts[-1]
        elif len(self._window) > 2 * _WINDOW and whole:
            cut = min(whole[-1], len(self._window) - 4)
        elif len(self._window) > 8 * _WINDOW:
            cut = len(self._window) - 4
        else:
            return
        del self._window[:cut]
        self._sent -= cut


class TextPaint:
    """A stretch of markdown."""

    def __init__(self, slot: Slot, body: Growing, cache: Cache, citations: Sequence[Citation] = ()) -> None:
        self._slot, self._body = slot, body
        self._citations, self._all = citations, cache
        self._splitter, self._html = Splitter(), BlockHtml("mathml", cache)
        self._read = self._done = 0
        self._inner: Slot | None = None  # of the block that grows
        self._code: CodePaint | None = None
        self._parts = 0  # of the block that grows, how many are painted
        self._loose = False
        self._painted = 0  # length of the open end when it was last painted
        self._referring: list[tuple[Block, str]] = []  # blocks that a later definition may change, as painted
        self._finished = False

    def update(self) -> bool:
        """Paint what came; return True when nothing more can."""
        if self._finished:
            return True
        pieces = self._body.pieces
        if self._read < len(pieces):
            self._splitter.feed("".join(pieces[self._read :]))
            self._read = len(pieces)
        elif not self._body.closed:
            return False
        if self._body.closed:
            self._splitter.finish()
            self._finished = True
        for block in self._splitter.closed[self._done :]:
            self._close(block)
        self._done = len(self._splitter.closed)
        if self._finished:
            self._slot.open("")
            if len(self._html.definitions) and any(self._html.whole(block) != html for block, html in self._referring):
                self._slot.replace("".join(self._html.whole(block) for block in self._splitter.closed))
            if any(citation.marker and citation.marker in self._body.text for citation in self._citations):
                text = with_references(self._body.text, self._citations)
                self._slot.replace(markdown_html(text, "mathml", self._all))
        else:
            self._open()
        return self._finished

    def _close(self, block: Block) -> None:
        if block.kind != "code":
            self._html.definitions.collect(block.head + block.body)
        if self._inner is None:
            html = self._html.whole(block)
            self._slot.add(html)
            if block.kind != "code" and "[" in html:
                self._referring.append((block, html))
            return
        if block.kind != "code" and "[" in block.body:
            self._referring.append((block, ""))
        self._grow(block, "")
        if self._inner is not None:
            self._inner.open("")
        self._inner = self._code = None

    def _open(self) -> None:
        rest = self._splitter.rest
        if len(rest) > _LARGE and self._painted <= len(rest) < self._painted + (self._painted >> 4):
            return
        self._painted = len(rest)
        growing = self._splitter.growing
        if growing is None:
            shown = mend(rest)
            self._slot.open(self._html.open_end(shown) if shown.strip() else "")
            return
        if self._inner is None:
            self._begin(growing)
        self._slot.open(self._grow(growing, rest))

    def _begin(self, block: Block) -> None:
        before, after = self._html.shell(block, "{slot}")
        self._inner = self._slot.child((before, after))
        self._code = CodePaint(self._inner, block) if block.kind == "code" else None
        self._parts, self._loose = 0, block.loose

    def _grow(self, block: Block, rest: str) -> str:
        """Paint the parts of the growing block, and of the `rest` what belongs to it; return the HTML after it."""
        assert self._inner is not None
        if self._code is not None:
            self._code.update(rest)
            return ""
        if block.loose != self._loose:
            self._loose = block.loose
            self._inner.replace(self._html.parts(block))
        elif self._parts < len(block.parts):
            self._inner.add(self._html.parts(block, self._parts))
        self._parts = len(block.parts)
        shown = mend(rest, in_table=block.kind == "table")
        inner, after = "", ""
        if shown.strip() and block.kind == "table":
            inner, after = self._html.rows(block, shown, kept=False)
        elif shown.strip():
            inner, after = self._html.item(shown, block.loose)
        self._inner.open(inner)
        return after


class PlainPaint:
    """Plain text that grows below a heading, up to what a panel shows of it."""

    def __init__(self, slot: Slot, body: Growing, heading: str = "") -> None:
        self._parent, self._body, self._heading = slot, body, heading
        self._slot: Slot | None = None
        self._read = self._shown = 0

    def update(self) -> None:
        """Paint what came."""
        new = "".join(self._body.pieces[self._read :])[: LONGEST - self._shown]
        self._read, self._shown = len(self._body.pieces), self._shown + len(new)
        if new and self._slot is None:
            self._parent.add(self._heading)
            self._slot = self._parent.child((f'<pre style="{PRE}"{{slot}}>', "</pre>"))
        if new and self._slot is not None:
            self._slot.add(escape(new, quote=False))
