"""The faults of `tests/faults` in cells that show a live reply: wire by fault by moment, and what is left each time."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from fault_server import FAULTS, MOMENTS, REFUSALS, WIRES, FaultServer, strict

pytestmark = pytest.mark.kernel

BREAKS = [
    (fault, moment) for fault in FAULTS for moment in ("waiting", "text", "arguments", "after tools", "the answer")
]
BREAKS += [(fault, moment) for fault in REFUSALS for moment in ("waiting", "after tools")]
# All of them with NBASSIST_TORTURE, as `make torture` sets it; else every fault and moment on one wire.
THIN = 1 if os.environ.get("NBASSIST_TORTURE") else len(WIRES)
BEGIN = """
import nbassist.backends.assistants.backend as _backend
_backend._POLL = 0.0
RAN = []

@tool
def count(table: str) -> int:
    "Count the rows of a table."
    RAN.append(table)
    return len(table)

def left():
    "What of nbassist is there still, and how many sockets are open."
    import asyncio, contextlib, gc, os, threading, time
    import ipywidgets
    loop = get_ipython().kernel.io_loop.asyncio_loop
    def there():
        widgets = [type(widget).__name__ for widget in ipywidgets.widgets.widget._instances.values()]
        threads = [thread.name for thread in threading.enumerate()]
        tasks = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks(loop)]
        return [
            *(name for name in widgets if "Live" in name),
            *(name for name in threads if name.startswith(("nbassist-view", "nbassist-look", "nbassist-output"))),
            *(code.co_qualname for code in tasks if code and os.sep + "nbassist" + os.sep in code.co_filename),
        ]
    until = time.monotonic() + 10
    while there() and time.monotonic() < until:
        time.sleep(0.02)
    gc.collect()
    sockets = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own
            sockets += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return there(), sockets
"""


# What is left open is counted in a folder that only Linux has.
@pytest.mark.skipif(sys.platform != "linux", reason="no other system lists what a process has open in /proc")
@pytest.mark.since("ipywidgets", "8")  # before it widgets are counted elsewhere
@pytest.mark.parametrize("wire_name", list(WIRES))
@pytest.mark.parametrize("number", range(len(BREAKS)), ids=lambda n: f"{BREAKS[n][0].name}, {BREAKS[n][1]}")
def test_a_fault_in_a_live_cell_is_one_line_and_leaves_nothing(
    number: int, wire_name: str, endpoint: Any, wire: Any, start_kernel: Callable[..., Any]
) -> None:
    if (number + list(WIRES).index(wire_name)) % THIN:
        # A third of them here, spread over the wires; `make torture` has all.
        pytest.skip("in `make torture`")
    (fault, moment), server = BREAKS[number], FaultServer(wire_name, endpoint, wire)
    turn, mark = MOMENTS[moment]
    kernel = start_kernel(NBASSIST_BACKEND=wire_name, NBASSIST_DISPLAY="live", NBASSIST_MODEL="m", NBASSIST_API_KEY="k")
    assert kernel.run(BEGIN).error is None
    sockets: list[int] = []
    for thread in ("one", "two", "three"):
        kernel.run("RAN.clear()")
        server.breaks(turn, fault, mark)
        broke = kernel.run(f"%%assistant -t {thread}\nHow many?", cell=f"{thread}-a")
        if broke.error is not None:
            assert len(broke.error["traceback"]) == 1, "one line for the person"
            assert "\x1b]52" not in broke.error["traceback"][0]
        if fault in FAULTS and moment == "the answer":
            assert "The first half" in broke.plain, "what came is kept"
        assert kernel.run("len(RAN) == len(set(RAN)), set(RAN) <= {'orders', 'people'}").result == "(True, True)"
        again = kernel.run(f"%%assistant -t {thread}\nAnd now?", cell=f"{thread}-b")
        assert (again.error, "All is well." in again.plain) == (None, True)
        strict(wire_name, endpoint)
        rest, open_now = ast.literal_eval(kernel.run("left()").result)
        assert rest == []
        sockets.append(open_now)
    assert sockets[-1] <= sockets[0], "each run gives its connections back"
