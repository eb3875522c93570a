from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbassist.display.terminal.markdown_styler import BOLD, CYAN, DIM, END, MarkdownStyler

TEXT = st.text(st.sampled_from(list("a*`#~\n -")), max_size=40)


def styled(*pieces: str) -> str:
    styler = MarkdownStyler()
    return "".join([*map(styler.feed, pieces), styler.feed("", final=True)])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Title\ntext", f"{BOLD}Title{END}\ntext"),
        ("some **bold** text", f"some {BOLD}bold{END} text"),
        ("a `code` b", f"a {CYAN}code{END} b"),
        ("**a `b` c**", f"{BOLD}a {CYAN}b{END}{BOLD} c{END}"),
        ("`a ** b`", f"{CYAN}a ** b{END}"),
        ("``a ` b``", f"{CYAN}a ` b{END}"),
        ("```py\nx = '**'\n```\n**b**", f"{DIM}```py{END}\n{CYAN}x = '**'{END}\n{DIM}```{END}\n{BOLD}b{END}"),
        ("never **closed\nnext line", f"never {BOLD}closed{END}\nnext line"),
        ("2 * 3 #no heading", "2 * 3 #no heading"),
        ("#no heading", "#no heading"),
        ("#  Title", f"{BOLD}Title"),
    ],
)
def test_markdown_is_styled(text: str, shown: str) -> None:
    assert styled(text) == shown
    assert styled(*text) == shown


@settings(max_examples=1_000)
@given(TEXT, st.integers(1, 7))
@example("#  ", 1)
def test_cuts_do_not_matter(text: str, size: int) -> None:
    assert styled(*(text[i : i + size] for i in range(0, len(text), size))) == styled(text)


@given(TEXT)
def test_only_marks_are_left_out(text: str) -> None:
    shown = re.sub(r"\x1b\[\d*m", "", styled(text))
    assert [c for c in shown if c not in "*`# "] == [c for c in text if c not in "*`# "]


def test_text_is_shown_as_it_comes() -> None:
    styler = MarkdownStyler()
    assert styler.feed("Hel") == "Hel"
    assert styler.feed("lo ") == "lo "
