from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import HOSTILE
from test_markdown import Auditor

from nbassist.core import events
from nbassist.display.markdown.sanitiser import CITED
from nbassist.display.static import panels
from nbassist.display.static.reply import bundle

Run = Callable[..., list[events.Event]]


def test_the_bundle_has_the_reply_its_call_and_its_footer(run: Run) -> None:
    both = bundle(run(reasoning="Hm."))
    assert set(both) == {"text/html", "text/plain"}
    html, plain = both["text/html"], both["text/plain"]
    assert html.count("<details") == 2
    assert "There are <strong>1204</strong>." in html
    assert "some-model · 1.5 s · 30 tokens in, 12 out · 2 turns" in html
    assert plain == (
        'Let me see.\n\n[row_count(table="orders") -> 1204]\n\nThere are **1204**.\n\n'
        "[some-model · 1.5 s · 30 tokens in, 12 out · 2 turns]"
    )


def test_panels_are_closed_and_nothing_in_it_needs_a_script_or_a_style_sheet(run: Run) -> None:
    html = bundle(run(reasoning="Hm."))["text/html"]
    assert " open" not in html
    assert Auditor(html).bad == []


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_anywhere_is_text(run: Run, payload: str) -> None:
    story = run(payload, reasoning=payload, name=payload, arguments=payload, output=payload, error=payload)
    story[-1:] = [
        events.Warned(payload),
        events.RefusalDelta(payload),
        events.ServerToolEvent("s", payload, "completed", payload),
        events.ImageReady(payload, b"", payload),
        events.CitationAdded(payload, payload, payload),
        events.RunEnded("failed", detail=payload),
    ]
    both = bundle(story)
    assert Auditor(both["text/html"]).bad == []
    assert "\x1b" not in both["text/html"] + both["text/plain"]


def test_what_a_tool_displayed_stands_in_its_panel(run: Run) -> None:
    png = base64.b64encode(b"\x89PNG\r\n").decode()
    shown = (
        {"text/plain": "10%\r100%\x1b[0m"},
        {"image/png": png, "text/plain": "<Figure>"},
        {"text/html": "<table onclick='x()'><tr><td>7</td></tr></table>"},
        {"text/html": "<p>8</p><script>x</script>", "text/plain": "<Chart>"},
        {"text/markdown": "**bold**"},
        {"image/svg+xml": "<svg onload='x()'/>"},
        {"application/x-unknown": "?"},
    )
    html = bundle(run(display=shown))["text/html"]
    assert ">100%</pre>" in html
    assert re.search(r'<img [^>]*alt="(&lt;|<)Figure(&gt;|>)"', html)  # nh3 escapes these from 0.3.7 on
    assert f'src="data:image/png;base64,{png}"' in html
    assert "<td>7</td>" in html
    assert "HTML with scripts, shown below while it is live" in html
    assert "<p>8</p>" not in html
    assert "<strong>bold</strong>" in html
    assert "<script" not in html
    assert "onload" not in html
    assert "onclick" not in html


def test_what_a_tool_displayed_stands_once_where_the_model_got_the_same_text(run: Run) -> None:
    html = bundle(run(output="28", display=({"text/plain": "28"}, {"text/plain": ""})))["text/html"]
    assert html.count("28</pre>") == 1
    assert "Shown" not in html
    html = bundle(run(output="28", display=({"text/plain": "28", "text/html": "<b>28</b>"},)))["text/html"]
    assert "Shown" in html
    assert "Shown" in bundle(run(output="", display=({"text/plain": "28"},)))["text/html"]
    # What the call printed is shown, and what it returned is what the model got.
    html = bundle(run(output="28", display=({"text/plain": "counting"}, {"text/plain": "28"})))["text/html"]
    assert html.count("28</pre>") == html.count("counting</pre>") == 1


def test_nothing_displayed_leaves_no_empty_box(run: Run) -> None:
    html = bundle(run(output="1", display=({"text/plain": "2"}, {"text/plain": " "})))["text/html"]
    assert not re.search(r"<pre[^>]*>\s*</pre>", html)


def test_an_image_of_the_reply_is_shown_from_its_bytes_only() -> None:
    assert "data:image/png;base64,iVBO" in bundle([events.ImageReady("image/png", b"\x89PNG")])["text/html"]
    assert "<img" not in bundle([events.ImageReady("text/html", b"<script>")])["text/html"]
    assert "file-123" in bundle([events.ImageReady("image/png", file_id="file-123")])["text/plain"]


def test_a_long_output_is_cut_with_a_note(run: Run) -> None:
    html = bundle(run(output="x" * 1_000_000))["text/html"]
    assert "980,000 more characters" in html
    assert len(html) < 30_000


