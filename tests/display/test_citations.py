"""The sources of a reply: named with their page, opened to the passage, and put in the place of their marks."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from nbassist.core.events import CitationAdded, RunEnded, TextDelta, TurnEnded
from nbassist.core.html_allowlist import seal
from nbassist.display.live.painter import Painter
from nbassist.display.markdown.block_html import Cache, markdown_html
from nbassist.display.markdown.references import with_references
from nbassist.display.markdown.renderer import SOURCE
from nbassist.display.markdown.sanitiser import CITED as LOOK
from nbassist.display.segments import Citation
from nbassist.display.static.reply import bundle_of
from nbassist.display.transcript import Transcript

ONE = SOURCE.format(1)


def bundle(*events: TextDelta | CitationAdded) -> dict[str, str]:
    transcript = Transcript()
    for event in (*events, RunEnded("completed")):
        transcript.apply(event)
    return bundle_of(transcript)


def test_a_source_opens_to_its_passage_and_is_named_with_its_page() -> None:
    cited = CitationAdded("a.pdf", marker="【4:0†a.pdf】", passage="It is <b>so</b>.", page=3)
    shown = bundle(TextDelta("So it is.【4:0†a.pdf】"), cited)
    assert "<summary>a.pdf, page 3</summary>" in shown["text/html"]
    assert "It is &lt;b&gt;so&lt;/b&gt;." in shown["text/html"]
    assert "【" not in shown["text/html"].partition("Sources")[0]
    assert "So it is.[1]" in shown["text/plain"]
    assert "1. a.pdf, page 3" in shown["text/plain"]


def test_a_source_without_a_passage_is_a_line() -> None:
    assert "<li>a.pdf</li>" in bundle(TextDelta("So."), CitationAdded("a.pdf"))["text/html"]


def test_a_small_file_of_the_interpreter_is_saved_from_its_link_and_seen_in_its_passage() -> None:
    wrote = CitationAdded('a/ta"ble.csv', "", "sandbox:/mnt/data/t.csv", "a,b\n1,2", data=b"a,b\n1,2")
    html = bundle(TextDelta("See [it](sandbox:/mnt/data/t.csv)."), wrote)["text/html"]
    assert 'href="data:application/octet-stream;base64,YSxiCjEsMg=="' in html
    assert 'download="a_ta_ble.csv"' in html
    assert "a,b\n1,2</pre>" in html


def test_no_text_of_a_model_makes_such_a_link() -> None:
    link = "data:application/octet-stream;base64,YSxiCjEsMg=="
    for text in (f"[save]({link})", f'<a href="{link}" download="x">save</a>'):
        assert "<a " not in bundle(TextDelta(text))["text/html"]
    assert "href" not in seal('<a href="data:text/html;base64,YQ==" download="x">save</a>')


def test_a_link_to_a_file_at_the_endpoint_leaves_its_words_and_a_reference() -> None:
    cited = Citation("table.csv", "", "sandbox:/mnt/data/table.csv")
    text = "See [the table](sandbox:/mnt/data/table.csv), sandbox:/mnt/data/table.csv."
    assert with_references(text, [cited]) == f"See the table{ONE}, {ONE}."


def test_a_reference_that_looks_like_the_marker_of_another_source_is_no_marker() -> None:
    cited = [Citation("image", "u", ""), Citation("A", "a", "[1]"), Citation("B", "b", "[2]")]
    assert with_references("x [1] y [2]", cited, "[{}]") == "x [2] y [3]"
    assert with_references("x [1] y [2]", cited) == f"x {SOURCE.format(2)} y {SOURCE.format(3)}"


MARK = "【3†notes.md】"
CITED = [Citation("notes.md", "", MARK)]
# What begins, ends and hides code, and what may be taken for it.
PIECES = [
    "```\n",
    "```python\n",
    "`",
    "``",
    "~~~\n",
    "\n",
    "\n\n",
    "    ",
    "- ",
    "> ",
    "1. ",
    "# ",
    "\t",
    "\\",
    "(x)",
    "[",
]
PIECES += ["| a | b |\n|--|--|\n", "| ", "[^1]", "word ", MARK, MARK, MARK]


def code_in(html: str) -> list[str]:
    return re.findall(r"<(?:code|pre)[^>]*>(.*?)</(?:code|pre)>", html, re.DOTALL)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_code_stays_as_it_is_written_whatever_stands_around_it(text: str) -> None:
    html = markdown_html(with_references(text, CITED), "tex")
    assert code_in(html) == code_in(markdown_html(text, "tex"))
    assert "\ue000" not in html


def test_marks_in_code_are_no_references_live_and_in_the_file() -> None:
    text = (
        f"So{MARK} is `a{MARK}`, ``b`{MARK}``:\n\n```python\nx = '{MARK}'\n```\n\n    {MARK}\n\n- [`t`](sandbox:/t)\n"
    )
    events = [TextDelta(text), CitationAdded("notes.md", "", MARK), CitationAdded("t", "", "sandbox:/t")]
    transcript, painter = Transcript(), None
    for event in (*events, TurnEnded("stop"), RunEnded("completed")):
        transcript.apply(event)
        painter = painter or Painter(transcript, Cache())
        painter.paint()
    assert painter is not None
    for html in (painter.canvas.whole()[0], bundle(*events)["text/html"]):
        assert html.count("[1]</sup>") == 1
        assert html.count(MARK) == 4
        assert "<code>t</code><sup" in html
        assert "[2]</sup>" in html
    assert "So[1] is" in (plain := bundle(*events)["text/plain"])
    assert plain.count(MARK) == 4


def test_the_mark_of_a_source_is_told_from_a_footnote_s() -> None:
    html = bundle(TextDelta(f"So{MARK}, and so.[^1]\n\n[^1]: A note.\n"), CitationAdded("notes.md", "", MARK))[
        "text/html"
    ]
    assert re.findall(r"<sup[^>]*>[^<]*</sup>", html) == [
        f'<sup class="nba-source" style="{LOOK}">[1]</sup>', "<sup>1</sup>", "<sup>1</sup>",
    ]  # fmt: skip


def test_what_stands_beside_a_mark_makes_no_link_and_no_escape_of_it() -> None:
    for text, shown in ((f"So{MARK}(b).", "]</sup>(b)."), (f"a\\{MARK}", "\\</span><sup"), (f"$x{MARK}$", "x[1]")):
        assert shown in bundle(TextDelta(text), CitationAdded("notes.md", "", MARK))["text/html"]
