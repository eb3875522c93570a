"""A kernel that can start no thread, as one in a browser: cells are answered live, and the journal is written.

No thread can be started at all once nbassist is loaded, so whatever would start one fails here as it does there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.fresh_kernel]
# ipykernel's own are there before; those of this process that are made afterwards are refused as Pyodide refuses them,
# and its event loop does at once what is handed to an executor: https://pyodide.org, `pyodide.webloop.WebLoop`.
NONE = """
import asyncio, threading, nbassist.core.runtime_environment
nbassist.core.runtime_environment.THREADS = False
def _refused(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = _refused
def _at_once(self, executor, function, *arguments):
    done = self.create_future()
    done.set_result(function(*arguments))
    return done
asyncio.BaseEventLoop.run_in_executor = _at_once
%reload_ext nbassist
"""


@pytest.fixture
def alone(start_kernel: Callable[..., Any], tmp_path: Any) -> Any:
    kernel = start_kernel(NBASSIST_MODEL="m", JPY_SESSION_NAME=str(tmp_path / "a.ipynb"))
    assert kernel.run(NONE).error is None
    return kernel


def test_a_cell_is_answered_live_and_a_tool_is_called(alone: Any, model: Any) -> None:
    model([("row_count", {"table": "orders"})], "There are 12.")
    ran = alone.run("%%assistant\nhow many?", cell="a")
    assert ran.error is None, ran.error
    assert "There are 12." in ran.html
    assert "row_count" in ran.html
    assert "comm_msg" in ran.kinds, "patches are sent by the cell itself"


def test_a_reply_can_be_awaited(alone: Any, model: Any) -> None:
    model("awaited")
    ran = alone.run("from nbassist import Assistant\n(await Assistant().aask('q')).text")
    assert ran.error is None, ran.error
    assert ran.result == "'awaited'"


# As a browser that has JSPI: `run_sync` waits for a coroutine, though the event loop runs already. Here the coroutine
# has a loop of its own meanwhile.
BROWSER = """
import asyncio, sys, types
def _run_sync(coroutine):
    running, loop = asyncio.get_running_loop(), asyncio.new_event_loop()
    asyncio._set_running_loop(None)
    task = asyncio.current_task(running)
    asyncio.tasks._leave_task(running, task)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
        asyncio._set_running_loop(running)
        asyncio.tasks._enter_task(running, task)
sys.modules["pyodide"] = types.ModuleType("pyodide")
sys.modules["pyodide.ffi"] = types.ModuleType("pyodide.ffi")
sys.modules["pyodide.ffi"].can_run_sync = lambda: JSPI
sys.modules["pyodide.ffi"].run_sync = _run_sync
"""
TOOLS = """
import asyncio
from nbassist import tool
@tool
async def later(x: int) -> int:
    "Double."
    await asyncio.sleep(0)
    return 2 * x
@tool
def given(x: int):
    "Double."
    return later(x)
@tool(thread=True)
def beside(x: int) -> int:
    "Double."
    return 2 * x
@tool(timeout=60)
def limited(x: int) -> int:
    "Double."
    return 2 * x
"""
NAMES = ("later", "given", "beside", "limited")


@pytest.mark.parametrize("signals", [True, False], ids=["with timers", "without timers"])
def test_async_tools_and_those_that_ask_for_a_thread_or_a_time_limit_are_called(
    alone: Any, model: Any, signals: bool
) -> None:
    model([(name, {"x": 21}) for name in NAMES], "all of them")
    if not signals:
        alone.run("import signal\ndel signal.setitimer, signal.getitimer")
    assert alone.run("JSPI = True" + BROWSER + TOOLS).error is None
    ran = alone.run("%%assistant\nq", cell="a")
    assert ran.error is None, ran.error
    assert ran.plain.count("42") >= 4, ran.plain
    assert "all of them" in ran.plain


def test_the_same_tools_are_called_where_a_reply_is_awaited_and_nothing_else_can_wait(alone: Any, model: Any) -> None:
    model([(name, {"x": 21}) for name in ("later", "beside", "limited")], "all of them")
    assert alone.run("JSPI = False" + BROWSER + TOOLS).error is None
    ran = alone.run(
        "from nbassist import Assistant\nr = await Assistant().aask('q')\n[c.output for c in r.tool_calls], r.text"
    )
    assert ran.error is None, ran.error
    assert ran.result == "(['42', '42', '42'], 'all of them')"


def test_an_async_tool_that_nothing_can_wait_for_is_answered_with_what_to_do(alone: Any, model: Any) -> None:
    model([("later", {"x": 21}), ("beside", {"x": 21})], "I see")
    assert alone.run("JSPI = False" + BROWSER + TOOLS).error is None
    ran = alone.run("%%assistant\nq", cell="a")
    assert ran.error is None, ran.error
    assert "aask" in ran.plain
    assert "42" in ran.plain, "the other call is answered"
    assert "I see" in ran.plain


@pytest.mark.parametrize("jspi", [True, False])
def test_where_a_cell_can_not_wait_for_a_reply_as_it_is_written_it_says_so(alone: Any, model: Any, jspi: bool) -> None:
    model("whole", "whole")
    assert alone.run(f"JSPI = {jspi}" + BROWSER).error is None
    ran = alone.run("%%assistant\nq", cell="a")
    assert "whole" in ran.plain
    said = ran.stdout + ran.html
    assert ("has no JSPI" in said) is not jspi, said
    assert ("aask" in said) is not jspi
    again = alone.run("%%assistant\nq", cell="b")
    assert "has no JSPI" not in again.stdout + again.html, "once is enough"


def test_a_click_on_the_bar_of_earlier_runs_is_answered(alone: Any, model: Any) -> None:
    model("one", "two")
    for _ in "ab":
        alone.run("%%assistant\nq", cell="a")
    ran = alone.run(
        "from nbassist.display.live.bars import _bars\n[bars] = _bars.values()\n[place] = list(bars._bars)[-1:]\n"
        "said = []\nbars._widget.send = said.append\n"
        "bars._hear({'kind': 'show', 'place': place, 'number': bars._bars[place].numbers[0]})\n"
        "[(one['kind'], 'one' in one['html']) for one in said]"
    )
    assert ran.error is None, ran.error
    assert ran.result == "[('version', True)]"


def test_files_are_searched_by_words_and_one_that_needs_a_process_is_told(alone: Any, tmp_path: Any) -> None:
    (tmp_path / "notes.md").write_text("The pens are blue.", encoding="utf-8")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.4 nothing")
    ran = alone.run(f"%assistant files add {tmp_path / 'notes.md'}", cell="a")
    assert ran.error is None, ran.error
    ran = alone.run(f"%assistant files add {tmp_path / 'paper.pdf'}", cell="b")
    assert ran.error is None, ran.error
    assert "paper.pdf" in ran.result
    assert "a browser has none" in ran.result


def test_mcp_servers_are_refused_in_one_line(alone: Any) -> None:
    ran = alone.run("%assistant tools add mcp:https://mcp.example/mcp", cell="a")
    assert ran.error is not None
    assert "a browser" in ran.error["evalue"]


def test_the_journal_is_written_and_read(alone: Any, model: Any) -> None:
    model("kept")
    alone.run("%%assistant\nfirst", cell="a")
    ran = alone.run("from nbassist.journal import default_journal\n[e.text for e in default_journal().entries()]")
    assert ran.result == "['kept']"


def test_many_variants_are_refused_in_one_line(alone: Any, model: Any) -> None:
    model("x")
    ran = alone.run("%%assistant --vary temperature=0,1\nq", cell="a")
    assert "a browser has none" in ran.error["evalue"]


def test_the_doctor_reports_and_names_what_is_missing_by_its_own_name(alone: Any) -> None:
    # What lies in the page came from no index, and keeps no note of where it came from: `pip install nbassist` could
    # fetch a stranger's package.
    missing = (
        "from importlib import metadata\n_real = metadata.version\n"
        "def _none(name):\n    if name == 'nh3': raise metadata.PackageNotFoundError(name)\n    return _real(name)\n"
        "metadata.version = _none"
    )
    assert alone.run(missing).error is None
    ran = alone.run("%assistant doctor", cell="a")
    assert ran.error is None, ran.error
    told = ran.result + ran.plain + ran.stdout
    assert "%pip install nh3" in told, told
    assert "nbassist[" not in told
    assert "pip install -U" not in told
