"""Reading files: each kind by its library, within limits, and never with what belongs to the server."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from typing import Any

import pytest

from nbassist.documents import reader
from nbassist.documents.chunking import count_tokens, cut
from nbassist.documents.file_types import kind_of
from nbassist.documents.reader import Page, ReadingLimits, UnreadableFileError, read_file


def read(name: str, content: bytes, limits: ReadingLimits | None = None) -> list[Page]:
    return asyncio.run(read_file(name, content, limits))


def pdf(*pages: str) -> bytes:
    """A PDF with a line of Helvetica on each page."""
    streams = [f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET".encode() for page in pages]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, stream in enumerate(streams):
        of_page = f"/Resources << /Font << /F1 3 0 R >> >> /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R {of_page} >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF" % (
        *(size, table, size, len(out)),
    )


def test_a_pdf_is_read_page_by_page() -> None:
    pages = read("a.pdf", pdf("First page", "Second page"))
    assert pages == [Page(1, "First page"), Page(2, "Second page")]


def test_a_pdf_is_one_by_its_bytes_whatever_its_name() -> None:
    assert read("paper", pdf("Words")) == [Page(1, "Words")]


def test_a_word_document_is_read_with_its_tables() -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("Before.")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("After.")
    document.save(found := io.BytesIO())
    assert read("a.docx", found.getvalue()) == [Page(None, "Before.\nleft\tright\nAfter.")]


def test_a_presentation_is_read_slide_by_slide_with_its_notes() -> None:
    import pptx

    deck = pptx.Presentation()
    for title in ("One", "Two"):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = title
    slide.notes_slide.notes_text_frame.text = "Say this."
    deck.save(found := io.BytesIO())
    assert read("a.pptx", found.getvalue()) == [Page(1, "One"), Page(2, "Two\nSay this.")]


def test_html_is_read_without_scripts_and_with_a_line_for_each_block() -> None:
    page = (
        "<html><head><title>T</title><style>p {}</style></head><body><h1>H</h1><p>a <b>b</b> c</p><script>x</script>é"
    )
    [found] = read("a.html", page.encode())
    assert found.text.split() == ["T", "H", "a", "b", "c", "é"]
    assert "a b c" in found.text


def test_a_notebook_is_read_by_its_cells_and_outputs() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {"cell_type": "code", "source": "1 + 1", "outputs": [{"data": {"text/plain": ["2"]}}, {"text": "printed"}]},
        {"cell_type": "code", "source": "f()", "outputs": [{"data": {"image/png": "iVBORw0KGgo"}}]},
    ]
    [found] = read("a.ipynb", json.dumps({"cells": cells}).encode())
    assert found.text == "# Title\nwords\n\n1 + 1\n\n2\n\nprinted\n\nf()"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.md", "# Überschrift".encode(), "# Überschrift"),
        ("a.csv", b"a,b\r\n1,2\r\n", "a,b\n1,2"),
        ("a.py", b"def f():\n    return 1\n", "def f():\n    return 1"),
        ("a.json", b'{"a":1}', '{"a":1}'),
        ("latin.txt", "café".encode("cp1252"), "café"),
        ("wide.txt", "wide".encode("utf-16"), "wide"),
        ("none", b"no ending at all", "no ending at all"),
    ],
)
def test_text_is_read_as_it_stands_in_the_encoding_it_is_in(name: str, content: bytes, text: str) -> None:
    assert read(name, content) == [Page(None, text)]


@pytest.mark.parametrize(
    ("name", "content"), [("a.png", b"\x89PNG\r\n\x1a\n\0\0"), ("a.docx", b"no zip"), ("a.pdf", b"x")]
)
def test_what_has_no_text_is_unsupported(name: str, content: bytes) -> None:
    assert kind_of(name, content) is None
    with pytest.raises(UnreadableFileError) as error:
        read(name, content)
    assert error.value.code == "unsupported_file"


def zip_bomb() -> bytes:
    import docx

    docx.Document().save(plain := io.BytesIO())
    made = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            # 2 GB of text that take 2 MB.
            if name == "word/document.xml":
                with new.open(name, "w", force_zip64=True) as part:
                    part.write(
                        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
                    )
                    for _ in range(2000):
                        part.write(b"<w:p><w:r><w:t>a</w:t></w:r></w:p>" * 30_000)
            else:
                new.writestr(name, old.read(name))
    return made.getvalue()


def test_a_bomb_ends_its_reader_and_nothing_else() -> None:
    with pytest.raises(UnreadableFileError) as error:
        read("a.docx", zip_bomb(), ReadingLimits(memory=600 * 1024 * 1024, cpu_seconds=20, seconds=60))
    assert error.value.code == "invalid_file"


def test_elements_nested_without_end_are_a_failed_file() -> None:
    with pytest.raises(UnreadableFileError, match=r"no text|memory|died"):
        read("a.html", b"<div>" * 200_000 + b"deep" + b"</div>" * 200_000)


def test_a_file_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(UnreadableFileError, match="longer than"):
        read("a.txt", b"words", ReadingLimits(seconds=0.001))


def test_the_reader_sees_nothing_of_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-secret")
    assert "SECRET_KEY" not in reader._environment()


def test_chunks_overlap_by_tokens_and_none_is_longer_than_asked() -> None:
    text = "\n".join(f"Sentence number {number} is about topic {number % 7}." for number in range(500))
    found = list(cut([Page(None, text)], 100, 50))
    assert max(count_tokens(chunk.text) for chunk in found) <= 100
    assert all(text[chunk.begin : chunk.begin + len(chunk.text)] == chunk.text for chunk in found)
    ends = [chunk.begin + len(chunk.text) for chunk in found]
    assert all(later.begin < end for later, end in zip(found[1:], ends, strict=False))
    assert found[0].begin == 0
    assert ends[-1] == len(text)


def test_a_chunk_says_on_which_page_it_begins() -> None:
    pages: Any = [Page(number, f"page {number} " * 60) for number in (1, 2, 3)]
    found = list(cut(pages, 100, 0))
    assert [chunk.page for chunk in found if chunk.text.startswith(f"page {chunk.page}")]
    assert {chunk.page for chunk in found} == {1, 2, 3}
    assert list(cut([Page(None, "  \n ")], 100, 0)) == []


def test_tokens_are_counted_about_as_the_service_counts_them() -> None:
    # 36 by cl100k_base.
    prose = (
        "The quick brown fox jumps over the lazy dog. Retrieval-augmented generation combines a search engine with a "
        "language model, so that answers cite the documents they come from."
    )
    assert 30 <= count_tokens(prose) <= 46
    assert count_tokens("日本語の文章") == 6