@pytest.mark.parametrize(
    ("finish", "words"),
    [("incomplete", "Incomplete"), ("interrupted", "Interrupted"), ("failed", "Failed"), ("stopped", "Stopped")],
)
def test_a_run_that_did_not_complete_says_so(finish: events.Finish, words: str) -> None:
    both = bundle([events.TextDelta("Half a"), events.RunEnded(finish, detail="this is why")])
    for text in both.values():
        assert words in text
        assert "this is why" in text
        assert "Half a" in text


def test_events_without_an_end_give_a_bundle_too() -> None:
    assert "Not finished" in bundle([events.TextDelta("Half")])["text/plain"]
    assert bundle([events.RunStarted("m")]) == {"text/html": "", "text/plain": ""}, "an error tells the rest"


def test_retries_and_cached_tokens_are_in_the_footer() -> None:
    plain = bundle(
        [
            events.RunStarted("m"),
            events.Retrying(2, 1, "busy"),
            events.RunEnded("completed", events.Usage(1000, 5, 900, known=True), seconds=125),
        ]
    )["text/plain"]
    assert plain == "[m · 2 min 5 s · 1,000 tokens in (900 cached), 5 out · 1 retry]"


def test_markers_of_citations_become_references_to_the_sources() -> None:
    html = bundle(
        [
            events.TextDelta("So it is【4:0†a.md】."),
            events.CitationAdded("a.md", "", "【4:0†a.md】"),
            events.RunEnded("completed"),
        ]
    )["text/html"]
    assert f'So it is<sup class="nba-source" style="{CITED}">[1]</sup>.' in html
    assert "<li>a.md</li>" in html


def test_a_text_that_the_parser_fails_on_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbassist.display.markdown import block_html as blockhtml

    def fail(*args: object) -> None:
        raise RecursionError

    monkeypatch.setattr(blockhtml.Splitter, "finish", fail)
    html = bundle([events.TextDelta("**kept** <b>"), events.RunEnded("completed")])["text/html"]
    assert "**kept** &lt;b&gt;" in html


def test_how_long_it_thought_and_how_fast_it_wrote_stand_in_the_reply_where_that_is_known(run: Run) -> None:
    ended = events.RunEnded("completed", events.Usage(30, 84, known=True), writing=4.2, thoughts=(12.3,))
    both = bundle([*run(reasoning="Let me think.")[:-1], ended])
    assert "Thought for 12.3 s" in both["text/html"]
    assert "84 out · 20 tokens/s" in both["text/plain"]
    for unknown in (
        replace(ended, writing=0.0, thoughts=()),
        replace(ended, writing=0.1, thoughts=(0.0,), replayed=True),
    ):
        both = bundle([*run(reasoning="Let me think.")[:-1], unknown])
        assert '<span style="flex:none">Reasoning</span>' in both["text/html"]
        assert "tokens/s" not in both["text/plain"]


@pytest.mark.parametrize("finish", ["incomplete", "interrupted", "failed", "stopped"])
def test_a_reply_that_is_not_whole_says_so_at_its_last_line_and_in_its_footer_with_what_to_do(
    run: Run, finish: events.Finish
) -> None:
    html = bundle([*run()[:-1], events.RunEnded(finish, detail="the stream was cut")])["text/html"]
    text, trouble, footer = (html.index(part) for part in ("1204</strong>", "the stream was cut", "nba-footer"))
    assert text < trouble < footer
    assert html.index("Run the cell again, or go on from here with %%assistant --append.") < footer
    tint = panels.BAD if finish == "failed" else panels.CARE
    assert f'nba-ending" style="background:{tint};{panels._BADGE}">{finish.capitalize()}</strong>' in html[footer:]
    whole = bundle([*run()[:-1], events.RunEnded("completed")])["text/html"]
    assert "Run the cell again" not in whole
    assert "nba-ending" not in whole
    nothing = bundle([*run()[:2], events.RunEnded(finish, detail="the endpoint broke")])["text/plain"]
    assert "Run the cell again." in nothing
    left = bundle([*run()[:-1], events.RunEnded(finish, detail="left: %assistant resume reads it on")])["text/plain"]
    assert "Run the cell again" not in left


def test_no_text_of_ours_has_a_colour_of_its_own_in_what_is_saved(run: Run) -> None:
    """One colour can't be read on white and on a dark page alike; a tint behind the page's own can."""
    for story in (run(), run(error="KeyError: 'x'"), [*run()[:-1], events.RunEnded("failed", detail="broke")]):
        assert set(re.findall(r"(?<![-\w])color:([^;\"]+)", bundle(story)["text/html"])) <= {"inherit"}
