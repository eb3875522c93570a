"""What a text may cost: rules of markdown-it that stay in proportion to its length, and a credit for the rest."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

DEEPEST = 8
"""Containers, one in another: quotations and lists."""
_DEEP = re.compile(rf"[ \t]*(?:(?:>|[-+*](?=[ \t]|$)|\d{{1,9}}[.)](?=[ \t]|$))[ \t]*){{{DEEPEST + 1}}}")
_ITEM_MARK = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)", re.MULTILINE)
_DEEP_LEVEL = 2 * DEEPEST - 1  # of markdown-it's tokens: a list takes two


def bound_blocks(parser: MarkdownIt, *, extents: bool) -> None:
    """Change a parser that has all its rules; one for `extents` alone tells of a table only where it ends."""
    parser.block.ruler.at("table", _table_extent if extents else _table, {"alt": ["paragraph", "reference"]})
    # Before all others, which would open the containers.
    parser.block.ruler.before(parser.block.ruler.get_all_rules()[0], "deep", _deep, {"alt": []})


def _deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take the lines up to a blank one as text, where the first of them goes too deep."""
    begin = state.bMarks[start] + state.tShift[start]
    if state.level < _DEEP_LEVEL and not (
        state.src[begin : begin + 1] in _CONTAINERS and _DEEP.match(state.src, begin, state.eMarks[start])
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
    if _is_item(state, start):
        return False
    if not silent and state.level and not (table(state, start, end, True) and _filled(state, start, end)):
        return False
    return bool(table(state, start, end, silent))


def _table_extent(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if _is_item(state, start) or not table(state, start, end, True):
        return False
    if state.level and not _filled(state, start, end):
        return False
    if not silent:
        token = state.push("table_open", "table", 1)
        state.line = _end_of_rows(state, start, end)
        token.map = [start, state.line]
        state.push("table_close", "table", -1)
    return True


def _is_item(state: StateBlock, start: int) -> bool:
    """Whether a line begins an item, as on GitHub also where it could be the head of a table.

    The rule of tables comes before that of lists: without this an item would be one or the other by what stands before
    it, and a list that grows would end in a table within itself.
    """
    begin = state.bMarks[start] + state.tShift[start]
    return _ITEM_MARK.match(state.src, begin, state.eMarks[start]) is not None


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
_CONTAINERS = frozenset(">-+*0123456789")


_EARNED = 4.0  # microseconds for each character
_AT_FIRST = 15_000.0  # microseconds: a short text is rendered whatever it holds
_PAUSE = 2_000.0
_FOUND = 20.0  # for each block, also one that is shown as text: it has to be found and sent
_BLOCK, _LINE, _BREAK, _INNER = 38.0, 11.0, 10.0, 30.0  # the last for a paragraph within
_ITEM, _MANY = 30.0, 20  # of a list; lines from which on it is worth the look
_ITEMS = re.compile(r"^[ \t]*(?:[-+*]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_RUN, _RUNS = 10.0, re.compile(r"\*+|_+|~+")
_MARKS = {
    "[": 14.0,
    "|": 16.0,
    "$": 6.0,
    "\\": 5.0,
    "*": 4.0,
    "_": 4.0,
    "~": 4.0,
    "`": 4.0,
    "<": 18.0,
    ">": 12.0,
    "#": 15.0,
    "&": 4.0,
    "@": 45.0,
}
"""Microseconds that a mark costs the parser, as measured; what needs it several times counts each."""
_MARK = re.compile(f"[{re.escape(''.join(_MARKS))}]")
_GROUPS = {
    "[": {"](": 30.0, "![": 30.0, "[^": 30.0, "]:": 120.0},
    "<": {"<details": 60.0},
    "/": {"://": 60.0},
    ":": {"\n: ": 60.0},
}
"""The same of marks that stand together, on top, by one that has to be there."""
LINKED = 30.0
"""Microseconds that a bracket costs on top in a text with definitions: it may be a link."""
MATHML = 120.0
"""The same of a formula where it becomes MathML."""
_FORMULA = re.compile(r"\$(?![\s$])[^$\n]*(?<=[^\s$])\$(?!\d)|\\[(\[]|\$\$(?=\n|[^$]+\$\$)")


_SHORT = 4_000  # characters of a text that is split whatever its lines
_SPLIT_LINE, _SPLIT_ITEM, _SPLIT = 12.0, 20.0, 4.0  # microseconds for each line and item, and of each character


_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


def too_dear_to_split(text: str) -> bool:
    """Return whether there are so many lines that even finding the blocks among them would take too long."""
    if len(text) <= _SHORT:
        return False
    lines, most = text.count("\n"), _SPLIT * len(text)
    if (_SPLIT_LINE + _SPLIT_ITEM) * lines <= most:
        return False
    # Lines of code are found by their fences alone, whatever they begin with.
    outside = "\n".join(_FENCE.split(text)[::2])
    return _SPLIT_LINE * outside.count("\n") + _SPLIT_ITEM * len(_ITEMS.findall(outside)) > most


def formulas(source: str) -> int:
    """Return about how many formulas there are in `source`; prices are none."""
    return len(_FORMULA.findall(source)) if "$" in source or "\\" in source else 0


def work(source: str) -> float:
    """Return about how many microseconds it takes to render `source`."""
    lines = source.count("\n")
    found = _BLOCK + _LINE * lines + _BREAK * max(0, lines - source.count("\n\n"))
    found += _INNER * source.count("\n\n", 0, -1)
    if lines > _MANY:
        found += _ITEM * len(_ITEMS.findall(source))
    # Most short blocks have no mark at all, and are not looked through for each.
    if marks := _MARK.findall(source):
        found += sum(map(_MARKS.__getitem__, marks)) + _RUN * len(_RUNS.findall(source))
    for mark, groups in _GROUPS.items():
        if mark in source:
            found += sum([each * source.count(group) for group, each in groups.items()])
    return found


class Credit:
    """What the blocks of one text, in their order, may still cost.

    Parameters
    ----------
    share : float
        Of what a text may cost.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._earned = share * _EARNED
        self._left = share * _AT_FIRST
        self._refused = False

    def earn(self, characters: int) -> None:
        """Count text that costs next to nothing."""
        self._left += self._earned * characters

    def covers(self, source: str, parts: int = 1, more: float = 0.0) -> bool:
        """Return whether the next block may be rendered, which is done in so many parts.

        One that may not costs little, and saves for the next; `more` is what it costs that its text does not tell.
        """
        self._left += self._earned * len(source) - _FOUND
        cost = work(source) + _BLOCK * (parts - 1) + more
        # After one that may not, some is saved: of many short ones whole stretches come out the one way or the other.
        self._refused = cost + (_PAUSE if self._refused else 0.0) > self._left
        if not self._refused:
            self._left -= cost
        return not self._refused
