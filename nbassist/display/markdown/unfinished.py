"""The end of markdown that is still being written, made presentable: half a mark is not shown as text."""

from __future__ import annotations

import re

# A last line of marks alone may yet become a heading, a rule, a list, a fence or a table.
_MARKS_ONLY = re.compile(r"(?:^|\n)[ \t]*(?:[-=*+_#>|:~` \t]|\d{1,9}[.)]?)*\Z")
_BARS_ONLY = re.compile(r"(?:^|\n)[ \t|]*\Z")
_HALF_TASK = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[[ xX]?\]?[ \t]*\Z")
_HALF_LINK = re.compile(r"!?\[([^\[\]\n]{1,300})\]\([^()\s]{0,2000}\Z")
_HALF_LABEL = re.compile(r"!\[[^\[\]\n]{0,300}\Z")
_BULLETS = re.compile(r"^[ \t]*\*[ \t]", re.MULTILINE)
_TICKS = re.compile(r"`+")


def mend(text: str, *, in_table: bool = False) -> str:
    """Return `text` to be shown while more of it comes: unclosed emphasis and code closed, half marks left out.

    `in_table` says that it is rows of a table that has begun.
    """
    if match := (_BARS_ONLY if in_table else _MARKS_ONLY).search(text, max(0, text.rfind("\n"))):
        text = text[: match.start()]
    line = text.rfind("\n") + 1
    if _HALF_TASK.match(text, line):
        text = text[: max(0, line - 1)]
    start = text.rfind("\n\n") + 2 if "\n\n" in text else 0
    last = text[start:]
    if (
        not in_table and last.startswith("|") and last.count("\n") < 2
    ):  # a table's head, until the line below shows that it is one
        return text[:start]
    if len(last) > 4000:
        return text
    return text[:start] + _close(last)


def _close(text: str) -> str:
    opened = ""
    for run in _TICKS.findall(text):
        opened = "" if run == opened else (opened or run)
    if opened:
        return text if text.endswith(opened) or len(opened) > 2 else text + opened
    text = _HALF_LABEL.sub("", text)
    if "](" in text[-2000:]:
        text = _HALF_LINK.sub(r"\1", text)
    for mark in ("**", "~~"):
        if text.count(mark) % 2:
            if _half_closed(text, mark):
                text += mark[0]
                continue
            text = text[: -len(mark)] if text.endswith(mark) else text.rstrip() + mark
    return text


def _half_closed(text: str, mark: str) -> bool:
    """Return whether `text` ends in the first half of the mark that closes, and not in that of an emphasis within."""
    if not text.endswith(mark[0]) or text.endswith(mark):
        return False
    alone = re.findall(
        rf"(?<!{re.escape(mark[0])}){re.escape(mark[0])}(?!{re.escape(mark[0])})", _BULLETS.sub("", text)
    )
    return len(alone) % 2 == 1
