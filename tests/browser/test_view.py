"""The view in a real JupyterLab in Chromium, played from a script, with pictures of each state."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lab_harness import AGAIN

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "display"))

from display_samples import HOSTILE  # noqa: E402

SETUP = "from scripted import *\nfrom nbassist.display import make_view\nview = make_view('live', get_ipython())\n"
# The text of the page without spaces, marks of MathJax and of MathML: what a reader reads of the prose.
PROSE = """selector => [...document.querySelectorAll(selector + ' p, ' + selector + ' li, ' + selector + ' td')]
  .filter(e => !e.querySelector('math, mjx-container, .math')).map(e => e.textContent.replace(/\\s+/g, ' ').trim())"""

LOADED = """root => [...document.querySelectorAll(root)].flatMap(
  reply => [...reply.querySelectorAll('img, iframe, script, svg')]).length"""


@pytest.fixture
def lab_with_script(lab: Any) -> Any:
    """The Lab, with the script of replies in its folder."""
    shutil.copy(HERE / "scripted.py", lab.folder)
    return lab


def wait_static(page: Any) -> None:
    """Wait until the widget has given way to the static reply."""
    page.wait_for_selector(".jp-OutputArea .nbassist:not(.nba-live) .nba-footer")
    page.wait_for_selector(".nba-live", state="detached")


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=AGAIN)])
def test_a_reply_streams_and_stays(lab_with_script: Any, page: Any, shots: Any, theme: str) -> None:
    lab = lab_with_script
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    name = lab.write(f"reply-{theme}.ipynb", SETUP + "play(view, conversation(), 60, gate='go', thought='thought')")
    for sign in ("go", "thought"):
        (lab.folder / sign).unlink(missing_ok=True)
    lab.open(page, name, theme=theme)
    errors.clear()
    lab.start(page)
    page.wait_for_selector(".nba-live .nba-reasoning[open]")
    page.wait_for_selector(".nba-live >> text=There is a tool for that.")
    shots(page, f"reply-{theme}-1-thinking")
    (lab.folder / "thought").touch()
    page.wait_for_selector(".nba-live .highlight >> text=reset_index")
    assert page.locator(".nba-live [role=status]").count() == 1
    assert re.fullmatch(r"\d+ s", page.locator(".nba-live .nba-time").text_content())
    shots(page, f"reply-{theme}-2-streaming")
    page.wait_for_selector(".nba-live >> text=Figures as of today.")  # the script waits: this came without a next event
    live = page.evaluate(PROSE, ".nba-live")
    height = page.locator(".nba-live").bounding_box()["height"]
    (lab.folder / "go").touch()
    wait_static(page)
    page.wait_for_selector(".nbassist mjx-container")
    shots(page, f"reply-{theme}-3-ended")
    assert page.evaluate(PROSE, ".nbassist")[: len(live)] == live
    assert abs(page.locator(".nbassist").bounding_box()["height"] - height) < 120  # sources and footer come to it
    assert not errors

    lab.save(page)
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    (output,) = lab.read(name)["cells"][0]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    lab.shut_down()
    untrusted = f"untrusted-{theme}.ipynb"  # another text is signed by no one, so nothing in it is trusted
    (lab.folder / untrusted).write_text((lab.folder / name).read_text().replace("spread", "spread out"))
    for reopened in (name, untrusted):
        lab.open(page, reopened, kernel=False, theme=theme, load=reopened == name)
        page.wait_for_selector(".nbassist mjx-container")
        assert "Loading widget" not in page.locator(".jp-Notebook").text_content()
        assert "more than the target of 1,000" in page.locator(".nbassist").text_content()
        assert page.evaluate(PROSE, ".nbassist")[2 : len(live)] == live[2:]
        shots(page, f"reply-{theme}-4-{reopened.split('-')[0]}-reopened")


def test_open_panels_stay_open_and_the_page_stays_where_the_reader_is(
    lab_with_script: Any, page: Any, shots: Any
) -> None:
    lab = lab_with_script
    (lab.folder / "go").unlink(missing_ok=True)
    filler = "print('\\n'.join(map(str, range(60))))"
    name = lab.write("panels.ipynb", SETUP + "play(view, conversation(), 200, gate='go')", filler, filler)
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector(".nba-live .nba-call >> nth=1")
    page.locator(".nba-live .nba-call summary").nth(1).click()
    page.wait_for_selector(".nba-live >> text=Figures as of today.")
    panel = page.locator(".nba-live .nba-call").nth(1)
    assert panel.get_attribute("open") is not None
    assert page.locator(".nba-live .nba-reasoning").get_attribute("open") is None, "closed when it was written"
    page.locator(".nba-live .highlight").last.hover()
    shots(page, "panels-1-live")
    lab.settle(page, ".nba-live h2")
    before = page.locator(".nba-live h2").bounding_box()["y"]
    (lab.folder / "go").touch()
    wait_static(page)
    lab.settle(page, ".nbassist h2")
    assert abs(page.locator(".nbassist h2").bounding_box()["y"] - before) < 3
    assert page.locator(".nbassist .nba-call").nth(1).get_attribute("open") is not None
    assert page.locator(".nbassist .nba-call").nth(0).get_attribute("open") is None
    page.locator(".nbassist .nba-call summary").nth(0).click()
    page.focus(".nbassist .nba-reasoning summary")
    page.keyboard.press("Space")
    page.wait_for_selector(".nbassist .nba-reasoning[open]")
    shots(page, "panels-2-static")


@pytest.mark.parametrize(
    ("reading", "below"),
    [
        (".nba-reasoning", 0),
        (".nba-reasoning", 3),
        ("[data-windowed-list-index='0'] .jp-OutputArea", 3),
        ("[data-windowed-list-index='3'] .jp-Editor", 3),
    ],
    ids=["reply, nothing below", "reply, cells below", "a cell above", "a cell below"],
)
def test_the_page_does_not_scroll_away_under_the_reader(
    lab_with_script: Any, page: Any, reading: str, below: int
) -> None:
    lab = lab_with_script
    for sign in ("go", "thought"):
        (lab.folder / sign).unlink(missing_ok=True)
    filler = "print('\\n'.join(map(str, range(60))))"
    play = SETUP + "play(view, conversation(2 * ANSWER), 200, gate='go', thought='thought')"
    lab.open(page, lab.write("scroll.ipynb", filler, play, *["# a long cell\n" * 50] * below))
    lab.start(page)
    page.wait_for_selector(".nba-live >> text=There is a tool for that.")
    lab.settle(page, ".nba-live")
    page.evaluate(
        """selector => {
          const page = document.querySelector('.jp-WindowedPanel-outer'), seen = document.querySelector(selector);
          page.scrollTop += seen.getBoundingClientRect().top - page.getBoundingClientRect().top - 100;
        }""",
        reading,
    )
    lab.settle(page, reading)
    before = page.locator(reading).bounding_box()["y"]
    (lab.folder / "thought").touch()
    page.wait_for_function("document.querySelector('.nba-live')?.textContent.match(/Figures as of today/g)?.length > 1")
    lab.settle(page, reading)
    assert abs(page.locator(reading).bounding_box()["y"] - before) < 3
    (lab.folder / "go").touch()
    wait_static(page)
    page.wait_for_selector("[data-nba-growing]", state="detached")  # Lab's own rules count again
    lab.settle(page, reading)
    assert abs(page.locator(reading).bounding_box()["y"] - before) < 3


def test_code_is_copied_as_it_was_written(lab_with_script: Any, page: Any) -> None:
    lab = lab_with_script
    (lab.folder / "go").unlink(missing_ok=True)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.open(page, lab.write("copy.ipynb", SETUP + "play(view, conversation(), 400, gate='go')"))
    lab.start(page)
    page.wait_for_selector(".nba-live >> text=Figures as of today.")
    page.locator(".nba-live .nba-text > .highlight").hover()
    page.locator(".nba-live .nba-copy >> visible=true").first.click()
    page.wait_for_selector(".nba-copy >> text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import pandas as pd\n\ndef valid(")
    assert copied.endswith("# 1180\n")
    (lab.folder / "go").touch()
    wait_static(page)


def test_two_views_of_one_reply_and_a_late_one_show_the_same(lab_with_script: Any, page: Any) -> None:
    lab = lab_with_script
    (lab.folder / "go").unlink(missing_ok=True)
    lab.open(page, lab.write("twice.ipynb", SETUP + "play(view, conversation(), 100, gate='go')"))
    lab.start(page)
    page.wait_for_selector(".nba-live .nba-call")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:create-output-view'); return 1 }")
    page.wait_for_function("document.querySelectorAll('.nba-live').length === 2")
    page.wait_for_function(
        "[...document.querySelectorAll('.nba-live')].every(e => e.textContent.includes('Figures as of today.'))"
    )
    texts = page.evaluate("[...document.querySelectorAll('.nba-live .nba-reply')].map(e => e.innerText)")
    assert texts[0] == texts[1]
    (lab.folder / "go").touch()
    wait_static(page)


def test_hostile_replies_run_nothing_and_ask_for_nothing(lab_with_script: Any, page: Any, shots: Any) -> None:
    lab = lab_with_script
    (lab.folder / "go").unlink(missing_ok=True)
    (lab.folder / "hostile.json").write_text(json.dumps(HOSTILE))
    source = SETUP + "import json\nplay(view, hostile(json.load(open('hostile.json')), marked), 2000, gate='go')"
    name = lab.write("hostile.ipynb", source)
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector(".nba-live >> text=the end of it")
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    lab.settle(page, ".nba-live")
    assert page.evaluate(LOADED, ".nba-live") == 0
    shots(page, "hostile-1-live")
    (lab.folder / "go").touch()
    wait_static(page)
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    lab.settle(page, ".nbassist")
    shots(page, "hostile-2-static")
    lab.save(page)
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    lab.shut_down()
    lab.open(page, name, kernel=False)
    page.wait_for_selector(".nbassist >> text=the end of it")
    lab.settle(page, ".nbassist")
    assert page.evaluate("window.hacked") is None
    assert page.evaluate(LOADED, ".nbassist") == 0
    assert page.evaluate("window.by_the_tool") == 1, "a tool's own HTML stands below the reply, as a result would"
    links = page.evaluate("[...document.querySelectorAll('.nbassist a')].map(a => a.protocol)")
    assert set(links) <= {"http:", "https:", "mailto:"}
    foreign = {urlsplit(url).netloc for url in page.requests if urlsplit(url).scheme.startswith("http")}
    assert foreign - {"tool.example"} == {urlsplit(lab.url).netloc}


def test_narrow_windows_long_words_and_right_to_left_text(lab_with_script: Any, page: Any, shots: Any) -> None:
    lab = lab_with_script
    page.set_viewport_size({"width": 560, "height": 900})
    text = (
        "ضروری است که متن راست‌به‌چپ درست باشد و `code` در آن.\n\n"
        + "Donaudampfschifffahrtsgesellschaft" * 6
        + "\n\n```python\n"
        + f"x = {'1 + ' * 60}1\n```\n\n|{' a wide column |' * 14}\n|{'---|' * 14}\n|{' 1 |' * 14}\n"
    )
    (lab.folder / "text.md").write_text(text)
    (lab.folder / "go").unlink(missing_ok=True)
    source = SETUP + "play(view, conversation(open('text.md').read()), 400, gate='go')"
    lab.open(page, lab.write("narrow.ipynb", source))
    lab.start(page)
    page.wait_for_selector(".nba-live table td >> nth=13")
    shots(page, "narrow-1-live")
    overflow = "selector => { const e = document.querySelector(selector); return e.scrollWidth - e.clientWidth }"
    assert page.evaluate(overflow, ".nba-live") <= 1
    (lab.folder / "go").touch()
    wait_static(page)
    assert page.evaluate(overflow, ".nbassist") <= 1
    shots(page, "narrow-2-static")


@AGAIN  # each state of a reply passes axe in `test_looks.py`
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_and_structure_pass_axe(lab_with_script: Any, page: Any, theme: str) -> None:
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    lab = lab_with_script
    (lab.folder / "go").unlink(missing_ok=True)
    name = lab.write(f"axe-{theme}.ipynb", SETUP + "play(view, conversation(), 300, gate='go')")
    lab.open(page, name, theme=theme)
    lab.start(page)
    page.wait_for_selector(".nba-live >> text=Figures as of today.")
    for root in (".nba-live", ".nbassist"):
        page.evaluate("root => document.querySelectorAll(root + ' details').forEach(d => d.open = true)", root)
        broken = axe.run(page, context=root).response["violations"]
        # The empty corner of a DataFrame's table is pandas' own.
        assert [rule for rule in broken if rule["id"] != "empty-table-header"] == []
        (lab.folder / "go").touch()
        wait_static(page)
