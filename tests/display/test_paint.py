from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import DEFINED, HOSTILE, MATH, PLAIN
from test_blocks import DOCUMENTS
from test_markdown import Auditor

from nbassist.core import events
from nbassist.display.live import text_painter
from nbassist.display.live.canvas import Canvas, common_length
from nbassist.display.live.painter import Painter
from nbassist.display.markdown.block_html import Cache, markdown_html
from nbassist.display.markdown.unfinished import mend
from nbassist.display.transcript import Transcript

Run = Callable[..., list[events.Event]]


def painted(pieces: list[str]) -> tuple[str, int]:
    """Paint after each piece; return the HTML that stands at the end, and how many characters were sent."""
    transcript, sent = Transcript(), 0
    painter = Painter(transcript, Cache())
    for event in [*map(events.TextDelta, pieces), events.RunEnded("completed")]:
        transcript.apply(event)
        painter.paint()
        sent += sum(len(str(operation)) for operation in painter.canvas.take())
    html, ends = painter.canvas.whole()
    assert ends == []
    return html, sent


def bare(html: str) -> str:
    """Without marks of slots, ways of lists, and colours, which depend on how far the lines around are known."""
    html = re.sub(r' data-(s|lang)="[^"]*"| dir="auto"|</?span[^>]*>', "", html)
    html = re.sub(r"^<div>(.*)</div>\s*<div></div>$", r"\1", html.strip(), flags=re.DOTALL)
    html = re.sub(r'^<div class="nba-text">(.*)</div>$', r"\1", html.strip(), flags=re.DOTALL)
    return re.sub(r">\s*\n\s*<", "><", html).replace("<tbody></tbody>", "").strip()


@pytest.mark.parametrize("text", [PLAIN, DEFINED, MATH, *HOSTILE])
@pytest.mark.parametrize("size", [1, 5, 400])
def test_what_was_painted_piece_by_piece_is_the_whole_text(text: str, size: int) -> None:
    html, _ = painted([text[i : i + size] for i in range(0, len(text), size)])
    assert bare(html) == bare(markdown_html(Transcript.of([events.TextDelta(text)]).text, "mathml"))
    assert Auditor(re.sub(r' data-s="\d+"', "", html)).bad == []


@given(DOCUMENTS, st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_what_was_painted_of_any_document_is_the_whole_text(text: str, size: int) -> None:
    html, _ = painted([text[i : i + size] for i in range(0, len(text), size)])
    assert bare(html) == bare(markdown_html(text, "mathml"))


@pytest.mark.parametrize(
    ("first", "line", "times"),
    [
        ("```python\n", "value = compute(value, 12)  # a line of code\n", 30),
        ("| a | b |\n|---|---|\n", "| one | two |\n", 30),
        ("", "- an item of a list\n", 30),
        ("", "words of a paragraph\n", 60),
    ],
)
def test_what_is_sent_grows_in_proportion_to_the_text(first: str, line: str, times: int) -> None:
    text = first + line * 1000
    _, sent = painted([text[i : i + 20] for i in range(0, len(text), 20)])
    assert sent < times * len(text)


def test_forty_footnotes_are_footnotes_live_and_in_the_file() -> None:
    count = 40
    claims = "".join(f"Claim {n} is made here, with some words [^{n}].\n\n" for n in range(count))
    notes = "".join(f"[^{n}]: Source {n}, a book of {n} pages\n\n" for n in range(count))
    assert "[^" not in markdown_html(claims + notes)
    html, _ = painted([piece + "\n" for piece in (claims + notes).split("\n")])
    assert "[^" not in html


def test_a_patch_of_the_open_end_says_only_what_changed() -> None:
    canvas = Canvas()
    slot = canvas.root.child(("<p{slot}>", "</p>"))
    slot.open("one 😀 two")
    slot.open("one 😀 three")
    assert canvas.take()[1:] == [["open", "1", 0, "one 😀 two"], ["open", "1", 8, "hree"]]


def test_a_copy_that_begins_late_gets_the_closed_parts_and_the_open_ends() -> None:
    canvas = Canvas()
    slot = canvas.root.child(("<p{slot}>", "</p>"))
    slot.add("closed")
    slot.open("open")
    assert canvas.whole() == ('<p data-s="1">closed</p>', [["open", "1", 0, "open"]])


@given(st.text("ab", max_size=20), st.text("ab", max_size=20))
def test_the_common_length(a: str, b: str) -> None:
    length = common_length(a, b)
    assert a[:length] == b[:length]
    assert length == min(len(a), len(b)) or a[length] != b[length]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("some **bo", "some **bo**"),
        ("some **", "some "),
        ("some **bold*", "some **bold**"),
        ("some **bold *it*", "some **bold *it***"),
        ("* one **bold*", "* one **bold**"),
        ("~~gone~", "~~gone~~"),
        ("`co", "`co`"),
        ("see [the docs](https://exa", "see the docs"),
        ("see ![alt", "see "),
        ("text\n-", "text"),
        ("text\n##", "text"),
        ("text\n``", "text"),
        ("| a | b |", ""),
        ("| a | b |\n|--", ""),
        ("done.\n\n1.", "done.\n"),
        ("x **a** b", "x **a** b"),
        ("- one\n- [x]", "- one"),
        ("1. [ ", ""),
        ("an [index]", "an [index]"),
    ],
)
def test_half_a_mark_is_not_shown(written: str, shown: str) -> None:
    assert mend(written) == shown


