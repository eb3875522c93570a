"""The bar below a reply: the earlier runs of its cell, what changed, what one was worth; and what a file has of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import test_frontends
from test_looks import low_contrast

pytestmark = pytest.mark.browser
CHAT = "/chat/completions"
SETUP = """
import os
os.environ.update(NBASSIST_BASE_URL={url!r}, NBASSIST_BACKEND="chat", NBASSIST_MODEL="scripted")
%load_ext nbassist
"""
front = test_frontends.front
RUN = "window.jupyterapp.commands.execute('notebook:run-cell').then(() => 1)"


def test_the_runs_of_a_cell_are_gone_through_compared_and_rated_and_a_file_shows_the_last(
    lab: Any, page: Any, shots: Any, endpoint: Any, wire: Any
) -> None:
    texts = ("There are **eleven** orders.", "There are **twelve** orders, $x^2$.", "There are **twelve** orders.")
    streams = [wire.answer(wire.stream(wire.delta(content=text), wire.delta("stop"))) for text in texts]
    endpoint.on("POST", CHAT, *streams)
    name = lab.write("history.ipynb", SETUP.format(url=endpoint.url), "%%assistant\nHow many?", "1 + 1")
    lab.open(page, name)
    page.click(".jp-Cell >> nth=0")
    page.evaluate(RUN)
    for number in (1, 2, 3):
        page.click(".jp-Cell >> nth=1 >> .jp-InputPrompt")
        page.evaluate(RUN)
        page.wait_for_selector(f".nba-bar {f'.nba-count >> text={number}/{number}' if number > 1 else '[data-rate]'}")
        assert page.is_visible(".nba-count") == (number > 1), "one run has no history"
    box = page.locator(".nba-bar").bounding_box()
    page.click("[aria-label='The run before']")
    page.wait_for_selector(".nba-version math")  # typeset, without the frontend's help
    assert page.inner_text(".nba-version strong >> nth=0") == "twelve"
    assert page.is_hidden(".nbassist > .nba-text >> nth=0")
    page.click("[aria-label='The run before']")
    page.wait_for_selector(".nba-version strong >> text=eleven")
    assert page.inner_text(".nba-count") == "1/3"
    page.click("[aria-label='The run before']", force=True)  # there is none
    assert page.inner_text(".nba-count") == "1/3"
    page.click(".nba-bar >> text=Compare")
    page.wait_for_selector(".nba-version del >> text=eleven")
    assert page.inner_text(".nba-version ins") == "twelve"
    assert "run 1 → run 3" in page.inner_text(".nba-version")
    shots(page, "history-1-compared")
    assert low_contrast(page, ".nba-bar, .nba-version") == []
    page.click(".nba-bar >> text=Compare")
    page.click("[aria-label='The run after']")
    page.click("[aria-label='The run after']")
    page.wait_for_selector(".nbassist:not(.nba-version *) > .nba-text")
    page.wait_for_selector(".nba-version:empty", state="attached")
    page.focus(".nba-bar [data-rate=good]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".nba-footer >> text=rated good")
    page.wait_for_selector(".nba-bar [data-rate=good][aria-pressed=true]")
    assert page.locator(".nba-bar").count() == 1, "the output was written anew, and the bar is back"
    assert page.locator(".nba-bar").bounding_box()["height"] == box["height"]
    shots(page, "history-2-rated")
    page.click(".jp-Cell >> nth=2 >> .jp-InputPrompt")  # the keys of the notebook work
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".jp-Cell.jp-mod-active .nba-bar")
    lab.save(page)
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    saved = lab.read(name)
    (output,) = saved["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "rated good" in "".join(output["data"]["text/html"])
    assert "nba-bar" not in json.dumps(saved)
    lab.shut_down()
    for trusted in (True, False):
        if not trusted:
            (lab.folder / name).write_text(json.dumps(saved).replace("How many?", "How many, then?"))
        lab.open(page, name, kernel=False, load=not trusted)  # closed and opened again, and on another day
        page.wait_for_selector(".nbassist .nba-footer >> text=rated good")
        assert page.locator(".nba-bar, .nba-version, .nba-live").count() == 0
        assert "Loading widget" not in page.inner_text(".jp-Notebook")
    shots(page, "history-3-reopened")


@pytest.mark.parametrize("front", ["notebook"], indirect=True)  # nbclassic names no cell
def test_notebook_7_has_the_bar_and_the_runs_of_the_cell(
    front: Any, page: Any, shots: Any, endpoint: Any, wire: Any
) -> None:
    texts = ("There are **eleven** orders.", "There are **twelve** orders.")
    streams = [wire.answer(wire.stream(wire.delta(content=text), wire.delta("stop"))) for text in texts]
    endpoint.on("POST", CHAT, *streams)
    ask = "_ = get_ipython().run_cell_magic('assistant', '', 'How many?')"
    front("history", SETUP.format(url=endpoint.url).replace("%load_ext", "%reload_ext") + ask)
    page.wait_for_selector(".nba-bar [data-rate]")
    prompt = ".jp-InputPrompt"
    page.wait_for_selector(f"{prompt} >> text=/[0-9]/")
    ran = int("".join(filter(str.isdigit, page.inner_text(prompt))))  # the keys that run it may have been heard twice
    page.click(".jp-Notebook .jp-Cell .cm-content")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(f".nba-count >> text={ran + 1}/{ran + 1}")
    for _ in range(ran):
        page.click("[aria-label='The run before']")
    page.wait_for_selector(".nba-version strong >> text=eleven")
    page.click(".nba-bar >> text=Compare")
    page.wait_for_selector(".nba-version ins >> text=twelve")
    shots(page, "history-notebook")
    page.click(".nba-bar >> text=Compare")
    for _ in range(ran):
        page.click("[aria-label='The run after']")
    page.click(".nba-bar [data-rate=good]")
    page.wait_for_selector(".nba-footer >> text=rated good")
    page.wait_for_selector(".nba-bar [data-rate=good][aria-pressed=true]")
