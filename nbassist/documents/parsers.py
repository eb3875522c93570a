"""The text of a file, page by page, by well-kept libraries. Runs in `child` alone: a file may be made to harm a parser.

Each parser takes the bytes and yields pages: a number, from 1, where the file has pages or slides, else None, and text.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

from .file_types import decoded

Pages: TypeAlias = Iterator[tuple[int | None, str]]
_BLOCKS_TEXT = """
address article aside blockquote br caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4
h5 h6 header hr li main nav ol option p pre section summary table tbody td tfoot th thead title tr ul
"""
_BLOCKS = frozenset(_BLOCKS_TEXT.split())
_SILENT = frozenset(("script", "style", "noscript", "template", "svg", "math", "head", "iframe", "object"))
_LONG_LINE = 2000
_MOST_OUTPUT = 20_000
"""Characters of one output of a notebook that are worth a search."""


class NoTextError(Exception):
    """The file is not what it says, is broken, or holds no text; the words are for the person."""


def text(content: bytes) -> Pages:
    """Read plain text: markdown, CSV, source code."""
    yield None, decoded(content)


def json_file(content: bytes) -> Pages:
    """Read JSON as it stands, laid out where it is all in one line, so that it can be cut between its parts."""
    found = decoded(content)
    if len(found) > _LONG_LINE * (found.count("\n") + 1):
        # JSON Lines, or broken: its words can be found all the same.
        with suppress(ValueError, RecursionError):
            found = json.dumps(json.loads(found), ensure_ascii=False, indent=1)
    yield None, found


def notebook(content: bytes) -> Pages:
    """Read the cells of a Jupyter notebook and the text of their outputs."""
    try:
        cells = json.loads(decoded(content))["cells"]
        pieces = [piece for cell in cells for piece in _cell(cell)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoTextError(f"this is no Jupyter notebook ({type(error).__name__})") from None
    yield None, "\n\n".join(pieces)


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    source = _joined(cell.get("source"))
    if source.strip():
        yield source
    for output in cell.get("outputs") or ():
        data = output.get("data") or {}
        found = _joined(output.get("text")) or _joined(data.get("text/markdown")) or _joined(data.get("text/plain"))
        if found.strip():
            yield found[:_MOST_OUTPUT]


def _joined(lines: Any) -> str:
    return "".join(lines) if isinstance(lines, list) else lines if isinstance(lines, str) else ""


def html(content: bytes) -> Pages:
    """Read the text of a page, without scripts and styles, with a line for each block."""
    from lxml import etree
    from lxml import html as lxml_html

    # lxml takes a declared encoding from the file; where it has none, it would guess Latin-1.
    parser = lxml_html.HTMLParser(encoding=None if b"charset" in content[:2048].lower() else "utf-8")
    try:
        root = lxml_html.document_fromstring(content, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise NoTextError(f"this HTML can't be read ({error})") from None
    pieces: list[str] = []
    title = root.findtext(".//head/title")
    if title and title.strip():
        pieces.append(title.strip() + "\n\n")
    skipped = None
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start" and skipped is None:
            if tag in _SILENT:
                skipped = element
            else:
                if tag in _BLOCKS:
                    pieces.append("\n")
                pieces.append(element.text or "")
        elif event != "start":
            if skipped is element:
                skipped = None
            if skipped is None:
                if tag in _BLOCKS:
                    pieces.append("\n")
                pieces.append(element.tail or "")
    yield None, "".join(pieces)


def pdf(content: bytes) -> Pages:
    """Read a PDF, page by page."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        why = "it is locked by a password" if "assword" in str(error) else str(error)
        raise NoTextError(f"this PDF can't be read: {why}") from None
    try:
        for number in range(len(document)):
            try:
                page = document[number]
                yield number + 1, page.get_textpage().get_text_bounded()
                page.close()
            except pypdfium2.PdfiumError:
                continue  # one broken page is no reason to lose the others
    finally:
        document.close()


def docx(content: bytes) -> Pages:
    """Read a document of Word: its paragraphs and tables in order, its headers, its footnotes left out."""
    import docx as python_docx
    from docx.table import Table

    try:
        document = python_docx.Document(io.BytesIO(content))
        pieces = []
        for item in document.iter_inner_content():
            if isinstance(item, Table):
                pieces += ["\t".join(cell.text for cell in row.cells) for row in item.rows]
            else:
                pieces.append(item.text)
    except Exception as error:  # noqa: BLE001, a broken file makes python-docx raise nearly anything
        raise NoTextError(f"this Word document can't be read ({type(error).__name__})") from None
    yield None, "\n".join(pieces)


def pptx(content: bytes) -> Pages:
    """Read a presentation, slide by slide, with the notes."""
    import pptx as python_pptx

    try:
        slides = list(python_pptx.Presentation(io.BytesIO(content)).slides)
        found = [_slide(slide) for slide in slides]
    except Exception as error:  # noqa: BLE001, as above
        raise NoTextError(f"this presentation can't be read ({type(error).__name__})") from None
    yield from ((number, words) for number, words in enumerate(found, 1))


def _slide(slide: Any) -> str:
    pieces = list(_shapes(slide.shapes))
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        pieces.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(piece for piece in pieces if piece.strip())


def _shapes(shapes: Any) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            yield from ("\t".join(cell.text for cell in row.cells) for row in shape.table.rows)


PARSERS: dict[str, Callable[[bytes], Pages]] = {
    "text": text,
    "json": json_file,
    "notebook": notebook,
    "html": html,
    "pdf": pdf,
    "docx": docx,
    "pptx": pptx,
}
