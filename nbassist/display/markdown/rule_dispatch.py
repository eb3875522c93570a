"""Asks of markdown-it's rules those alone that the first character of a line, or of a place in it, leaves open.

Most rules look at that character and give up, and there are a dozen of them: of what it costs to parse prose a third
was such questions, and of a text of marks more than half.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from markdown_it import MarkdownIt
from markdown_it.ruler import Ruler
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_Rule = TypeVar("_Rule")
BlockRule: TypeAlias = Callable[[StateBlock, int, int, bool], bool]
InlineRule: TypeAlias = Callable[[StateInline, bool], bool]

_BLOCKS = {
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

_MARKS = "\n$\\`~*_[]!<&"  # the closing bracket has no rule, but a label is searched for it
_INLINE = {
    "newline": "\n",
    "math_inline": "$\\",
    "escape": "\\",
    "backticks": "`",
    "strikethrough": "~",
    "emphasis": "*_",
    "link": "[",
    "footnote_ref": "[",
    "image": "!",
    "autolink": "<",
    "html_tag": "<",
    "html_inline": "<",
    "entity": "&",
    "text": "",  # of what is no mark, and that goes to the next one
}
_TEXT = re.compile(f"[^{re.escape(_MARKS)}]+")


def dispatch(parser: MarkdownIt) -> None:
    """Change a parser that has all its rules."""
    parser.inline.ruler.at("text", _text)
    blocks, inline = _BlockRuler(), _InlineRuler()
    # The rules go over as they are: a ruler has no method for that.
    blocks.__rules__, inline.__rules__ = parser.block.ruler.__rules__, parser.inline.ruler.__rules__
    parser.block.ruler, parser.inline.ruler = blocks, inline


class _BlockRuler(Ruler[BlockRule]):
    """Gives for each chain one rule, which asks those that may be it."""

    def getRules(self, chainName: str = "") -> list[BlockRule]:  # noqa: N802, N803 - markdown-it's names
        if self.__cache__ is None:
            self.__compile__()
            assert self.__cache__ is not None
            names = {rule.fn: rule.name for rule in self.__rules__}
            for chain, rules in self.__cache__.items():
                self.__cache__[chain] = [_first_block([(rule, _BLOCKS.get(names[rule])) for rule in rules])]
        return self.__cache__.get(chainName, [])


class _InlineRuler(Ruler[InlineRule]):
    """The same for what stands in a line; its rules have one chain."""

    def getRules(self, chainName: str = "") -> list[InlineRule]:  # noqa: N802, N803 - markdown-it's names
        if self.__cache__ is None:
            self.__compile__()
            assert self.__cache__ is not None
            names = {rule.fn: rule.name for rule in self.__rules__}
            self.__cache__[""] = [_first_inline([(rule, _INLINE.get(names[rule])) for rule in self.__cache__[""]])]
        return self.__cache__.get(chainName, [])


def _first_block(rules: list[tuple[BlockRule, str | None]]) -> BlockRule:
    by_first, others = _by_first(rules, "".join(_BLOCKS.values()))

    def first(state: StateBlock, line: int, end: int, silent: bool) -> bool:
        begin = state.bMarks[line] + state.tShift[line]
        # A loop, since a generator would cost as much as the shortest rule.
        for rule in by_first.get(state.src[begin : begin + 1], others):  # noqa: SIM110
            if rule(state, line, end, silent):
                return True
        return False

    return first


def _first_inline(rules: list[tuple[InlineRule, str | None]]) -> InlineRule:
    by_first, others = _by_first(rules, _MARKS)
    others = [*others, _text]

    def first(state: StateInline, silent: bool) -> bool:
        for rule in by_first.get(state.src[state.pos], others):  # noqa: SIM110
            if rule(state, silent):
                return True
        return False

    return first


def _by_first(rules: list[tuple[_Rule, str | None]], marks: str) -> tuple[Mapping[str, list[_Rule]], list[_Rule]]:
    """Return the rules to ask by each mark, and of any other character, in their order."""
    by_first = {mark: [rule for rule, begins in rules if begins is None or mark in begins] for mark in marks}
    return by_first, [rule for rule, begins in rules if begins is None]


def _text(state: StateInline, silent: bool) -> bool:
    match = _TEXT.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        _append(state, match.group())
    state.pos = match.end()
    return True


def _append_before_4_1(state: StateInline, text: str) -> None:
    state.pending += text


# Later ones keep what is pending in pieces, and adding to it as a string would copy it each time.
_append = getattr(StateInline, "append_pending", _append_before_4_1)