def test_a_call_is_painted_while_its_arguments_are_written(run: Run) -> None:
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    seen = []
    for event in run(reasoning="Hm."):
        transcript.apply(event)
        painter.paint()
        seen.append(painter.canvas.whole()[0])
    assert any("nba-writing" in html and '">{"table' in html for html in seen)
    assert any("nba-running" in html for html in seen)
    assert 'open=""' in next(html for html in seen if "nba-reasoning" in html)
    assert 'open=""' not in seen[-1]
    assert "nba-done" in seen[-1]


def test_long_arguments_and_outputs_of_the_service_are_sent_once() -> None:
    transcript, sent = Transcript(), 0
    painter = Painter(transcript, Cache())
    story: list[events.Event] = [events.ToolCallStarted("1", "f")]
    story += [events.ToolArgumentsDelta("1", "x" * 20)] * 500
    story += [events.ToolCallReady("1", "f", "x" * 10_000)]
    story += [events.ServerToolEvent("2", "code_interpreter", "running", "y" * 20)] * 500
    for event in story:
        transcript.apply(event)
        painter.paint()
        sent += sum(len(str(operation[2])) for operation in painter.canvas.take() if operation[0] != "html")
    assert sent < 25_000
    html = painter.canvas.whole()[0]
    assert html.count("x" * 10_000) == 1
    assert html.rpartition("</summary>")[2].count("y" * 20) == 500


@pytest.mark.parametrize(
    "text", ["A line that ends", "```python\nlast_one", "- one\n- two", "| a |\n|---|\n| b |\n| last"]
)
def test_what_was_put_off_is_painted_when_nothing_more_comes(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_painter._Pace, "begin", lambda self: False)  # it grows faster than it can be shown
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    for event in (events.RunStarted(), events.TurnStarted(), events.TextDelta(text)):
        transcript.apply(event)
    painter.paint()
    last = text.split()[-1]
    assert last not in str(painter.canvas.whole())
    painter.settle()
    assert last in str(painter.canvas.whole())


@pytest.mark.parametrize("length", [10_000, 40_000])
def test_an_open_end_that_is_dear_to_paint_is_painted_the_more_seldom(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def dear(self: object, source: str) -> str:
        clock[0] += 0.015 + 4e-6 * len(source)  # the most that a credit covers
        return source

    monkeypatch.setattr(text_painter, "cpu_seconds", lambda: clock[0])
    monkeypatch.setattr(text_painter.BlockHtml, "open_end", dear)
    painted(["[a] " * 16] * (length // 64))
    assert 0.1 < clock[0] < 20e-6 * length
