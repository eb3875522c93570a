"""While a long reply grows, its status and Stop stay in sight, and the newest text is one click away; keys go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from lab_harness import SETTLED

pytestmark = pytest.mark.browser

SETUP = """
import os
os.environ.update(NBASSIST_BASE_URL={url!r}, NBASSIST_BACKEND="chat", NBASSIST_MODEL="m")
%load_ext nbassist
"""
STATUS = ".nba-live .nba-status"
IN_SIGHT = """selector => {
  const box = document.querySelector(selector)?.getBoundingClientRect();
  return !!box && box.top >= 0 && box.bottom <= innerHeight;
}"""
# The element itself: Lab's classes come and go.
FOCUSED = "() => { window.focused = document.activeElement; return focused !== document.body }"
LAST = "() => [...document.querySelectorAll('.nba-live .nba-text p')].at(-1).getBoundingClientRect().top < innerHeight"


# Until it stays: what is made anew has nothing selected in it.
SELECT = """async () => {
  for (let tries = 0; tries < 60 && getSelection().toString().trim().length < 4; tries++) {
    getSelection().selectAllChildren(document.querySelectorAll('.nba-live .nba-text p')[2]);
    await new Promise(done => setTimeout(done, 500));
  }
}"""


@pytest.fixture
def growing(lab: Any, page: Any, endpoint: Any, wire: Any) -> Iterator[Any]:
    """A page with a reply that is longer than it, and grows by a paragraph whenever `more` is called."""
    more = threading.Semaphore(60)
    text = "The orders of this region are counted once more, and their sum is written below."
    chunks = [wire.delta(content=f"Paragraph {number}. {text}\n\n") for number in range(200)]
    pieces = [*wire.stream(*chunks, wire.delta("stop"))]
    endpoint.on("POST", "/chat/completions", wire.answer(pieces, before=lambda number: more.acquire(timeout=60)))
    page.set_viewport_size({"width": 1000, "height": 700})
    lab.open(page, lab.write("growing.ipynb", SETUP.format(url=endpoint.url), "%%assistant\nCount.", "x = 1"))
    lab.start(page)
    page.wait_for_function("() => document.querySelectorAll('.nba-live .nba-text p').length >= 59")
    page.more = more.release
    # A page that was made late asks for the whole once more, and is made anew with it.
    page.wait_for_function(SETTLED, arg=".nba-live")
    yield page
    more.release(400)


def test_the_status_and_stop_stay_in_sight(growing: Any, shots: Any) -> None:
    for selector in (STATUS, ".nba-stop"):
        growing.wait_for_function(IN_SIGHT, arg=selector)
    assert not growing.evaluate(LAST)
    shots(growing, "in-sight")


def test_the_newest_text_is_one_click_away_and_is_followed_until_the_reader_goes_back(growing: Any) -> None:
    growing.evaluate(FOCUSED)
    growing.click(".nba-newest")
    growing.wait_for_function(LAST)
    assert growing.evaluate("() => document.activeElement === window.focused")
    growing.more(20)
    growing.wait_for_function("() => document.querySelectorAll('.nba-live .nba-text p').length >= 79")
    growing.wait_for_function(LAST)
    growing.wait_for_selector(".nba-newest", state="hidden")
    growing.mouse.move(500, 300)
    growing.mouse.wheel(0, -400)
    growing.wait_for_selector(".nba-newest", state="visible")  # it is no longer followed
    growing.more(20)
    growing.wait_for_function("() => document.querySelectorAll('.nba-live .nba-text p').length >= 99")
    growing.wait_for_selector(".nba-newest", state="visible")
    assert not growing.evaluate(LAST)


def test_at_the_end_the_focus_goes_to_the_cell_and_the_arrows_go_on_working(growing: Any) -> None:
    growing.focus(".nba-stop")
    growing.more(400)
    growing.wait_for_selector(".nba-live", state="detached")
    growing.wait_for_function("() => document.activeElement.matches('.jp-Cell')")
    active = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    at = growing.evaluate(active)
    growing.keyboard.press("ArrowUp" if at else "ArrowDown")
    growing.wait_for_function(f"at => ({active})() !== at", arg=at)


def test_what_is_selected_is_still_selected_when_the_reply_has_ended(growing: Any) -> None:
    growing.evaluate(SELECT)
    selected = growing.evaluate("getSelection().toString()").strip()
    assert len(selected) > 3
    growing.more(400)
    growing.wait_for_selector(".nba-live", state="detached")
    growing.wait_for_function("() => getSelection().anchorNode?.parentElement?.closest('.nbassist')")
    assert growing.evaluate("getSelection().toString()").strip() == selected
    paragraphs = "[...document.querySelectorAll('.nbassist .nba-text p')]"
    at = f"{paragraphs}.findIndex(e => e.contains(getSelection().anchorNode))"
    assert growing.evaluate(at) == 2
