"""The forms of an exported thread: markdown fit for any renderer, a notebook that can be run, and one HTML page."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from html import escape, unescape
from typing import Any

from markdown_it import MarkdownIt

from ..core.conversation import Conversation
from ..core.html_allowlist import SCHEMES, inert, seal
from ..core.messages import Image, Message, Reasoning, Refusal, Text, ToolCall, ToolOutput
from ..core.text import clean, one_line
from ..display.markdown.math import sets_type_only
from ..display.static.reply import bundle
from .turns import ExportedTurn, turns_of

# A span of code on one line is left alone, unless the line may be a row of a table, whose bars end it.
_MARKS = re.compile(
    r"(?P<code>(?<![`\\])(?P<ticks>`+)(?!`)[^\n|]+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<tag><(?!(?:https?://|mailto:)[^\s<>]*>)(?=[A-Za-z/!?]))|(?P<image>!\[)|(?P<tex>\\(?:[A-Za-z]+|.))"
    r"|\](?P<link>[(:])",
    re.DOTALL,
)
# Where a link leads. Only as much of it is looked at: a text may be nothing but links that never end.
_TARGET = re.compile(r"\s*(?:<(?P<within>[^>\n]*)|(?P<bare>[^\s<]+))")
_LOOKED_AT = 200


# How a browser reads an address: blanks and controls in it are left out.
_LEFT_OUT = re.compile(r"[\x00-\x20]+|\\(?=[!-/:-@\[-`{-~])")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BEGUN = re.compile("[A-Za-z0-9+.&#;\\\\\ufffd-]*")  # perhaps with half of a reference, such as `&#0` of `&#058;`


def harmless(text: str) -> str:
    """Return markdown with its HTML shown as text, its images as links, and unknown TeX commands as words.

    A link that is none a person can follow is text: not every renderer refuses `javascript:`.
    """
    text = clean(text)
    lines = text.split("\n")
    out: list[str] = []
    done = 0
    for begin, end in (*_code_of(text), (len(lines), len(lines))):
        if begin > done:
            out.append(_MARKS.sub(_changed, "\n".join(lines[done:begin])))
        if end > begin:
            out.append("\n".join(lines[begin:end]))
        done = max(done, end)
    return "\n".join(out)


def _changed(match: re.Match[str]) -> str:
    found = match.group()
    if match["tag"]:
        return "&lt;"
    if match["image"]:
        return "["
    if match["link"]:
        return found if _leads_where_one_can_follow(match.string, match.end()) else f"]&#{ord(match['link'])};"
    if match["tex"] and found[1:].isalpha() and not sets_type_only(found):
        return "\\" + found
    return found


def _leads_where_one_can_follow(text: str, at: int) -> bool:
    """Whether the target that begins there has no scheme, or one that is known."""
    target = _TARGET.match(text, at, at + _LOOKED_AT)
    if target is None:
        # Blanks as far as one looks may stand before anything.
        return not text[at : at + _LOOKED_AT].isspace() or len(text) <= at + _LOOKED_AT
    address = _LEFT_OUT.sub("", unescape(target["within"] or target["bare"] or ""))
    if scheme := _SCHEME.match(address):
        return scheme[1].lower() in SCHEMES
    # A scheme that has begun, and not ended by there, may be any.
    return target.end() < at + _LOOKED_AT or not _BEGUN.fullmatch(address)


def _code_of(text: str) -> list[tuple[int, int]]:
    """Return the lines of each block of code, from and up to."""
    tokens = _parser().parse(text)
    return [(token.map[0], token.map[1]) for token in tokens if token.type in ("fence", "code_block") and token.map]


@functools.cache
def _parser() -> MarkdownIt:
    # Only blocks are wanted, tables among them: whatever shows the file knows those, too.
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["inline"])


def as_markdown(conversation: Conversation) -> str:
    """Return the thread as markdown."""
    blocks = [f"# {harmless(one_line(conversation.name or 'Conversation'))}"]
    for number, turn in enumerate(turns_of(conversation), 1):
        blocks.append(f"## {number}. You")
        blocks.append("\n".join(f"> {line}".rstrip() for line in harmless(turn.prompt).splitlines()))
        if turn.shown:
            blocks.append(f"*Shown along: {', '.join(f'`{_name(label)}`' for label in turn.shown)}*")
        if turn.messages:
            blocks.append("### Assistant")
        for message in turn.messages:
            blocks += _blocks(message)
    return "\n\n".join(blocks) + "\n"


def _blocks(message: Message) -> list[str]:
    found = []
    for part in message.parts:
        if isinstance(part, Text | Refusal):
            found.append(harmless(part.text).strip())
        elif isinstance(part, Reasoning):
            # Fenced, so that what the model thought can't close the element that it stands in.
            found.append("<details><summary>Reasoning</summary>\n\n" + _fenced(part.text) + "\n\n</details>")
        elif isinstance(part, ToolCall):
            found.append(f"Calls `{_name(part.name)}`:\n\n{_fenced(part.arguments, 'json')}")
        elif isinstance(part, ToolOutput):
            found.append(
                f"`{_name(part.name)}` {'failed' if part.error else 'gave'}:\n\n{_fenced(part.error or part.output)}"
            )
        elif isinstance(part, Image):
            found.append("*[an image]*")
    if message.role == "assistant" and not message.complete:
        found.append("*[not complete]*")
    return [block for block in found if block]


def _name(name: str) -> str:
    return one_line(name).replace("`", "'")


def _fenced(text: str, language: str = "") -> str:
    text = clean(text)
    # A fence is closed by one at least as long (CommonMark 4.5), so ours is longer than any within.
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def as_notebook(conversation: Conversation) -> str:
    """Return the JSON of a notebook (nbformat 4.5)."""
    cells = [_cell(0, "%load_ext nbassist", [])]
    cells += [_turn(number, turn) for number, turn in enumerate(turns_of(conversation), 1)]
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _turn(number: int, turn: ExportedTurn) -> dict[str, Any]:
    # A display and not a result: those need the number of an execution, and this cell was never executed.
    output = {"output_type": "display_data", "data": bundle(turn.events), "metadata": {}}
    return _cell(number, f"%%assistant\n{clean(turn.prompt)}", [output] if turn.messages else [])


def _cell(number: int, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        # From the content, so that the same thread gives the same file; nbformat 4.5 wants one of 1 to 64 letters.
        "id": hashlib.sha256(f"{number} {source}".encode()).hexdigest()[:12],
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }


_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.55 system-ui, sans-serif; }
.prompt { margin: 2rem 0 1rem; padding: .6rem 1rem; border-left: 3px solid #1976d2; white-space: pre-wrap;
  background: color-mix(in srgb, CanvasText 5%, Canvas); overflow-wrap: anywhere; }
.shown { opacity: .7; font-size: .85em; }
pre, code { font-family: ui-monospace, monospace; font-size: .9em; }
pre { padding: .6rem .8rem; overflow-x: auto; background: color-mix(in srgb, CanvasText 5%, Canvas); }
table { border-collapse: collapse; } th, td { padding: .25rem .6rem; border: 1px solid rgba(128, 128, 128, .4); }
img { max-width: 100%; }
"""
# Model text has been sanitised by then; this holds even where something got past.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def as_page(conversation: Conversation) -> str:
    """Return the page; it is readable in light and dark."""
    title = escape(one_line(conversation.name or "conversation"))
    parts = []
    for number, turn in enumerate(turns_of(conversation), 1):
        shown = f'\n<span class="shown">shown along: {inert(", ".join(turn.shown))}</span>' if turn.shown else ""
        prompt = seal(f'<div class="prompt">{inert(turn.prompt)}{shown}</div>')
        parts.append(f'<section id="turn-{number}">\n{prompt}')
        parts.append((bundle(turn.events)["text/html"] if turn.messages else "") + "\n</section>")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )
