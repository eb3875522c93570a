"""A thread as a notebook, a page and markdown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nbassist.core.conversation import Conversation
from nbassist.core.event_order import EventOrder
from nbassist.core.events import TextDelta, ToolCallReady, ToolCallStarted, ToolFinished, TurnEnded, TurnStarted
from nbassist.core.messages import Text
from nbassist.errors import UsageError
from nbassist.export import export, formats
from nbassist.export.turns import turns_of

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> ```` ``` "


@pytest.fixture
def thread() -> Conversation:
    conversation = Conversation("orders")
    conversation.add_user(Text("The variable df is: …", "df"), Text(f"How many? {HOSTILE}"))
    for event in (
        TurnStarted(),
        ToolCallStarted("c", "row_count"),
        ToolCallReady("c", "row_count", '{"table": "orders"}'),
        TurnEnded("tool_calls"),
        ToolFinished("c", "row_count", f"12 {HOSTILE}"),
        TurnStarted(),
        TextDelta(f"There are **12**. {HOSTILE}"),
        TurnEnded("stop"),
    ):
        conversation.fold(event)
    conversation.add_user(Text("And now?"))
    for event in (TurnStarted(), TextDelta("Well"), TurnEnded("cut")):
        conversation.fold(event)
    return conversation


def test_the_events_of_a_turn_are_in_the_order_that_displays_expect(thread: Conversation) -> None:
    for turn in turns_of(thread):
        order = EventOrder()
        for event in turn.events:
            order.check(event)


def test_a_notebook_is_valid_and_has_a_cell_for_each_turn(thread: Conversation, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    path = export(thread, tmp_path / "thread.ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.source.splitlines()[0] for cell in notebook.cells] == ["%load_ext nbassist", *["%%assistant"] * 2]
    first = notebook.cells[1].outputs[0].data
    assert "<strong>12</strong>" in first["text/html"]
    assert "<script" not in first["text/html"]
    assert set(first) == {"text/html", "text/plain"}


def test_a_page_runs_nothing_and_fetches_nothing(thread: Conversation, tmp_path: Path) -> None:
    page = export(thread, tmp_path / "thread.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert "shown along: df" in page
    assert "How many? &lt;script&gt;" in page


def test_markdown_keeps_what_was_said_and_fences_what_tools_gave(thread: Conversation, tmp_path: Path) -> None:
    text = export(thread, tmp_path / "thread.md").read_text(encoding="utf-8")
    assert "There are **12**." in text
    assert "`````\n12 <script>" in text, "a fence in the output does not end the block"
    assert "*[not complete]*" in text
    assert "*Shown along: `df`*" in text


def test_an_unknown_ending_or_a_bad_path_is_one_line(thread: Conversation, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.ipynb, \.html, \.md, not to 'thread.docx'"):
        export(thread, tmp_path / "thread.docx")
    with pytest.raises(UsageError, match="can't be written"):
        export(thread, tmp_path / "nowhere" / "thread.md")


def test_an_empty_thread_is_exported_too(tmp_path: Path) -> None:
    for name in ("a.ipynb", "a.html", "a.md"):
        assert export(Conversation(), tmp_path / name).exists()
    assert len(json.loads((tmp_path / "a.ipynb").read_text())["cells"]) == 1


@pytest.mark.parametrize(
    ("target", "is_link"),
    [
        ("(https://x.y/" + "a" * 500 + ")", True),
        ("(" + "a/" * 300 + ")", True),
        ("(javascript:x)", False),
        ("(<java\tscript:x>)", False),
        ("(" + " " * 300 + "javascript:x)", False),
        ("(<" + " " * 300 + "javascript:x>)", False),
        ("(&#" + "0" * 300 + "106;avascript:x)", False),
        ("(java&#1;" + "&#1;" * 100 + "script:x)", False),
    ],
)
def test_a_link_is_known_by_its_beginning_and_is_text_where_that_does_not_tell(target: str, is_link: bool) -> None:
    assert ("](" in formats.harmless(f"[words]{target}")) == is_link


def test_no_more_than_the_beginning_of_each_link_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counting(text: str) -> str:
        nonlocal looked
        looked += len(text)
        return text

    monkeypatch.setattr(formats, "unescape", counting)
    text = "](a" * 2000 + "](<" * 2000
    formats.harmless(text)
    assert looked <= 4000 * formats._LOOKED_AT
