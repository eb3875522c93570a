"""A magic's line into words, and the names of the notebook in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.errors import UsageError
from nbassist.magics.completion.matcher import place_of
from nbassist.magics.line import tokenizer
from nbassist.magics.line.tokenizer import expand, split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ('-s "be brief" -m x', ["-s", "be brief", "-m", "x"]),
        ("--system='be kind' -p stop=\"x y\"", ["--system=be kind", "-p", "stop=x y"]),
        (r"--file C:\data\new.csv", ["--file", r"C:\data\new.csv"]),
        (r'--file "C:\my data\new.csv" x', ["--file", r"C:\my data\new.csv", "x"]),
        (r'--file "C:\data\" -m x', ["--file", "C:\\data\\", "-m", "x"]),
        (r"my\ file.csv \\server\share", ["my file.csv", r"\\server\share"]),
        ('--over ["a b", "c"]', ["--over", '["a b", "c"]']),
        ("--over [{'a': 1}, {'a': ')'}]", ["--over", "[{'a': 1}, {'a': ')'}]"]),
        ('-p response_format={"type": "json_object"}', ["-p", 'response_format={"type": "json_object"}']),
        ("--as dict[str, int] --to x", ["--as", "dict[str, int]", "--to", "x"]),
        ('--check text=="a b"', ["--check", 'text=="a b"']),
        ("--check 'text == \"x\"'", ["--check", 'text == "x"']),
        (r'-s "say \"hi\""', ["-s", 'say "hi"']),
        ('--vary system="be brief","be kind"', ["--vary", "system=be brief,be kind"]),
        ("fix why doesn't it (so far", ["fix", "why", "doesn't", "it", "(so", "far"]),
        ('-t ""', ["-t", ""]),
    ],
)
def test_words_arrive_as_they_were_written(line: str, words: list[str]) -> None:
    assert split(line) == words


def test_a_quote_that_is_not_closed_is_one_line() -> None:
    with pytest.raises(UsageError, match="a quote that is not closed"):
        split("-s 'be brief")


@given(st.text(max_size=60))
def test_any_line_is_words_or_one_line(line: str) -> None:
    try:
        words = split(line)
    except UsageError:
        return
    if not set(line) & set("\"'\\([{"):
        assert words == line.split()


@given(st.lists(st.text(alphabet=st.characters(codec="ascii", exclude_characters='"\\\x1c\x1d\x1e\x1f'), max_size=8)))
def test_words_in_quotes_come_back(words: list[str]) -> None:
    assert split(" ".join(f'"{word}"' for word in words)) == words


@given(st.text(max_size=40))
def test_a_line_that_names_nothing_is_not_changed_by_expanding(word: str) -> None:
    assert expand([word], {}) == [word]


def test_names_are_expanded_and_what_only_looks_like_one_is_not() -> None:
    namespace = {"model": "large", "n": 2, "config": {"a": "b"}}
    written = ["{model}", "$model", "x-{n + 1}", "{config['a']}", '{"a": 1}', "{{model}}", "$5", "{nothing}", "$$model"]
    expanded = ["large", "large", "x-3", "b", '{"a": 1}', "{{model}}", "$5", "{nothing}", "$model"]
    assert expand(written, namespace) == expanded


@pytest.mark.parametrize("line", ["(" * 5_000, "([{" * 2_000, "('" * 3_000])
def test_a_line_of_brackets_that_do_not_close_is_looked_through_a_few_times(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def counted(line: str, at: int) -> int:
        nonlocal looked
        looked += 1
        return closing(line, at)

    closing = tokenizer._closing
    monkeypatch.setattr(tokenizer, "_closing", counted)
    assert split(line) == [line]
    assert looked <= 20


def test_a_word_is_completed_though_its_line_is_long() -> None:
    place = place_of("%%assistant " + "word " * 5_000 + "--mod")
    assert place is not None
    assert (place.word, place.before[-1]) == ("--mod", "word")
    place = place_of("%%assistant " + "'" * 5_000)
    assert place is not None
    assert len(place.word) <= 1_000
