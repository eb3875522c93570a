r"""Math for markdown-it: ``$x$``, ``$$x$$``, ``\(x\)`` and ``\[x\]``, in a paragraph or as a block of their own.

Dollars follow pandoc's rule, so that prices stay prices: no space just inside them, no digit after the second one.
A block of math ends at its closing mark or at the first blank line; what it takes never depends on later text, so
that a reply can be split while it is written.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}


def math_plugin(parser: MarkdownIt) -> None:
    """Add the rules; they push ``math_inline`` and ``math_block`` tokens, whose markup is ``$`` or ``$$``."""
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "math_inline", _inline)


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].rstrip()
    closer = _CLOSERS.get(first[:2])
    if closer is None or closer == "\\)":
        return False
    inner = first[2:]
    if closer in inner and not (inner.endswith(closer) and inner.count(closer) == 1):
        return False  # more text on the line: the inline rule's business
    if silent:
        return True
    line, lines, closed = start, [inner], inner.endswith(closer)
    while not closed and line + 1 < end and not state.isEmpty(line + 1):
        if state.sCount[line + 1] < state.blkIndent:
            break
        line += 1
        lines.append(state.getLines(line, line + 1, state.blkIndent, False).rstrip())
        closed = lines[-1].endswith(closer)
    body = "\n".join(lines)
    state.line = line + 1
    if closed:
        token = state.push("math_block", "", 0)
        token.content, token.markup = body[: -len(closer)].strip(), "$$"
    else:
        state.push("paragraph_open", "p", 1).map = [start, state.line]
        token = state.push("inline", "", 0)
        token.content, token.children = "", [Token("text", "", 0, content=first[:2] + body)]
        state.push("paragraph_close", "p", -1)
    token.map = [start, state.line]
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    opener = state.src[state.pos : state.pos + 2]
    closer = _CLOSERS.get(opener)
    if closer is None:
        if not opener.startswith("$"):
            return False
        opener = closer = "$"
    begin = state.pos + len(opener)
    end = state.src.find(closer, begin, state.posMax)
    while end > 0 and closer[0] == "$" and state.src[end - 1] == "\\":
        end = state.src.find(closer, end + 1, state.posMax)
    content = state.src[begin:end]
    if end < 0 or not content.strip() or "\n\n" in content:
        return False
    if opener == "$":
        after = state.src[end + 1 : end + 2]
        if content[0].isspace() or content[-1].isspace() or after.isdigit() or after == "$":
            return False
    if not silent:
        token = state.push("math_inline", "", 0)
        token.content, token.markup = content.strip(), "$$" if opener in ("$$", "\\[") else "$"
    state.pos = end + len(closer)
    return True
