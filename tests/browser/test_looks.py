"""Pictures of every state of a reply, in both themes, wide and narrow; each state passes axe."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
SHOW = """
from scripted import patience, wait_for
import gallery, threading
from IPython.display import HTML, display
from nbassist.display import make_view
from nbassist.events import RunEnded, ApprovalAsked

views = []
def show(name, events):
    display(HTML(f"<p class='state' style='color: GrayText; font: 10px monospace; margin: 12px 0 0'>{name}</p>"))
    view = make_view("live", get_ipython())
    for event in events:
        view.apply(event)
    views.append(view)
    return view
"""
LIVE = """
for name, events in gallery.live().items():
    show(name, events)
view = show("asking", gallery.asked())
with patience():
    question = ApprovalAsked("a1", "delete_rows", gallery.QUESTION)
    threading.Thread(target=view.ask, args=(question,), daemon=True).start()
    wait_for("go-looks")
"""
ENDED = """
for name, events in gallery.ended().items():
    show(name, events)
"""
PAUSE = "document.querySelector('.nba-status[data-phase=retrying] .nba-time').textContent"  # of twelve seconds
WIDER = (
    "[...document.querySelectorAll('.nbassist')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"
)


def show(lab: Any, page: Any, name: str, source: str, theme: str) -> None:
    """Run a cell whose input is not shown, in a page as high as all of it."""
    for file in ("scripted.py", "gallery.py"):
        shutil.copy(HERE / file, lab.folder)
    (lab.folder / "go-looks").unlink(missing_ok=True)
    lab.open(page, lab.write(f"looks-{name}-{theme}.ipynb", SHOW + source), theme=theme)
    lab.start(page)
    page.add_style_tag(content=".jp-Cell-inputWrapper { display: none !important }")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [900, 440])
def test_each_state_is_pictured_and_passes_axe(lab: Any, page: Any, shots: Any, theme: str, width: int) -> None:
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    page.set_viewport_size({"width": width, "height": 2300})
    show(lab, page, "live", LIVE, theme)
    page.wait_for_selector(".nba-ask")
    page.wait_for_function("document.querySelectorAll('.nba-live').length === 9")
    page.wait_for_timeout(1200)
    page.wait_for_function(f"/^(\\d s left|10 s left|now)$/.test({PAUSE})")
    shots(page, f"looks-live-{theme}-{width}")
    broken = axe.run(page, context=".jp-OutputArea", options={"runOnly": ["wcag2a", "wcag2aa", "best-practice"]})
    assert [rule for rule in broken.response["violations"] if rule["id"] not in EXPECTED] == []
    (lab.folder / "go-looks").touch()
    lab.shut_down()
    page.set_viewport_size({"width": width, "height": 4200})
    show(lab, page, "ended", ENDED, theme)
    page.wait_for_selector(".nbassist:not(.nba-live) .nba-trouble >> text=insufficient_quota")
    page.evaluate(
        "() => document.querySelectorAll('.nbassist details:not(.nba-reasoning)').forEach(d => d.open = true)"
    )
    page.wait_for_timeout(2500)
    shots(page, f"looks-ended-{theme}-{width}")
    broken = axe.run(page, context=".jp-OutputArea")
    assert [rule for rule in broken.response["violations"] if rule["id"] not in EXPECTED] == []
    assert page.evaluate(WIDER) == []
    lab.shut_down()


# The corner of a DataFrame's table is pandas' own; the names of the states are the test's own.
EXPECTED = {"empty-table-header", "color-contrast-enhanced", "heading-order"}
