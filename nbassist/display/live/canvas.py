"""A tree of slots whose HTML grows, and the patches that make a browser's copy of it the same.

Each slot is an element of the page that holds closed parts, which are sent once, and an open end, which is sent as a
change of what it was. Operations are JSON lists, applied in order by `live.js`:

- ``["add", slot, html]``: put `html` after the closed parts; the open end is gone.
- ``["open", slot, keep, html]``: the open end is the first `keep` UTF-16 units of what it was, and `html`.
- ``["html", slot, html]``: everything in the slot is replaced by `html`, closed.
- ``["attr", slot, name, value]``: set an attribute of the slot's panel; null takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.html_allowlist import Place, seal

Operation = list[Any]
# Stands in a template where the slot's parts go, while it is sealed: no text of a model comes after it.
_INSIDE = "\ue000"
_ROW = f"<tr><td>{_INSIDE}</td></tr>"


class Slot:
    """An element that holds parts; `before` and `after` are the HTML around them."""

    def __init__(
        self, canvas: Canvas, before: str, after: str, name: str, live: bool = False, place: Place = ""
    ) -> None:
        self.name, self.live = name, live
        self._place: Place = place
        self._canvas = canvas
        self._before, self._after = before, after
        self._parts: list[str | Slot] = []
        self._open = ""

    def add(self, html: str) -> None:
        """Put a closed part at the end, in the place of the open one."""
        if html := self._sealed(html):
            self._parts.append(html)
            self._open = ""
            self._canvas.note(["add", self.name, html])

    def child(self, template: tuple[str, str], *, live: bool = False) -> Slot:
        """Add a slot; in the first string of `template`, ``{slot}`` stands where its attribute goes.

        What is in a `live` slot works only in a live page.
        """
        name = self._canvas.next_name()
        head, _, tail = template[0].rpartition("{slot}")  # the last: text of the model may stand before it
        inside = _ROW if head.endswith("<tbody") else _INSIDE
        whole = self._sealed(f'{head} data-s="{name}"{tail}{inside}{template[1]}')
        before, _, after = whole.rpartition(inside)
        slot = Slot(self._canvas, before, after, name, live, "tbody" if inside is _ROW else "")
        self._canvas.note(["add", self.name, before + after])
        self._parts.append(slot)
        self._open = ""
        return slot

    def open(self, html: str) -> None:
        """Replace the open end."""
        html = self._sealed(html)
        if html != self._open:
            # Most deltas add a few characters at the end: only what differs is sent.
            keep = common_length(self._open, html)
            # JavaScript counts in these: a character beyond the BMP is two.
            units = len(html[:keep].encode("utf-16-le")) // 2
            self._canvas.note(["open", self.name, units, html[keep:]])
            self._open = html

    def replace(self, html: str) -> None:
        """Replace everything."""
        html = self._sealed(html)
        # A summary is painted with every patch, and rarely differs.
        if self._parts != [html] or self._open:
            self._parts, self._open = [html], ""
            self._canvas.note(["html", self.name, html])

    def _sealed(self, html: str) -> str:
        """All that a browser gets of a reply while it is written comes through here."""
        return seal(html, place=self._place, controls=self.live)

    def attribute(self, name: str, value: str | None) -> None:
        """Set an attribute of the panel that the slot stands in."""
        old, new = f' {name}="', f' {name}="{value}"'
        if value is None:
            start = self._before.find(old)
            if start >= 0:
                end = self._before.index('"', start + len(old)) + 1
                self._before = self._before[:start] + self._before[end:]
        elif old not in self._before:
            # The first blank stands behind the name of the tag.
            self._before = self._before.replace(" ", f"{new} ", 1)
        self._canvas.note(["attr", self.name, name, value])

    def pieces(self) -> Iterator[str]:
        """Give the HTML of the closed parts as they stand."""
        yield self._before
        yield self._line_end("".join(part for part in self._parts[:1] if isinstance(part, str)))
        for part in self._parts:
            if isinstance(part, str):
                yield part
            else:
                yield from part.pieces()
        yield self._after

    def standing(self) -> Iterator[str]:
        """Give the HTML with the open ends in their places, without names of slots and without what is `live`."""
        head, _, tail = self._before.rpartition(f' data-s="{self.name}"')
        yield head + tail
        yield self._line_end("".join(part for part in self._parts[:1] if isinstance(part, str)) or self._open)
        for part in self._parts:
            if isinstance(part, str):
                yield part
            elif not part.live:
                yield from part.standing()
        yield self._open
        yield self._after

    def _line_end(self, first: str) -> str:
        """Return what stands before code that begins with a blank line: a parser drops a line end after its tag."""
        return "\n" if first.startswith("\n") and self._before.rpartition("<")[2].startswith("pre") else ""

    def ends(self) -> Iterator[Operation]:
        """Give the operations that paint the open ends onto a copy that has only the closed parts."""
        if self._open:
            yield ["open", self.name, 0, self._open]
        for part in self._parts:
            if isinstance(part, Slot):
                yield from part.ends()


class Canvas:
    """The root slot, and the operations since they were last taken."""

    def __init__(self) -> None:
        self._names = 0
        self._operations: list[Operation] = []
        self.size = 0  # about how many characters all of it has
        self.root = Slot(self, "", "", "0")  # the page gives its element

    def note(self, operation: Operation) -> None:
        """Remember an operation for the next patch."""
        self._operations.append(operation)
        if operation[0] == "add":
            self.size += len(operation[2])

    def next_name(self) -> str:
        """Return a name for a new slot."""
        self._names += 1
        return str(self._names)

    def take(self) -> list[Operation]:
        """Return the operations since the last call."""
        operations, self._operations = self._operations, []
        return operations

    def whole(self) -> tuple[str, list[Operation]]:
        """Return what a copy begins anew with: the HTML of all closed parts, and operations for the open ends."""
        # In this order a copy is the same as one that was patched from the beginning, so a browser may come at any
        # time.
        return "".join(self.root.pieces()), list(self.root.ends())

    def standing(self) -> str:
        """Return the HTML of a page that is not patched any more."""
        return "".join(self.root.standing())


def common_length(a: str, b: str) -> int:
    """Return how many characters `a` and `b` have in common at the start."""
    # By halves and slices, which C compares: a loop over the characters would cost more than it saves.
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
