"""Rules of markdown-it that most of a reply goes through, written anew so that they do the same in less time.

A paragraph is looked at once, and not a second time for a line under a heading; marks of emphasis are told by what
stands around them, which is the same few characters over and over.
"""

from __future__ import annotations

import functools
import re
from typing import cast

from markdown_it import MarkdownIt
from markdown_it.common import utils
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

_UNDERLINE = re.compile(r"(=+|-+)[ \t]*\Z")
_BREAK = re.compile(r"([*_-])[ \t]*(?:\1[ \t]*){2,}\Z")


# Later parsers leave other spaces than those of ASCII.
_trim = getattr(utils, "mdTrim", str.strip)


def quick_rules(parser: MarkdownIt) -> None:
    """Put the rules in the places of the parser's own."""
    # It takes what no other rule took, so the parser's own paragraph is never asked.
    parser.block.ruler.at("lheading", _paragraph)
    parser.block.ruler.at("hr", _break, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.inline.ruler.at("strikethrough", _strikethrough)


def _paragraph(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a paragraph, or a heading that is underlined (CommonMark 4.3 and 4.8)."""
    rules = state.md.block.ruler.getRules("paragraph")
    parent, state.parentType = state.parentType, "paragraph"
    underline, line, limit = None, start + 1, state.lineMax
    while line < limit and not state.isEmpty(line):
        indent = state.sCount[line]
        # What is indented by four would be code, but not after a line of text; a line of a quotation that lacks its
        # mark was looked at there.
        if indent >= 0 and indent - state.blkIndent <= 3:
            if indent >= state.blkIndent and line < end:
                begin = state.bMarks[line] + state.tShift[line]
                if state.src[begin] in "=-":
                    underline = _UNDERLINE.match(state.src, begin, state.eMarks[line])
                    if underline is not None:
                        break
            if any(rule(state, line, limit, True) for rule in rules):
                break
        line += 1
    state.parentType = parent
    name, tag = "paragraph", "p"
    if underline is not None:
        name, tag = "heading", "h1" if underline[1][0] == "=" else "h2"
    text = _trim(state.getLines(start, line, state.blkIndent, False))
    state.line = line + (underline is not None)
    token = state.push(f"{name}_open", tag, 1)
    token.map = [start, state.line]
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = text, [start, line], []
    closing = state.push(f"{name}_close", tag, -1)
    if underline is not None:
        token.markup = closing.markup = underline[1][0]
    return True


def _break(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a line that divides (CommonMark 4.1)."""
    begin = state.bMarks[start] + state.tShift[start]
    found = _BREAK.match(state.src, begin, state.eMarks[start])
    if found is None or state.is_code_block(start):
        return False
    if not silent:
        state.line = start + 1
        token = state.push("hr", "hr", 0)
        token.map, token.markup = [start, state.line], found[1] * found[0].count(found[1])
    return True


@functools.lru_cache(maxsize=4096)
def _sides(before: str, mark: str, after: str) -> tuple[bool, bool]:
    """Return whether marks between two characters may open emphasis, and whether they may close it."""
    # The parser's own word on it; of its state it reads the text alone.
    state = StateInline(before + mark + after, cast(MarkdownIt, None), {}, [])
    scanned = state.scanDelims(1, mark != "_")
    opens, closes = bool(scanned.can_open), bool(scanned.can_close)
    # Beyond CommonMark, which asks for a space there, and Chinese, Japanese and Korean have none: **「重要」**です.
    if mark != "_":
        opens = opens or (_is_cjk(before) and _is_mark(after))
        closes = closes or (_is_mark(before) and _is_cjk(after))
    return opens, closes


_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def _is_cjk(character: str) -> bool:
    return _CJK.match(character) is not None


def _is_mark(character: str) -> bool:
    return bool(utils.isMdAsciiPunct(ord(character)) or utils.isPunctChar(character))


def _run(state: StateInline) -> tuple[int, bool, bool]:
    """Return how many of the same mark stand here, and whether they may open and close."""
    src, begin, limit = state.src, state.pos, state.posMax
    mark = src[begin]
    end = begin + 1
    while end < limit and src[end] == mark:
        end += 1
    opens, closes = _sides(src[begin - 1] if begin else " ", mark, src[end] if end < limit else " ")
    return end - begin, opens, closes


def _emphasis(state: StateInline, silent: bool) -> bool:
    mark = state.src[state.pos]
    if silent or mark not in "*_":
        return False
    count, opens, closes = _run(state)
    _push(state, mark, count, count, opens, closes)
    state.pos += count
    return True


def _strikethrough(state: StateInline, silent: bool) -> bool:
    if silent or state.src[state.pos] != "~":
        return False
    count, opens, closes = _run(state)
    if count < 2:
        return False
    if count % 2:
        state.push("text", "", 0).content = "~"
    _push(state, "~~", count // 2, 0, opens, closes)
    state.pos += count
    return True


def _push(state: StateInline, content: str, count: int, length: int, opens: bool, closes: bool) -> None:
    """Add marks as text, which they are unless a pair is found for them; their `length` is for the rule of three."""
    if state.pending:
        state.pushPending()
    level = state.pendingLevel = state.level
    first, marker = len(state.tokens), ord(content[0])
    state.tokens += [Token("text", "", 0, content=content, level=level) for _ in range(count)]
    state.tokens_meta += [None] * count
    state.delimiters += [
        Delimiter(marker=marker, length=length, token=at, end=-1, open=opens, close=closes)
        for at in range(first, first + count)
    ]
