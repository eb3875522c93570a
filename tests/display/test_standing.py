"""The form of a reply that the notebook's file holds while the reply is written."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "browser"))
from display_samples import HOSTILE
from scripted import conversation, hostile, services

from nbassist.core import events
from nbassist.display.live.painter import Painter
from nbassist.display.live.question import Question
from nbassist.display.markdown.block_html import Cache
from nbassist.display.static.reply import Refreshes, bundle, shares_page, standing_bundle
from nbassist.display.transcript import Transcript


def standing(story: Iterator[events.Event], asked: events.ApprovalAsked | None = None) -> dict[str, str]:
    """Give the form of a run that was painted event by event."""
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    if asked:
        painter.question = Question(asked, 1)
    for event in story:
        transcript.apply(event)
        painter.paint()
    return standing_bundle(painter.canvas.standing(), transcript, "nba-place")


def body(html: str) -> str:
    """Return the HTML between what begins a reply and its footer, without what only the live page needs."""
    html = re.sub(r' data-[a-z]+="[^"]*"| dir="auto"', "", html)
    html = re.sub(
        r"<div>|</div>|<span[^>]*>|</span>|\s+", "", html.partition(">")[2].partition('<p class="nba-footer"')[0]
    )
    return html.replace('<divclass="nba-body">', "").replace('open=""', "")


@pytest.mark.parametrize("story", [conversation, services], ids=["reply", "services"])
def test_it_shows_what_the_finished_reply_will(story: Callable[[], Iterator[events.Event]]) -> None:
    came = [event for event in story() if not isinstance(event, events.RunEnded)]
    form, whole = standing(iter(came)), bundle(came)
    assert body(form["text/html"]) == body(whole["text/html"])
    assert form["text/plain"].startswith(whole["text/plain"])
    assert "<math" not in form["text/html"], "a notebook that is not trusted strips its tags"


def test_it_shows_the_end_of_a_text_as_far_as_it_came() -> None:
    for text, shown in [
        ("a\n\n- one\n- tw", "<li>tw</li>"),
        ("```python\nx = 1\ny", "y</pre>"),
        ("| a | b |\n|--|--|\n| 1 | 2 |\n| 3", "3</td>"),
        ("so **bo", "<strong>bo</strong>"),
    ]:
        html = standing(iter([events.RunStarted("m"), events.TurnStarted(), events.TextDelta(text)]))["text/html"]
        assert shown in re.sub(r"</?span[^>]*>", "", html), html


def test_a_long_one_is_plain_text_so_that_a_browser_takes_it_in_a_blink() -> None:
    text = "".join(f"Item **{n}** costs $5 or `x`.\n\n" for n in range(3_000))
    html = standing(iter([events.RunStarted("m"), events.TurnStarted(), events.TextDelta(text)]))["text/html"]
    assert "Item **2999** costs <span>$</span>5" in html
    assert html.count("<p") == 2


def test_it_holds_no_button_that_does_nothing() -> None:
    asked = events.ApprovalAsked("1", "drop", '{"table": "orders"}')
    story = [events.RunStarted("m"), events.TurnStarted(), events.ToolCallStarted("1", "drop"), asked]
    html = standing(iter(story), asked)["text/html"]
    assert "drop" in html
    assert "<form" not in html
    assert "<button" not in html


def test_it_holds_nothing_that_runs_or_loads() -> None:
    html = standing(hostile(HOSTILE))["text/html"]
    assert not re.search(r"<[^<>]*\son[a-z]+=|<script|<iframe|<svg|<style|<form", html)
    assert all(value.startswith("data:image/") for value in re.findall(r'<[^<>]*\ssrc="([^"]*)"', html))
    assert set(re.findall(r'href="([a-z]+):', html)) <= {"http", "https", "mailto"}


def test_it_is_due_while_the_reply_grows_and_soon_where_it_pauses() -> None:
    refreshes = Refreshes(0.0)
    assert not refreshes.due(100, 60.0), "nothing came"
    refreshes.patched(100, 9.0)
    assert not refreshes.due(100, 9.5)
    assert refreshes.due(100, 10.6)
    refreshes.sent(100, 10.6)
    assert not refreshes.due(100, 60.0), "it holds all that came"
    refreshes.patched(100, 70.0)
    assert refreshes.due(100, 70.1)
    refreshes.sent(100, 70.1)
    refreshes.patched(100, 72.0)
    assert not refreshes.due(100, 73.9)
    assert refreshes.due(100, 74.2), "nothing new came for a while"


def test_all_forms_of_a_reply_of_any_length_cost_in_proportion_to_it() -> None:
    for length in (1_000, 100_000):
        refreshes, size, sent, live = Refreshes(0.0), 0, 0, 0
        for n in range(length):
            size += 20
            live += 720
            refreshes.patched(20, 0.05 * n)
            if refreshes.due(size, 0.05 * n):
                refreshes.sent(size, 0.05 * n)
                sent += size
        assert sent
        assert sent < 0.26 * live + 20_000


@pytest.mark.parametrize(
    ("session", "names", "shares"),
    [
        ("a.ipynb", {}, True),
        ("", {}, False),
        ("a.ipynb-jvsc-5b2d", {}, False),
        ("a.ipynb", {"__vsc_ipynb_file__": "a.ipynb"}, False),
    ],
    ids=["a Jupyter server", "none", "VS Code's session on one", "VS Code"],
)
def test_outputs_and_widgets_share_a_page_on_a_jupyter_server(
    monkeypatch: pytest.MonkeyPatch, session: str, names: dict[str, str], shares: bool
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert shares_page(SimpleNamespace(user_ns=names)) is shares
