"""Replies inside an `Output` widget and charts below a panel, in a real JupyterLab."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser
CHAT = "/chat/completions"
SETUP = """
import os
os.environ.update(NBASSIST_BASE_URL={url!r}, NBASSIST_BACKEND="chat", NBASSIST_MODEL="scripted")
%load_ext nbassist
from nbassist import tool
import ipywidgets
out = ipywidgets.Output()
button = ipywidgets.Button(description="Ask now")

@button.on_click
@out.capture()
def clicked(_):
    _ = get_ipython().run_cell_magic("assistant", "", "Ask.")

@tool
def slider():
    "Show a slider."
    return ipywidgets.IntSlider(description="Shown below")

display(button, out)
"""
INSIDE = "with out:\n    _ = get_ipython().run_cell_magic('assistant', '', 'Ask.')"
ENDED = ".jupyter-widgets.widget-output .nbassist:not(.nba-live) strong:has-text('whole')"


@pytest.fixture
def answered(endpoint: Any, wire: Any) -> Any:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="It is **whole** now."), wire.delta("stop"))))
    return endpoint


def test_in_an_output_widget_the_reply_stays_and_the_live_page_goes(
    lab: Any, page: Any, shots: Any, answered: Any
) -> None:
    name = lab.write("output.ipynb", SETUP.format(url=answered.url), INSIDE)
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector(ENDED)
    page.wait_for_selector(".nba-live", state="detached")
    shots(page, "output-1-inside")
    assert page.locator(ENDED).count() == 1
    assert "Not finished" not in page.inner_text("body")
    page.click("button:has-text('Ask now')")
    page.wait_for_function(
        "() => document.querySelectorAll('.widget-output .nbassist:not(.nba-live) strong').length === 2"
    )
    page.wait_for_selector(".nba-live", state="detached")
    shots(page, "output-2-clicked")
    lab.shut_down()


def test_a_widget_that_a_tool_shows_is_live_below_the_panel(
    lab: Any, page: Any, shots: Any, endpoint: Any, wire: Any
) -> None:
    call = wire.stream(wire.call("a", "slider", "{}"), wire.delta("tool_calls"))
    answer = wire.stream(wire.delta(content="It is **whole** now."), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(answer))
    name = lab.write("below.ipynb", SETUP.format(url=endpoint.url), "%%assistant\nShow me a slider.")
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector(".nbassist strong:has-text('whole')")
    page.wait_for_selector(".widget-slider:has-text('Shown below')")
    shots(page, "below-1-live")
    lab.shut_down()
