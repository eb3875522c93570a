"""A magic's line into words: quotes group, `{name}` and `$name` are filled in, all else arrives as it was written."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from ...errors import UsageError

_OPENING = {"(": ")", "[": "]", "{": "}"}
# Also behind a comma: each value of `model=a,"b c"` may be quoted.
_ASSIGNED = re.compile(r"-{0,2}[A-Za-z_][\w-]*=([^=].*,)?")
# Where a path begins so, a backslash before a space is part of it: `C:\My Files\ x`.
_WINDOWS = re.compile(r"([A-Za-z]:|\\)\\|\.{0,2}\\\w")
_TRIED = 20  # brackets of one line that do not close: each is looked for up to its end, and a line may be all brackets
_LONGEST = 2_000  # characters before a quote that are looked through for what it is the value of


def split(line: str) -> list[str]:
    """Return the words of a line.

    Raises
    ------
    UsageError
        Where a quote at the beginning of a value is not closed.
    """
    words: list[str] = []
    at, unclosed = 0, [0]
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        word, at = _word(line, at, unclosed)
        words.append(word)
    return words


def _word(line: str, at: int, unclosed: list[int]) -> tuple[str, int]:
    """Return the word that begins at a place, and the place after it; count brackets that do not close."""
    start, found = at, ""
    while at < len(line) and not line[at].isspace():
        char = line[at]
        if char in "\"'":
            piece, at = _quoted(line, at, found, at == start)
            found += piece
        elif char in _OPENING and unclosed[0] < _TRIED:
            end = _closing(line, at)
            unclosed[0] += end == at
            found += line[at : end + 1]
            at = end + 1
        elif char == "\\" and line[at + 1 : at + 2].isspace() and not _WINDOWS.match(found or line[at:]):
            found += line[at + 1]  # a space of the word itself, as a shell writes it
            at += 2
        else:
            found += char
            at += 1
    return found, at


def _quoted(line: str, at: int, before: str, first: bool) -> tuple[str, int]:
    """Return what a quote stands for, and the place after it."""
    if first or (len(before) <= _LONGEST and _ASSIGNED.fullmatch(before)):
        return _value(line, at)
    end = line.find(line[at], at + 1)
    if before[-1:].isalnum() or end < 0:  # an apostrophe
        return line[at], at + 1
    return line[at : end + 1], end + 1


def _value(line: str, at: int) -> tuple[str, int]:
    """Return the text between quotes; a backslash before the same quote is no part of it."""
    quote = line[at]
    for escapes in (True, False):  # "C:\data\" ends in a backslash of its own
        found, place = "", at + 1
        while place < len(line):
            if escapes and line[place] == "\\" and line[place + 1 : place + 2] == quote:
                found += quote
                place += 2
            elif line[place] == quote:
                return found, place + 1
            else:
                found += line[place]
                place += 1
    raise UsageError(f"the line has a quote that is not closed: {line.strip()}")


def _closing(line: str, at: int) -> int:
    """Return where what opens here closes, strings between left out of account; itself where it does not."""
    expected: list[str] = []
    place = at
    while place < len(line):
        char = line[place]
        if char in "\"'":
            end = line.find(char, place + 1)
            while end > 0 and line[end - 1] == "\\":
                end = line.find(char, end + 1)
            place = end if end > 0 else place
        elif char in _OPENING:
            expected.append(_OPENING[char])
        elif expected and char == expected[-1]:
            expected.pop()
            if not expected:
                return place
        place += 1
    return at


# Single ones: two braces are the prompt's own, and are filled in later.
_BRACES = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")
_DOLLAR = re.compile(r"\$(\$?)([A-Za-z_]\w*)")


def expand(words: list[str], namespace: Mapping[str, Any]) -> list[str]:
    """Return the words with `{expression}` and `$name` replaced by the values of the notebook's names.

    What names nothing of the notebook stays as it is: braces of JSON, a set, a price in dollars.
    """
    return [_DOLLAR.sub(lambda m: _named(m, namespace), _BRACES.sub(lambda m: _filled(m, namespace), w)) for w in words]


def _filled(match: re.Match[str], namespace: Mapping[str, Any]) -> str:
    try:
        tree = ast.parse(match[1].strip(), mode="eval")
    except (SyntaxError, ValueError):
        return match[0]
    # `{3}` is a set and `{a, b}` one of two: only an expression that uses the notebook's names is meant for it.
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if not any(name in namespace for name in names) or isinstance(tree.body, ast.Tuple):
        return match[0]
    try:
        return str(eval(compile(tree, "<line>", "eval"), dict(namespace)))
    except Exception:  # noqa: BLE001 - the person's own expression; it stays as it was written
        return match[0]


def _named(match: re.Match[str], namespace: Mapping[str, Any]) -> str:
    if match[2] not in namespace:
        return match[0]
    # `$$name` is IPython's way to write `$name`.
    return f"${match[2]}" if match[1] else str(namespace[match[2]])
