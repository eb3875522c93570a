from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import DEFINED, HOSTILE, MATH, PLAIN

from nbassist.display.markdown import blocks
from nbassist.display.markdown.block_html import markdown_html
from nbassist.display.markdown.blocks import Block, Splitter, _dedent
from nbassist.display.markdown.renderer import Renderer, block_parser

LINES = [
    "- a", "  - b", "* c", "1. d", "2) e", "   more", "      deep", "text", "# h", "> q", "```", "```py", "  ```",
    "~~~", "", "", "|a|b|", "|-|-|", "| x | y |", "---", "===", "    code", "$$", "x$$", "\\[", "[a]: /u", "\tt",
    "[^n]: note",
    "<details>", "<details><summary>s</summary>", "<summary>s</summary>", "</details>", ": a", "  : b", "<b>x",
    "a<br>b", "https://a.b/c_d.",
    "- t | u", "[a] [^n]", "- ```", "- > z", "-", "1.", "***", "`x", "**y",
]  # fmt: skip
DOCUMENTS = st.lists(st.sampled_from(LINES), max_size=14).map("\n".join)


def split(pieces: list[str]) -> list[tuple[object, ...]]:
    splitter = Splitter()
    for piece in pieces:
        splitter.feed(piece)
    splitter.finish()
    return [_normal(block) for block in splitter.closed]


def _normal(block: Block) -> tuple[object, ...]:
    parts = (block.body,) if block.kind == "code" else tuple(block.parts)
    return block.kind, block.head, block.loose, parts


def at_once(text: str) -> str:
    text = text.removesuffix("\n") + "\n"  # a last line is whole when the text ends
    renderer = Renderer()
    renderer.definitions.collect(text)
    return loosely(renderer.html(text))


def loosely(html: str) -> str:
    """Line ends between tags are no matter; inside of code they are."""
    return re.sub(r">\s*\n\s*<", "><", html).strip()


@pytest.mark.parametrize("text", [PLAIN, DEFINED, MATH, *HOSTILE])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_any_cuts_give_the_same_blocks(text: str, size: int) -> None:
    assert split([text[i : i + size] for i in range(0, len(text), size)]) == split([text])


@given(DOCUMENTS, st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_any_cuts_of_any_document_give_the_same_blocks(text: str, size: int) -> None:
    assert split([text[i : i + size] for i in range(0, len(text), size)]) == split([text])


ITEMS = [
    "- a", "- b c", "* d", "+ e", "- **f** g", "* `h`", "+ été", "-  i", "- j  ", "- k | l", "- m\x0bn", "- o\u2028p",
    "- ", "-", "- 1. q", "- - r", "- | -", "  - s", " - t", "* * *", "- --", "1. u", "", "v", "---", "- **", "- ```",
    ": w", "- <b>", "- [z]: /u",
]  # fmt: skip


@given(st.lists(st.sampled_from(ITEMS), max_size=14).map("\n".join), st.integers(1, 12))
@settings(max_examples=500, deadline=None)
def test_items_that_the_parser_is_not_asked_of_are_what_it_would_say(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_PLAIN_ITEMS", re.compile(r"(?!)"))
        asked = split(pieces)
    assert split(pieces) == asked


@pytest.mark.parametrize("before", ["", "- w\n", "- w\n\n", "1. w\n", "x\n\n"])
@pytest.mark.parametrize("item", ["- a | b\n", "* a | b\n", "1. a | b\n", " - | b |\n"])
@pytest.mark.parametrize("after", ["", "\nx\n", "> q\n", "- z\n"])
def test_an_item_that_could_be_the_head_of_a_table_is_an_item(before: str, item: str, after: str) -> None:
    text = f"{before}{item}|---|---|\n| 1 | 2 |\n{after}"
    whole = split([text])
    assert split(text.splitlines(keepends=True)) == whole
    assert "table" not in [kind for kind, *_ in whole]
    assert all(word in markdown_html(text) for word in ("| b", "| 1 | 2 |"))


@given(DOCUMENTS)
@settings(max_examples=300, deadline=None)
def test_blocks_rendered_apart_are_the_text_rendered_at_once(text: str) -> None:
    assert loosely(markdown_html(text, "mathml")) == at_once(text)


@pytest.mark.parametrize("text", [PLAIN, DEFINED, MATH])
def test_blocks_of_a_reply_rendered_apart_are_the_reply_rendered_at_once(text: str) -> None:
    assert loosely(markdown_html(text, "mathml")) == at_once(text)


def test_long_blocks_grow_by_parts() -> None:
    splitter = Splitter()
    splitter.feed("```py\na = 1\nb = 2\n")
    assert splitter.growing is not None
    assert (splitter.growing.kind, splitter.growing.head, splitter.growing.body) == ("code", "py", "a = 1\nb = 2\n")
    splitter.feed("```\n| a |\n|---|\n| 1 |\n| 2 |\n| 3")
    assert (splitter.growing.kind, splitter.growing.parts, splitter.rest) == ("table", ["| 1 |\n", "| 2 |\n"], "| 3")
    splitter.feed(" |\n\n- x\n- y\n- z\n")
    assert (splitter.growing.kind, splitter.growing.parts, splitter.rest) == ("list", ["- x\n", "- y\n"], "- z\n")


@pytest.mark.parametrize(
    "line", ["x = 1  # a line of code\n", "| 1 | 2 |\n", "- an item\n", "words and words\n", "> q\n"]
)
def test_the_parser_reads_each_character_a_bounded_number_of_times(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"x": "```py\n", "|": "| a | b |\n|---|---|\n"}.get(line[0], "")
    read = 0
    parser = block_parser()
    parse = parser.parse

    def counting(source: str, env: object = None) -> object:
        nonlocal read
        read += len(source)
        return parse(source, env)  # type: ignore[arg-type]

    monkeypatch.setattr(parser, "parse", counting)
    splitter = Splitter()
    splitter.feed(first)
    for _ in range(4000):
        splitter.feed(line)
    splitter.finish()
    assert read < 40 * 4000 * len(line)


@pytest.mark.parametrize(
    ("space", "indent", "left"),
    [("    ", 3, " "), ("\t", 2, "  "), (" \t", 3, " "), (" \t", 4, ""), ("\t\t", 5, "   "), (" ", 3, ""), ("", 2, "")],
)
def test_an_indented_fence_takes_columns_off_and_a_tab_is_up_to_four(space: str, indent: int, left: str) -> None:
    assert _dedent(space, indent) == left
