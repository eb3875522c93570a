"""Markdown styled for a terminal while it streams: headings and strong text bold, code coloured, marks left out."""

from __future__ import annotations

import re

BOLD, DIM, RED, GREEN, CYAN, END = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
_UNDECIDED = re.compile(r" {0,3}(?:#{1,6}[ \t]*|`{0,2}|~{0,2})\Z")  # a line that may yet become a heading or a fence
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARK = re.compile(r"\*\*|`+|\n")


class MarkdownStyler:
    """Takes clean text in pieces and gives it with control codes of our own; at most a few characters wait.

    Styles end with their line, so that a mark that is never closed colours no more than that.
    """

    def __init__(self) -> None:
        self._held = ""
        self._at_start = True  # of a line
        self._fence = ""  # the mark that closes the block of code that we are in
        self._styles: dict[str, str] = {}  # mark to style, of what is open in this line

    def feed(self, text: str, *, final: bool = False) -> str:
        """Return what can be shown; with `final` everything."""
        text, self._held = self._held + text, ""
        out: list[str] = []
        at = 0
        while at < len(text):
            if self._at_start:
                # What is written to a terminal can't be taken back, so a line that may yet be a heading waits.
                if not final and "\n" not in text[at:] and _UNDECIDED.match(text, at):
                    self._held = text[at:]
                    break
                at = self._line(text, at, out)
                continue
            mark = _MARK.search(text, at)
            if mark is None:
                end = len(text) - (not final and text.endswith("*"))
                out.append(text[at:end])
                self._held = text[end:]
                break
            out.append(text[at : mark.start()])
            if mark.end() == len(text) and not final and mark.group() != "\n":
                self._held = mark.group()  # more of it may come
                break
            self._mark(mark.group(), out)
            at = mark.end()
        return "".join(out)

    def _line(self, text: str, at: int, out: list[str]) -> int:
        """Begin a line; return where its text begins."""
        self._at_start = False
        fence = _FENCE.match(text, at)
        if self._fence:
            if fence and fence.group(1).startswith(self._fence):
                self._fence = ""
                self._open("line", DIM, out)
            else:
                self._open("line", CYAN, out)
            return at
        if fence:
            self._fence = fence.group(1)
            self._open("line", DIM, out)
        elif heading := _HEADING.match(text, at):
            self._open("line", BOLD, out)
            return heading.end()
        return at

    def _mark(self, mark: str, out: list[str]) -> None:
        if mark == "\n":
            if self._styles:
                out.append(END)
                self._styles.clear()
            out.append("\n")
            self._at_start = True
        elif "line" in self._styles or ("`" in self._styles and mark != self._styles["`"]):
            out.append(mark)
        elif mark == "**":
            self._toggle("**", BOLD, out)
        else:
            self._toggle("`", CYAN, out, mark)

    def _open(self, name: str, style: str, out: list[str]) -> None:
        self._styles[name] = style
        out.append(style)

    def _toggle(self, name: str, style: str, out: list[str], mark: str = "") -> None:
        if self._styles.pop(name, None) is None:
            out.append(style)
            self._styles[name] = mark or style
        else:
            out.append(END + (BOLD if "**" in self._styles else ""))
