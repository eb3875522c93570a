"""Pictures of every state of a reply, in both themes, wide and narrow; each state passes axe."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from lab_harness import AGAIN

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
SHOW = """
from scripted import patience, wait_for
import gallery, threading
from IPython.display import HTML, display
from nbassist.display import make_view
from nbassist.core.events import RunEnded, ApprovalAsked

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
WIDER = """[...document.querySelectorAll('.nbassist')].filter(e => {
  const cell = e.closest('.jp-Cell-outputWrapper').getBoundingClientRect();
  return e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > cell.right + 1;
}).map(e => e.innerText)"""


CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
GRID = """
from sweeping import *
from nbassist.sweep.inspection import grid
rows = ["Review 1: it came", "Review 2: it broke", "boom", "Review 4: too loud"]
runs = sweep(Model(), "Rate {{ item }}", vary={"temperature": [0, 1]}, over=rows, repeat=2, rubric="Is it kind?",
             check="'ositive' in text")
runs.rate(0, "good"); runs.rate(1, "bad")
display(grid(runs))
"""


def low_contrast(page: Any, selector: str) -> list[str]:
    """Return the texts with less than 4.5 to 1 between them and what is behind them."""
    return list(page.evaluate(CONTRAST, [selector, 4.5]))


def show(lab: Any, page: Any, name: str, source: str, theme: str) -> None:
    """Run a cell whose input is not shown, in a page as high as all of it."""
    for file in ("scripted.py", "gallery.py", "sweeping.py"):
        shutil.copy(HERE / file, lab.folder)
    (lab.folder / "go-looks").unlink(missing_ok=True)
    lab.open(page, lab.write(f"looks-{name}-{theme}.ipynb", SHOW + source), theme=theme)
    lab.start(page)
    page.add_style_tag(content=".jp-Cell-inputWrapper { display: none !important }")


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 900),
        ("dark", 440),
        pytest.param("light", 440, marks=AGAIN),
        pytest.param("dark", 900, marks=AGAIN),
    ],
)
def test_each_state_is_pictured_and_passes_axe(lab: Any, page: Any, shots: Any, theme: str, width: int) -> None:
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    page.set_viewport_size({"width": width, "height": 2300})
    page.emulate_media(reduced_motion="reduce")  # what pulses is as it is at rest
    show(lab, page, "live", LIVE, theme)
    page.wait_for_selector(".nba-ask")
    page.wait_for_function("document.querySelectorAll('.nba-live').length === 9")
    lab.settle(page, ".jp-OutputArea")
    page.wait_for_function(f"/^(\\d s left|10 s left|now)$/.test({PAUSE})")
    shots(page, f"looks-live-{theme}-{width}")
    broken = axe.run(page, context=".jp-OutputArea", options={"runOnly": ["wcag2a", "wcag2aa", "best-practice"]})
    assert [rule for rule in broken.response["violations"] if rule["id"] not in EXPECTED] == []
    assert page.evaluate(WIDER) == []
    assert low_contrast(page, ".nbassist") == []
    (lab.folder / "go-looks").touch()
    lab.shut_down()
    page.set_viewport_size({"width": width, "height": 4200})
    show(lab, page, "ended", ENDED, theme)
    page.wait_for_selector(".nbassist:not(.nba-live) .nba-trouble >> text=insufficient_quota")
    page.evaluate(
        "() => document.querySelectorAll('.nbassist details:not(.nba-reasoning)').forEach(d => d.open = true)"
    )
    lab.settle(page, ".jp-OutputArea")
    shots(page, f"looks-ended-{theme}-{width}")
    broken = axe.run(page, context=".jp-OutputArea")
    assert [rule for rule in broken.response["violations"] if rule["id"] not in EXPECTED] == []
    assert page.evaluate(WIDER) == []
    assert low_contrast(page, ".nbassist") == []
    lab.shut_down()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_checks_scores_and_failures_in_a_grid_can_be_read_live_and_saved(
    lab: Any, page: Any, shots: Any, theme: str
) -> None:
    page.set_viewport_size({"width": 900, "height": 2000})
    show(lab, page, "grid", GRID, theme)
    page.wait_for_selector(".nba-grid .nba-gfail")
    page.wait_for_selector(".jp-OutputArea-output:not(.nba-hidden) > .nba-grid-static details >> nth=1")
    page.hover(".nba-grid td[data-state=done] >> nth=1")
    lab.settle(page, ".jp-OutputArea")
    shots(page, f"looks-grid-{theme}")
    assert page.locator(".nba-grid .nba-gpass").count() > 1
    assert low_contrast(page, ".nba-grid") == []
    assert low_contrast(page, ".nba-grid-static:not(.nba-hidden *)") == []
    lab.shut_down()


# The corner of a DataFrame's table is pandas' own; the names of the states are the test's own.
EXPECTED = {"empty-table-header", "color-contrast-enhanced", "heading-order"}
