"""Paints texts that grow onto slots of a canvas: what is closed is painted once, what is open again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...core.runtime_environment import cpu_seconds
from ..markdown.block_html import BlockHtml, Cache, markdown_html
from ..markdown.blocks import Block, Splitter
from ..markdown.highlight import highlight_lines, language_of
from ..markdown.references import with_references
from ..markdown.unfinished import mend
from ..segments import Citation, Growing
from ..static.media import LONGEST, PRE
from .canvas import Slot

_CONTEXT = 4  # lines of code that show, where they come out the same alone, that no string or comment is open
_WINDOW = 12  # lines of code that are highlighted together with a new one
_BATCH = 24  # new lines that are waited for where they are dear
_WITHIN = ('<span class="s', '<span class="c', '<span class="d')  # strings, comments
_LARGE = 8000  # characters of an open end that are painted again only after a sixteenth more
_FREE, _EARNED = 0.02, 6e-6  # seconds of the processor for open ends: at first, and for each character that came
_DUE = 4e-6  # the same for finding and painting what is closed; what that takes beyond it, open ends go without
_OWED = 0.6  # of what one painting took, how much is owed for it at most: a pause of the machine is soon forgotten


class _Pace:
    """Lets an open end be painted anew as often as what came of the text pays for; what is closed is painted always."""

    def __init__(self) -> None:
        self._left = _FREE
        self._since = 0.0

    def came(self, characters: int) -> None:
        """Take note that the text has grown."""
        self._left = min(self._left + _EARNED * characters, 5 * _FREE)

    def closed(self, seconds: float, characters: int) -> None:
        """Count what was spent on blocks that are closed, which cannot wait."""
        if (over := seconds - _DUE * characters) > 0.0:
            self._left = min(self._left, max(self._left - over, -_FREE))

    def begin(self) -> bool:
        """Return whether there is something left, and begin to spend it."""
        # Of this thread alone: on a busy machine the wall's time would count what others take.
        self._since = cpu_seconds()
        return self._left > 0

    def end(self) -> None:
        """Count what was spent."""
        spent = cpu_seconds() - self._since
        self._left = max(self._left - spent, -max(_FREE, _OWED * spent))


class CodePaint:
    """A block of code that grows: each line is sent once, when it is whole."""

    def __init__(self, slot: Slot, block: Block, pace: _Pace) -> None:
        self._slot, self._pace, self._language = slot, pace, language_of(block.head)
        self._block = block
        self._taken = 0  # parts read
        self._window: list[str] = []  # the last lines, as far back as highlighting looks
        self._sent = 0  # how many of them are on the canvas

    def update(self, line: str, *, settle: bool = False) -> None:
        """Paint the lines that came, and `line`, the one that has no end yet; also where it is early, to `settle`."""
        new = "".join(self._block.parts[self._taken :])
        # Some lines before the new ones are highlighted with them: dear code comes by more lines at a time.
        if not self._pace.begin() and not settle and new.count("\n") < _BATCH:
            return
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
        # A line of marks may be the fence that ends the block: it is not shown as code for a moment.
        self._slot.open("" if set(line.strip()) <= set("`~") else html[-1])
        self._pace.end()

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
        self._pace = _Pace()

    def update(self) -> bool:
        """Paint what came; return True when nothing more can."""
        if self._finished:
            return True
        pieces = self._body.pieces
        began, arrived = cpu_seconds(), 0
        if self._read < len(pieces):
            came = "".join(pieces[self._read :])
            arrived = len(came)
            self._pace.came(arrived)
            self._splitter.feed(came)
            self._read = len(pieces)
        elif not self._body.closed:
            return False
        if self._body.closed:
            self._splitter.finish()
            self._finished = True
        self._close(self._splitter.closed[self._done :])
        self._done = len(self._splitter.closed)
        self._pace.closed(cpu_seconds() - began, arrived)
        if self._finished:
            self._slot.open("")
            # A definition at the end of a text turns marks before it into links: what was painted without them is
            # painted again.
            if len(self._html.definitions) and self._referring:
                # With a credit of its own: this one has paid for the blocks once, as the static reply does.
                again = BlockHtml("mathml", self._all, self._html.definitions)
                blocks = [(again.whole(block), block) for block in self._splitter.closed]
                painted = {id(block): html for block, html in self._referring}
                if any(painted.get(id(block), html) != html for html, block in blocks):
                    self._slot.replace("".join(html for html, _ in blocks))
            # Citations come with the events, not with the text, and their markers are in blocks that are painted
            # already.
            if any(citation.marker and citation.marker in self._body.text for citation in self._citations):
                text = with_references(self._body.text, self._citations)
                self._slot.replace(markdown_html(text, "mathml", self._all))
        else:
            self._open()
        return self._finished

    def settle(self) -> None:
        """Paint the open end as it stands: nothing more came for a while, and what was put off is due."""
        if not self._finished and self._read:
            self._open(settle=True)

    def _close(self, blocks: Sequence[Block]) -> None:
        """Paint blocks that are closed; the first may have been growing."""
        painted: list[str] = []
        for block in blocks:
            if block.kind != "code":
                self._html.definitions.collect(block.head + block.body)
            if self._inner is not None:
                self._close_growing(block)
                continue
            html = self._html.whole(block)
            painted.append(html)
            if block.kind != "code" and "[" in html:
                self._referring.append((block, html))
        # Together: each that is added goes through the allow-list by itself.
        self._slot.add("".join(painted))

    def _close_growing(self, block: Block) -> None:
        if block.kind != "code" and "[" in block.body:
            self._referring.append((block, ""))
        self._grow(block, "")
        if self._inner is not None:
            self._inner.open("")
        self._inner = self._code = None

    def _open(self, *, settle: bool = False) -> None:
        rest = self._splitter.rest
        # A long end that is parsed at each delta would cost its length squared.
        if not settle and len(rest) > _LARGE and self._painted <= len(rest) < self._painted + (self._painted >> 4):
            return
        growing = self._splitter.growing
        if self._inner is None and growing is not None:
            self._begin(growing)
        if growing is not None and self._code is not None:
            self._code.update(rest, settle=settle)
            self._slot.open("")
            return
        if not self._pace.begin() and not settle:
            if growing is not None:
                self._close_parts(growing)
            return
        self._painted = len(rest)
        if growing is not None:
            self._slot.open(self._grow(growing, rest))
        else:
            shown = mend(rest)
            self._slot.open(self._html.open_end(shown) if shown.strip() else "")
        self._pace.end()

    def _begin(self, block: Block) -> None:
        before, after = self._html.shell(block, "{slot}")
        self._inner = self._slot.child((before, after))
        self._code = CodePaint(self._inner, block, self._pace) if block.kind == "code" else None
        self._parts, self._loose = 0, block.loose

    def _grow(self, block: Block, rest: str) -> str:
        """Paint the parts of the growing block, and of the `rest` what belongs to it; return the HTML after it."""
        assert self._inner is not None
        if self._code is not None:
            self._code.update(rest, settle=True)
            return ""
        self._close_parts(block)
        shown = mend(rest, in_table=block.kind == "table")
        inner, after = "", ""
        if shown.strip() and block.kind == "table":
            inner, after = self._html.open_rows(block, shown)
        elif shown.strip():
            inner, after = self._html.open_item(shown, block.loose)
        self._inner.open(inner)
        return after

    def _close_parts(self, block: Block) -> None:
        """Paint the parts of the growing block that came."""
        assert self._inner is not None
        # One blank line between two items makes paragraphs of all of them, also of those that are painted.
        if block.loose != self._loose:
            self._loose = block.loose
            self._inner.replace(self._html.parts(block))
        elif self._parts < len(block.parts):
            self._inner.add(self._html.parts(block, self._parts))
        self._parts = len(block.parts)


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
