"""The sources of a reply: named with their page, opened to the passage, and put in the place of their marks."""

from __future__ import annotations

from nbassist.core.events import CitationAdded, RunEnded, TextDelta
from nbassist.core.html_allowlist import seal
from nbassist.display.segments import Citation, with_references
from nbassist.display.static.reply import bundle_of
from nbassist.display.transcript import Transcript


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
    assert with_references(text, [cited]) == "See the table[^1], [^1]."


def test_a_reference_that_looks_like_the_marker_of_another_source_is_no_marker() -> None:
    cited = [Citation("image", "u", ""), Citation("A", "a", "[1]"), Citation("B", "b", "[2]")]
    assert with_references("x [1] y [2]", cited, "[{}]") == "x [2] y [3]"
    assert with_references("x [1] y [2]", cited) == "x [^2] y [^3]"
