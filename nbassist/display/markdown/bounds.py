"""What a text may cost: rules of markdown-it that stay in proportion to its length, and a credit for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from markdown_it import MarkdownIt
from markdown_it.ruler import Ruler
from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

Rule: TypeAlias = Callable[[StateBlock, int, int, bool], bool]

DEEPEST = 8
"""Containers, one in another: quotations and lists."""
_DEEP = re.compile(rf"[ \t]*(?:(?:>|[-+*](?=[ \t]|$)|\d{{1,9}}[.)](?=[ \t]|$))[ \t]*){{{DEEPEST + 1}}}")
_DEEP_LEVEL = 2 * DEEPEST - 1  # of markdown-it's tokens: a list takes two


def bound_blocks(parser: MarkdownIt, *, extents: bool) -> None:
    """Change a parser that has all its rules; one for `extents` alone tells of a table only where it ends."""
    parser.block.ruler.at("table", _table_extent if extents else _table, {"alt": ["paragraph", "reference"]})
    # Before all others, which would open the containers.
    parser.block.ruler.before(parser.block.ruler.get_all_rules()[0], "deep", _deep, {"alt": []})
    ruler = _Ruler()
    # The rules go over as they are: a ruler has no method for that.
    ruler.__rules__ = parser.block.ruler.__rules__
    parser.block.ruler = ruler


def _deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take the lines up to a blank one as text, where the first of them goes too deep."""
    begin = state.bMarks[start] + state.tShift[start]
    if state.level < _DEEP_LEVEL and not (
        state.src[begin : begin + 1] in _MARKS and _DEEP.match(state.src, begin, state.eMarks[start])
    ):
        return False
    # Four spaces make it code, whatever stands behind them.
    if state.is_code_block(start) and state.level < _DEEP_LEVEL:
        return False
    line = start + 1
    while line < end and not state.isEmpty(line) and (state.sCount[line] >= state.blkIndent or state.sCount[line] < 0):
        line += 1
    state.line = line
    state.push("paragraph_open", "p", 1).map = [start, line]
    token = state.push("inline", "", 0)
    token.children = [Token("text", "", 0, content=state.getLines(start, line, state.blkIndent, False).strip())]
    token.map = [start, line]
    state.push("paragraph_close", "p", -1)
    return True


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Refuse a table in a container whose rows lack most of their cells, each of which is filled in."""
    if not silent and state.level and not (table(state, start, end, True) and _filled(state, start, end)):
        return False
    return bool(table(state, start, end, silent))


def _table_extent(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if not table(state, start, end, True) or (state.level and not _filled(state, start, end)):
        return False
    if not silent:
        token = state.push("table_open", "table", 1)
        state.line = _end_of_rows(state, start, end)
        token.map = [start, state.line]
        state.push("table_close", "table", -1)
    return True


def _filled(state: StateBlock, start: int, end: int) -> bool:
    stop = _end_of_rows(state, start, end)
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    return columns * (stop - start) <= SPARSEST * (state.eMarks[stop - 1] - state.bMarks[start])


def _end_of_rows(state: StateBlock, start: int, end: int) -> int:
    """Return the line after a table, found as the rule itself does."""
    rules, parent = state.md.block.ruler.getRules("blockquote"), state.parentType
    # Rules ask what they would interrupt.
    state.parentType = "table"
    line = start + 2
    while line < end and state.sCount[line] >= state.blkIndent and not state.isEmpty(line):
        if state.is_code_block(line) or any(rule(state, line, end, True) for rule in rules):
            break
        line += 1
    state.parentType = parent
    return line


SPARSEST = 2
"""Cells for each character of a table, those that a row lacks among them."""
_MARKS = frozenset(">-+*0123456789")


_BEGINS = {
    "fence": "`~",
    "blockquote": ">",
    "hr": "*-_",
    "list": "*+-0123456789",
    "reference": "[",
    "footnote_def": "[",
    "html_block": "<",
    "details": "<",
    "heading": "#",
    "math_block": "$\\",
}
"""The characters that a block of each rule begins with; a rule that is not here is asked of every line."""


class _Ruler(Ruler[Rule]):
    """Gives for each chain one rule, which asks those that a line's first character leaves open."""

    def getRules(self, chainName: str = "") -> list[Rule]:  # noqa: N802, N803 - markdown-it's names
        if self.__cache__ is None:
            self.__compile__()
            assert self.__cache__ is not None
            names = {rule.fn: rule.name for rule in self.__rules__}
            for chain, rules in self.__cache__.items():
                self.__cache__[chain] = [_first_of([(rule, _BEGINS.get(names[rule], "")) for rule in rules])]
        return self.__cache__.get(chainName, [])


def _first_of(rules: list[tuple[Rule, str]]) -> Rule:
    by_first = {
        mark: [rule for rule, marks in rules if not marks or mark in marks] for mark in "".join(_BEGINS.values())
    }
    others = [rule for rule, marks in rules if not marks]

    def first(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        begin = state.bMarks[line] + state.tShift[line]
        return any(rule(state, line, end, silent) for rule in by_first.get(state.src[begin : begin + 1], others))

    return first


_EARNED = 4.0  # microseconds for each character
_AT_FIRST = 25_000.0  # microseconds: a short text is rendered whatever it holds
_BLOCK, _LINE, _BREAK = 55.0, 11.0, 10.0
_ITEM, _MANY = 30.0, 20  # of a list; lines from which on it is worth the look
_ITEMS = re.compile(r"^[ \t]*(?:[-+*]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_COSTLY = {
    "[": 14.0,
    "](": 10.0,
    "![": 20.0,
    "|": 16.0,
    "[^": 40.0,
    "]:": 150.0,
    "$": 6.0,
    "\\": 5.0,
    "*": 6.0,
    "_": 6.0,
    "~": 5.0,
    "`": 4.0,
    "<": 5.0,
    "&": 4.0,
}
"""Microseconds that a mark costs the parser, as measured; what needs it several times counts each."""


def work(source: str) -> float:
    """Return about how many microseconds it takes to render `source`."""
    lines = source.count("\n")
    lines_done = _BLOCK + _LINE * lines + _BREAK * max(0, lines - source.count("\n\n"))
    if lines > _MANY:
        lines_done += _ITEM * len(_ITEMS.findall(source))
    return lines_done + sum(each * source.count(mark) for mark, each in _COSTLY.items())


class Credit:
    """What the blocks of one text, in their order, may still cost."""

    def __init__(self) -> None:
        self._left = _AT_FIRST

    def covers(self, source: str, parts: int = 1) -> bool:
        """Return whether the next block may be rendered, which is done in so many parts.

        One that may not costs nothing, and saves for the next.
        """
        self._left += _EARNED * len(source)
        cost = work(source) + _BLOCK * (parts - 1)
        if cost > self._left:
            return False
        self._left -= cost
        return True
