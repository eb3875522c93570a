"""Rules that were written anew, and what goes round the parser, give what the parser's own give."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nbassist.display.markdown import highlight
from nbassist.display.markdown.block_html import BlockHtml, markdown_html
from nbassist.display.markdown.blocks import Splitter
from nbassist.display.markdown.bounds import Credit, formulas, too_dear_to_split
from nbassist.display.markdown.quick_rules import quick_rules
from nbassist.display.markdown.renderer import Renderer
from nbassist.display.markdown.rule_dispatch import dispatch
from nbassist.display.markdown.unparsed import item_html, plain_item


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


OWN, QUICK = _parser(), _parser()
quick_rules(QUICK)
dispatch(QUICK)
# Beside letters of Chinese, Japanese and Korean marks mean more than they did: see `test_markdown`.
MARKS = st.text("*_~a .,\u3000é\\`[]()<>!&\n", max_size=40)
LINES = st.lists(
    st.sampled_from(["a", "b c", "===", "---", "- - -", "***", "* a", "> a", "-", "= a", "# h", "    x", "1. a", ""]),
    max_size=12,
)


@given(MARKS)
@settings(max_examples=300, deadline=None)
def test_marks_in_a_line_mean_what_they_meant(text: str) -> None:
    assert QUICK.render(text) == OWN.render(text)


@given(LINES)
@settings(max_examples=300, deadline=None)
def test_paragraphs_headings_and_rules_are_found_where_they_were(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert QUICK.render(text) == OWN.render(text)


@given(st.from_regex(r"(-|\*|\+|12[.)]) {1,3}[A-Za-z0-9 .,:;'/(){}%^#=+|*-]{1,30}\n{1,2}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_an_item_of_words_comes_out_as_from_the_parser(source: str) -> None:
    if plain_item(source):
        _, _, inside = Renderer("tex").html(source).partition(">\n")
        assert inside.rpartition("</")[0] == item_html(source, loose=False)


@pytest.mark.parametrize("source", ["- 1. a\n", "- a\n  b\n", "- http://a.b\n", "- :rocket:\n", "-     a\n", "- *a*\n"])
def test_an_item_of_more_than_words_goes_to_the_parser(source: str) -> None:
    assert not plain_item(source)


@given(
    st.lists(st.sampled_from(["a *b*\n\n", "# c\n", "- d\n- *e*\n", "- f\n\n- g\n\n", "> h\n\n", "i\n\n", "שלום\n\n"]))
)
@settings(max_examples=100, deadline=None)
def test_blocks_that_are_parsed_together_come_out_as_one_by_one(pieces: list[str]) -> None:
    text = "".join(pieces)
    one_by_one = BlockHtml("tex")
    assert markdown_html(text, "tex") == "".join(one_by_one.whole(block) for block in Splitter.of(text).closed)


def test_addresses_and_emoji_in_cells_are_what_they_are_in_text() -> None:
    html = markdown_html("| a |\n|---|\n| https://a.example/b |\n| :rocket: |\n")
    assert '<a href="https://a.example/b"' in html
    assert "🚀" in html


def test_brackets_after_an_address_are_the_sentence_s() -> None:
    html = markdown_html("(see http://a.example/b_(c)))). http://a.example/" + ")" * 5_000)
    assert 'href="http://a.example/b_(c)"' in html
    assert 'href="http://a.example/"' in html


def test_a_tag_is_found_behind_letters_that_grow_when_made_small() -> None:
    assert "<b>x</b> y" in markdown_html("İİİ <B>x</B> y")


def test_a_language_that_nobody_knows_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highlight, "get_lexer_by_name", lambda *_, **__: pytest.fail("looked for"))
    assert highlight.highlight_lines("a\n", "no-such-language-1") == ["a", ""]


def test_prices_are_no_formulas() -> None:
    assert formulas("$5 and $6, or $a_1$ and \\(b\\)") == 2


def test_code_of_short_lines_is_split_whatever_it_begins_with() -> None:
    items = "- a\n" * 2_000
    assert too_dear_to_split(items + "  - b\n")
    assert not too_dear_to_split(f"```yaml\n{items}```\n")
    assert not too_dear_to_split(items[:3_000])


def test_short_blocks_beyond_the_credit_come_out_in_stretches() -> None:
    credit = Credit()
    covered = [credit.covers("[a] b\n\n") for _ in range(2_000)]
    turns = sum(one is not next_one for one, next_one in pairwise(covered))
    assert any(covered[1_000:])
    assert turns < 200
