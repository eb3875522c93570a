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


def test_the_journal_is_written_and_read(alone: Any, model: Any) -> None:
    model("kept")
    alone.run("%%assistant\nfirst", cell="a")
    ran = alone.run("from nbassist.journal import default_journal\n[e.text for e in default_journal().entries()]")
    assert ran.result == "['kept']"


def test_many_variants_are_refused_in_one_line(alone: Any, model: Any) -> None:
    model("x")
    ran = alone.run("%%assistant --vary temperature=0,1\nq", cell="a")
    assert "a browser has none" in ran.error["evalue"]


def test_the_doctor_reports(alone: Any) -> None:
    ran = alone.run("%assistant doctor", cell="a")
    assert ran.error is None, ran.error
