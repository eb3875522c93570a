"""What models write beside CommonMark, and mean: a few tags of HTML, definitions, and addresses that are no link yet.

The parser has HTML off, and stays so: each tag is read by a rule of its own, has no attribute, and is written anew, so
nothing of the text's own HTML gets through. A tag that is not closed is text.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ...core.html_allowlist import good_link

INLINE = ("sub", "sup", "kbd", "mark", "u", "small", "b", "i")
"""Tags within a paragraph."""
_OPEN = re.compile(rf"<({'|'.join(INLINE)})>", re.IGNORECASE)
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_FAR = 2_000  # characters between a tag and its end, so that a row of opened ones costs no square of its length
_DETAILS = re.compile(r" {0,3}<details( open)?>[ \t]*(?:<summary>(.*)</summary>)?[ \t]*\Z", re.IGNORECASE)
_SUMMARY = re.compile(r"[ \t]*<summary>(.*)</summary>[ \t]*\Z", re.IGNORECASE)
_DETAILS_END = re.compile(r"[ \t]*</details>[ \t]*\Z", re.IGNORECASE)
_DEFINITION = re.compile(r" {0,3}:[ \t]+(\S.*)")
_ADDRESS = re.compile(r"https?://[^\s<>\"'`|\\^{}\[\]]+", re.IGNORECASE)


def html_tags(parser: MarkdownIt) -> None:
    """Add the rules to a parser that has HTML off."""
    parser.inline.ruler.before("html_inline", "html_tag", _tag)
    parser.block.ruler.before("html_block", "details", _details, {"alt": ["paragraph", "reference", "blockquote"]})
    parser.block.ruler.before("lheading", "definition", _definition, {"alt": []})
    parser.core.ruler.push("bare_links", _bare_links)


def _tag(state: StateInline, silent: bool) -> bool:
    if match := _BREAK.match(state.src, state.pos, state.posMax):
        if not silent:
            state.push("hardbreak", "br", 0)
        state.pos = match.end()
        return True
    match = _OPEN.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    tag = match.group(1).lower()
    begin, limit = match.end(), min(state.posMax, match.end() + _FAR)
    # Not in a copy in lower case, which would cost each tag the length of the text, and may be longer than it.
    ends = {state.src.find(f"</{name}>", begin, limit) for name in (match.group(1), tag, tag.upper())} - {-1}
    if not ends:
        return False
    end = min(ends)
    if not silent:
        stop = state.posMax
        state.push(f"{tag}_open", tag, 1)
        state.pos, state.posMax = begin, end
        state.md.inline.tokenize(state)
        state.posMax = stop
        state.push(f"{tag}_close", tag, -1)
    state.pos = end + len(tag) + 3
    return True


def _details(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read `<details>` up to the line that ends it, or up to the end: what is not closed yet is shown open."""
    opened = _DETAILS.match(_line(state, start))
    if opened is None or state.is_code_block(start):
        return False
    if silent:
        return True
    depth, line = 1, start + 1
    while line < end and depth:
        text = _line(state, line)
        depth += bool(_DETAILS.match(text)) - bool(_DETAILS_END.match(text))
        line += 1
    closed = not depth
    inside = start + 1
    summary = opened.group(2)
    if summary is None and inside < line and (second := _SUMMARY.match(_line(state, inside))):
        summary, inside = second.group(1), inside + 1
    token = state.push("details_open", "details", 1)
    token.map, token.block = [start, line], True
    if opened.group(1) or not closed:
        token.attrs["open"] = ""
    state.push("summary_open", "summary", 1)
    title = state.push("inline", "", 0)
    title.content, title.map, title.children = (summary or "Details").strip(), [start, start + 1], []
    state.push("summary_close", "summary", -1)
    # Within it are blocks like anywhere: what is in a panel is often a list or code.
    parent, limit = state.parentType, state.lineMax
    state.parentType, state.lineMax = "details", line - closed
    state.md.block.tokenize(state, inside, line - closed)
    state.parentType, state.lineMax = parent, limit
    state.push("details_close", "details", -1).block = True
    state.line = line
    return True


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a line with the lines below it that begin with a colon: a term, and what it means.

    Each term is a list of its own, so that no later line changes one that is closed.
    """
    line = start + 1
    if silent or line >= end or state.is_code_block(start):
        return False
    meanings = []
    while line < end and (match := _DEFINITION.match(_line(state, line))) and not state.is_code_block(line):
        meanings.append(match.group(1))
        line += 1
    if not meanings:
        return False
    state.push("dl_open", "dl", 1).map = [start, line]
    for number, (tag, text) in enumerate([("dt", _line(state, start)), *(("dd", text) for text in meanings)]):
        state.push(f"{tag}_open", tag, 1)
        inline = state.push("inline", "", 0)
        inline.content, inline.map, inline.children = text.strip(), [start + number, start + number + 1], []
        state.push(f"{tag}_close", tag, -1)
    state.push("dl_close", "dl", -1)
    state.line = line
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _bare_links(state: StateCore) -> None:
    """Make links of addresses that stand in the text as they are, outside of links."""
    for token in state.tokens:
        if token.type == "inline" and token.children and "://" in token.content:
            token.children = _linked(token.children)


def _linked(children: list[Token]) -> list[Token]:
    found: list[Token] = []
    within = 0
    for token in children:
        within += (token.type == "link_open") - (token.type == "link_close")
        if within or token.type != "text" or "://" not in token.content:
            found.append(token)
            continue
        at = 0
        for match in _ADDRESS.finditer(token.content):
            address = _trimmed(match.group())
            if not good_link(address):
                continue
            found += [_text(token, token.content[at : match.start()]), *_link(token, address)]
            at = match.start() + len(address)
        found.append(_text(token, token.content[at:]))
    return [token for token in found if token.type != "text" or token.content]


def _trimmed(address: str) -> str:
    """Return an address without the marks of the sentence around it, as GitHub reads it (GFM 6.9)."""
    end, closing = len(address), address.count(")") - address.count("(")
    while end:
        # A bracket belongs to the address where it closes one in it.
        if address[end - 1] == ")" and closing > 0:
            closing -= 1
        elif address[end - 1] not in "?!.,:;*_~":
            break
        end -= 1
    return address[:end]


def _text(near: Token, content: str) -> Token:
    return Token("text", "", 0, content=content, level=near.level)


def _link(near: Token, address: str) -> list[Token]:
    return [
        Token("link_open", "a", 1, attrs={"href": address}, level=near.level, markup="linkify"),
        _text(near, address),
        Token("link_close", "a", -1, level=near.level, markup="linkify"),
    ]
