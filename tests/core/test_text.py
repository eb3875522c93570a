from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.core.text import Cleaner, clean, json_line, one_line, settle

AWKWARD = st.text(
    st.one_of(st.sampled_from(list("\x1b[]0;31m\x07\\\x9b\x9d\x9c\r\n\t \ud83d\ude00PX^_?ab\x00")), st.characters()),
    max_size=60,
)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://e.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9ctext", "text"),
        ("\x1bPdevice\x1b\\text", "text"),
        ("\x1b[2Jwiped", "wiped"),
        ("a\x00b\x08c\x7f", "abc"),
        ("\x1b\x1b[0m[31mred", "[31mred"),
        ("unended \x1b]0;title", "unended 0;title"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d x \ude00", "� x �"),
        ("tab\tstays\n", "tab\tstays\n"),
        ("שלום ‮ عربى", "שלום ‮ عربى"),
    ],
)
def test_control_sequences_go_and_text_stays(raw: str, kept: str) -> None:
    assert clean(raw) == kept


@given(AWKWARD, st.lists(st.integers(0, 60), max_size=8))
def test_cuts_do_not_matter(text: str, cuts: list[int]) -> None:
    cleaner, bounds = Cleaner(), [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds) if a <= b]
    pieces = pieces if "".join(pieces) == text else [text]
    assert "".join([*map(cleaner.feed, pieces), cleaner.finish()]) == clean(text)


@given(AWKWARD)
def test_no_control_and_no_surrogate_is_left(text: str) -> None:
    for char in clean(text):
        assert char in "\n\t" or not (ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000)


def test_one_line_is_one_line_and_cut() -> None:
    assert one_line("a\n b\x1b[0m") == "a b"
    assert one_line("x" * 500) == "x" * 199 + "…"


def test_a_progress_bar_settles_on_what_stands_last() -> None:
    assert settle("10%\r50%\r100%\ndone\r\n") == "100%\ndone\n"


@given(AWKWARD)
def test_a_line_of_json_says_the_same_without_a_control_or_a_lone_surrogate(text: str) -> None:
    line = json_line({text: [text]})
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in line)
    line.encode()
    assert json.loads(line) == json.loads(json.dumps({text: [text]}))
