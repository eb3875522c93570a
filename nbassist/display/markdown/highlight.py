"""Source code to lines of HTML with Pygments' short classes, which JupyterLab's themes colour (``.highlight``)."""

from __future__ import annotations

import functools
import re
from html import escape
from typing import Any

from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import STANDARD_TYPES, Text
from pygments.util import ClassNotFound

from ...core.runtime_environment import cpu_seconds
from .sanitiser import CHANGED, COMMENT

_LANGUAGE = re.compile(r"[a-z0-9][a-z0-9_+#.-]*")
_LONGEST = 200_000  # characters; beyond, or with a line beyond the next figure, code is shown without colours
_LONGEST_LINE = 5_000
_FREE, _EARNED = (
    0.012,
    3.5e-6,
)  # seconds of the processor for any code, and for each of its characters: then colours end
# Names and punctuation have the text's own colour; leaving them out halves the markup.
_PLAIN = frozenset({"", "w", "n", "nx", "p", "err", "x", "esc", "g"})

_STYLES = {**CHANGED, **dict.fromkeys(("c", "c1", "ch", "cm", "cs", "cpf"), COMMENT)}


@functools.lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    """Return the lexer for a fence's language, or None."""
    # Asked for a name that it does not know, Pygments looks through all plugins, each time.
    if language not in _languages():
        return None
    try:
        # Otherwise Pygments takes blank lines off both ends, and the lines would not be those of the code.
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@functools.cache
def _languages() -> frozenset[str]:
    return frozenset(alias.lower() for _, aliases, _, _ in get_all_lexers() for alias in aliases)


def language_of(info: str) -> str:
    """Return the language that a fence's info string names, in lower case; empty for none."""
    word = _LANGUAGE.search(info.lower())
    return word.group()[:40] if word else ""


@functools.lru_cache(maxsize=1024)
def _class_of(kind: Any) -> str:
    while kind not in STANDARD_TYPES:
        kind = kind.parent
    name = STANDARD_TYPES[kind]
    return "" if name in _PLAIN else name


def highlight_lines(code: str, language: str) -> list[str]:
    """Return one string of HTML for each line of `code`, without line ends, each with its tags closed.

    Joined by newlines and without tags they are `code`, escaped. An unknown language, and code too long to be
    worth it, come without tags.
    """
    lexer = _lexer(language) if language and len(code) <= _LONGEST else None
    if lexer is None or max(map(len, code.split("\n"))) > _LONGEST_LINE:
        return escape(code, quote=False).split("\n")
    lines: list[str] = []
    line: list[str] = []
    run, run_class, last = "", "", False

    def flush() -> None:
        nonlocal run
        if run:
            text = escape(run, quote=False)
            style = f' style="{_STYLES[run_class]}"' if run_class in _STYLES else ""
            line.append(f'<span class="{run_class}"{style}>{text}</span>' if run_class else text)
            run = ""

    began, most, look = cpu_seconds(), _FREE + _EARNED * len(code), 16
    # Unprocessed: `get_tokens` normalises the text first, which has to stay as it is.
    for number, (at, kind, value) in enumerate(lexer.get_tokens_unprocessed(code)):
        if number == look:  # some lexers look far ahead at each mark
            spent = cpu_seconds() - began
            # The clock is a call to the system, which costs as much as some marks.
            look += 16 if spent > most / 4 else 64
            if spent > most:
                kind, value, last = Text, code[at:], True
        name = "" if value.isspace() else _class_of(kind)
        for count, piece in enumerate(value.split("\n")):
            if count:
                flush()
                lines.append("".join(line))
                line.clear()
            if piece:
                if name != run_class:
                    flush()
                    run_class = name
                run += piece
        if last:
            break
    flush()
    lines.append("".join(line))
    return lines
