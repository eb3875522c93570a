"""Two texts, word by word: what is the same, gone and new, and that it takes no longer than they are."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.journal import word_diff
from nbassist.journal.word_diff import diff_words

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d1", "e2", "f3", ".", "\n"]), max_size=60).map(" ".join)


def test_a_difference_is_word_by_word() -> None:
    pieces = diff_words("Be brief, please.", "Be kind, please.")
    assert pieces == [("same", "Be "), ("gone", "brief"), ("new", "kind"), ("same", ", please.")]


@given(st.one_of(st.text(max_size=60), WORDS), st.one_of(st.text(max_size=60), WORDS), st.sampled_from([0, 4, 10_000]))
def test_the_pieces_of_a_difference_make_both_texts(before: str, after: str, few: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_diff, "_FEW", few)  # so that texts of any length are divided
        pieces = diff_words(before, after)
    assert "".join(text for kind, text in pieces if kind != "new") == before
    assert "".join(text for kind, text in pieces if kind != "gone") == after
    kinds = [kind for kind, _ in pieces]
    assert all(text for _, text in pieces)
    assert not re.search("same same|gone gone|new new|new gone", " ".join(kinds)), "each stretch is one piece"


@given(WORDS)
def test_a_text_is_the_same_as_itself(text: str) -> None:
    assert diff_words(text, text) == ([("same", text)] if text else [])


def test_a_few_words_of_a_long_text_are_all_that_differs() -> None:
    before = " ".join(f"word{number} and more of it," for number in range(5_000))
    after = (
        before.replace("word7 and", "word7 or").replace("word4000 ", "").replace("of it, word2500", "of them, word2500")
    )
    changed = [(kind, text.strip()) for kind, text in diff_words(before, after) if kind != "same"]
    assert changed == [("gone", "and"), ("new", "or"), ("gone", "it"), ("new", "them"), ("gone", "word4000")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a b " * 5_000, "b a " * 5_000),
        ("a b c " * 5_000, "c a b b " * 4_000),
        (" ".join(map(str, range(10_000))), " ".join(map(str, range(10_000, 20_000)))),
        (" ".join(map(str, range(10_000))), " ".join(map(str, range(10_000, 0, -1)))),
        (" ".join(f"{n} {n // 2}" for n in range(5_000)), " ".join(f"{n // 2} {n}" for n in range(5_000))),
    ],
    ids=["two words", "three words", "nothing in common", "backwards", "pairs"],
)
def test_long_texts_are_compared_in_small_stretches(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counted(junk: Any, first: Any, second: Any, autojunk: bool) -> Any:
        nonlocal compared
        compared += len(first) * len(second)
        assert len(first) * len(second) <= 10_000
        return SequenceMatcher(junk, first, second, autojunk)

    monkeypatch.setattr(word_diff, "SequenceMatcher", counted)
    pieces = diff_words(before, after)
    assert "".join(text for kind, text in pieces if kind != "new") == before
    # Each with each would be some hundred million.
    assert compared <= 100 * (len(before) + len(after))
