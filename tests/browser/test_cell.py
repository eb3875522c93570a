"""`%%assistant` in a real JupyterLab: the cell streams, calls a function of the notebook, answers, and is saved."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from lab_harness import AGAIN

pytestmark = pytest.mark.browser
CHAT = "/chat/completions"
SETUP = """
import os
os.environ.update(NBASSIST_BASE_URL={url!r}, NBASSIST_BACKEND="chat", NBASSIST_MODEL="scripted")
%load_ext nbassist
from nbassist import tool

orders = [f"order {{n}}" for n in range(12)]

@tool
def row_count(table: str) -> int:
    "Count the rows of a table."
    return len(globals()[table])
"""
CELL = "%%assistant\nHow many orders do we have?"


@pytest.fixture
def held(endpoint: Any, wire: Any) -> Any:
    """Script a call and an answer that stops after its first piece until `go` is set."""
    go = Event()
    call = wire.stream(wire.call("a", "row_count", '{"table": "orders"}'), wire.delta("tool_calls"))
    pieces = ["We have **12 orders**. ", "That is more than *ten*."]
    answer = wire.answer(wire.stream(*(wire.delta(content=piece) for piece in pieces), wire.delta("stop")))
    answer.before = lambda piece: go.wait(60) if piece == 1 else None
    endpoint.on("POST", CHAT, wire.answer(call), answer)
    yield go
    go.set()


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=AGAIN)])
def test_a_cell_streams_calls_a_function_answers_and_survives_saving_and_reopening(
    lab: Any, page: Any, shots: Any, endpoint: Any, held: Any, theme: str
) -> None:
    name = lab.write(f"cell-{theme}.ipynb", SETUP.format(url=endpoint.url), CELL)
    lab.open(page, name, theme=theme)
    lab.start(page)
    page.wait_for_selector("strong:has-text('12 orders')")
    page.wait_for_selector("summary:has-text('row_count')")
    assert not page.is_visible("em:has-text('ten')")
    shots(page, f"cell-{theme}-1-streaming")
    held.set()
    page.wait_for_selector("em:has-text('ten')")
    page.wait_for_selector(".nbassist:not(.nba-live) strong:has-text('12 orders')")
    page.wait_for_selector(".nba-live", state="detached")
    shots(page, f"cell-{theme}-2-ended")
    lab.save(page)
    saved = str(lab.read(name)["cells"][1]["outputs"])
    assert "12 orders" in saved
    assert "widget-view" not in saved
    page.goto("about:blank")
    lab.shut_down()
    lab.open(page, name, kernel=False, theme=theme)
    page.wait_for_selector("strong:has-text('12 orders')")
    assert "Loading widget" not in page.inner_text("body")
    shots(page, f"cell-{theme}-3-reopened")


def test_the_interrupt_of_the_frontend_leaves_the_text_and_a_cell_that_runs_again(
    lab: Any, page: Any, shots: Any, endpoint: Any, wire: Any, held: Any
) -> None:
    name = lab.write("interrupt.ipynb", SETUP.format(url=endpoint.url), CELL)
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector("strong:has-text('12 orders')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
    page.wait_for_selector("text=what came is kept")
    held.set()
    shots(page, "interrupted")
    assert page.is_visible("strong:has-text('12 orders')")
    answer = wire.answer(wire.stream(wire.delta(content="The *whole* answer"), wire.delta("stop")))
    endpoint.on("POST", CHAT, answer)
    lab.run_all(page)
    page.wait_for_selector("em:has-text('whole')")


def test_an_error_is_one_line_and_leaves_no_widget(lab: Any, page: Any, shots: Any, endpoint: Any) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "no"}}, status=401)
    name = lab.write("error.ipynb", SETUP.format(url=endpoint.url), CELL)
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector("text=AuthenticationError")
    shots(page, "error")
    assert "Traceback" not in page.inner_text(".jp-Notebook")


def test_a_tool_that_asks_first_runs_by_a_click_and_a_reply_is_stopped_by_one(
    lab: Any, page: Any, shots: Any, endpoint: Any, wire: Any
) -> None:
    call = wire.stream(wire.call("a", "drop", '{"table": "orders"}'), wire.delta("tool_calls"))
    pieces = ["It is **dropped**. ", "Never ", "seen."]
    answer = wire.answer(wire.stream(*(wire.delta(content=piece) for piece in pieces), wire.delta("stop")))
    go = Event()
    answer.before = lambda piece: go.wait(60) if piece == 1 else None
    endpoint.on("POST", CHAT, wire.answer(call), answer)
    tool = "\nimport nbassist.display.live.view as live\nlive._PATIENCE = 60.0"  # for the browser, on a busy machine
    tool += "\n@tool(approve=True)\ndef drop(table: str) -> str:\n    'Drop a table.'\n    return 'dropped ' + table"
    lab.open(page, lab.write("asks.ipynb", SETUP.format(url=endpoint.url) + tool, "%%assistant\nDrop the orders."))
    lab.start(page)
    page.click(".nba-ask >> text=Allow")
    page.wait_for_selector("strong:has-text('dropped')")
    shots(page, "cell-allowed")
    page.click(".nba-stop")
    page.wait_for_selector("text=what came is kept")
    go.set()
    assert "allowed by you" in page.inner_text(".nba-call summary")
    assert "Never" not in page.inner_text(".nbassist")
