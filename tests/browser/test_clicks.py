"""Stop, the buttons of a question, images from elsewhere and a kernel that dies, in a real JupyterLab."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lab_harness import AGAIN

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
SETUP = "from scripted import *\nfrom nbassist.display import make_view\nview = make_view('live', get_ipython())\n"
ASK = SETUP + "answered = []\nplay(view, asking(view, answered))\nprint(answered)"


@pytest.fixture
def open_lab(lab: Any, page: Any) -> Any:
    """A function that opens a notebook of one cell and runs it."""
    shutil.copy(HERE / "scripted.py", lab.folder)
    for sign in lab.folder.glob("go*"):
        sign.unlink()

    def opened(name: str, source: str, theme: str = "light") -> str:
        written = str(lab.write(f"{name}.ipynb", source))
        lab.open(page, written, theme=theme)
        lab.start(page)
        return written

    return opened


def wait_static(page: Any) -> None:
    page.wait_for_selector(".jp-OutputArea .nbassist:not(.nba-live) .nba-footer")
    page.wait_for_selector(".nba-live", state="detached")


@pytest.mark.parametrize("theme", [pytest.param("light", marks=AGAIN), "dark"])
def test_a_question_shows_the_real_arguments_and_passes_axe(open_lab: Any, page: Any, shots: Any, theme: str) -> None:
    open_lab(f"ask-{theme}", ASK, theme)
    page.wait_for_selector(".nba-ask >> text=Always for this run")
    assert page.locator(".nba-call").get_attribute("open") is not None
    assert "WHERE status != 'void'" in page.locator(".nba-call pre").inner_text()
    # It is told after what was told before it, so that a screen reader has time for each.
    page.wait_for_selector("[role=status] >> text=may delete_rows run?", state="attached")
    shots(page, f"ask-{theme}-1")
    page.click(".nba-ask >> text=Edit")
    shots(page, f"ask-{theme}-2-edit")
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    assert axe.run(page, context=".nba-live").response["violations"] == []
    page.click(".nba-ask >> text=Do not edit")
    page.click(".nba-ask >> text=Always for this run")
    wait_static(page)
    page.wait_for_selector(".jp-OutputArea >> text=decision='always'")
    assert "allowed by you" in page.locator(".nba-call summary").inner_text()
    shots(page, f"ask-{theme}-3-answered")


def test_a_call_is_edited_and_text_that_is_no_json_is_not_sent(open_lab: Any, page: Any, shots: Any) -> None:
    page.set_viewport_size({"width": 560, "height": 900})
    open_lab("ask-edit", ASK)
    page.click(".nba-ask >> text=Edit")
    overflow = "(() => { const e = document.querySelector('.nba-live'); return e.scrollWidth - e.clientWidth })()"
    assert page.evaluate(overflow) <= 1, "a narrow window holds it"
    page.fill(".nba-edit textarea", '{"table": ')
    page.click(".nba-ask >> text=Run as edited")
    page.wait_for_selector(".nba-wrong >> text=not JSON")
    shots(page, "ask-wrong-json")
    page.fill(".nba-edit textarea", '{"table": "void_orders"}')
    page.click(".nba-ask >> text=Run as edited")
    wait_static(page)
    page.wait_for_selector(".jp-OutputArea >> text=decision='edited'")
    assert "edited by you" in page.locator(".nba-call summary").inner_text()
    assert 'table="void_orders"' in page.locator(".nba-call summary").inner_text()


def test_a_call_is_refused_with_a_word_by_the_keyboard_alone(open_lab: Any, page: Any) -> None:
    open_lab("ask-keys", ASK)
    page.wait_for_selector(".nba-ask")
    page.focus(".nba-primary")
    for expected in ("always", None, "refused"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.dataset.answer || null") == expected
    page.keyboard.press("Tab")
    page.keyboard.type("dd first: make a copy")  # keys that are commands of the notebook
    page.keyboard.press("Enter")
    wait_static(page)
    page.wait_for_selector(".jp-OutputArea >> text=comment='dd first: make a copy'")
    assert page.locator(".jp-Cell").count() == 1
    assert "refused" in page.locator(".nba-call summary").inner_text()


def test_stop_ends_a_cell_that_sleeps_and_what_came_is_kept(open_lab: Any, page: Any, shots: Any) -> None:
    source = SETUP + "try:\n    play(view, conversation(), 100, gate='go-never')\nexcept KeyboardInterrupt:\n"
    source += "    view.apply(RunEnded('interrupted'))\n    print('caught')"
    open_lab("stop", source)
    page.wait_for_selector(".nba-live >> text=Figures as of today.")
    page.focus(".nba-stop")
    shots(page, "stop")
    page.keyboard.press("Enter")
    wait_static(page)
    page.wait_for_selector("text=caught")
    assert "Interrupted" in page.locator(".nba-footer").inner_text()
    assert "Figures as of today." in page.locator(".nbassist").inner_text()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"><rect width="80" height="40" fill="teal"/></svg>'


def test_what_the_service_ran_is_shown_and_an_image_from_elsewhere_loads_by_a_click_alone(
    lab: Any, open_lab: Any, page: Any, shots: Any
) -> None:
    referers: list[str | None] = []

    def answer(route: Any) -> None:
        referers.append(route.request.headers.get("referer"))
        route.fulfill(body=SVG, content_type="image/svg+xml")

    page.route("https://maps.example/**", answer)
    open_lab("services", SETUP + "play(view, services(), 100, gate='go-services')")
    page.wait_for_selector(".nba-live >> text=That is all there is.")
    assert page.locator(".nba-live img").count() == 1, "the sketch gave way to the image"
    link = page.locator("a.nba-image")
    assert "maps.example" in link.inner_text()
    assert not [url for url in page.requests if urlsplit(url).hostname == "maps.example"]
    link.click()
    page.wait_for_selector(".nba-live .nba-text img")
    page.wait_for_function("document.querySelector('.nba-live .nba-text img').naturalWidth === 80")
    assert referers == [None]
    page.locator(".nba-server summary").nth(1).click()
    shots(page, "services-1-live")
    (lab.folder / "go-services").touch()
    wait_static(page)
    shots(page, "services-2-static")
    assert "maps.example" in page.locator("a.nba-image").inner_text(), "saved as a link"
    assert "$0.0012" in page.locator(".nba-footer").inner_text()
    assert referers == [None]


def test_where_the_kernel_dies_what_came_stays_and_the_saved_notebook_says_so(
    lab: Any, open_lab: Any, page: Any, shots: Any
) -> None:
    name = open_lab("dies", SETUP + "import os\nfor event in list(conversation())[:60]:\n    view.apply(event)\n"
                    "wait_for('go-die')\nos._exit(1)")  # fmt: skip
    page.wait_for_selector(".nba-live .nba-call >> nth=1")
    assert "Waiting" not in page.inner_text(".nba-status")
    (lab.folder / "go-die").touch()
    page.wait_for_selector(".nba-live >> text=The kernel stopped")
    assert not page.is_visible(".nba-stop")
    assert "row_count" in page.inner_text(".nba-live")
    shots(page, "kernel-died")
    lab.save(page)
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    (output,) = lab.read(name)["cells"][0]["outputs"]
    assert "Not finished" in "".join(output["data"]["text/html"])
    assert "Not finished" in "".join(output["data"]["text/plain"])
