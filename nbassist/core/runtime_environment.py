"""What the place that Python runs in can do."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = sys.platform != "emscripten"
"""Whether threads can be started. In a browser, where Pyodide runs, they can't, and there are no processes or servers
either; what is handed to an event loop's executor is done there at once."""

cpu_seconds = getattr(time, "thread_time", time.perf_counter)
"""The seconds that this thread has computed; where no clock tells that, those that passed."""


def can_wait() -> bool:
    """Whether a call can wait here for what comes over the network, bit by bit.

    In a browser that takes JSPI, which Chromium has; without it a request that waits gives its answer when it is whole.
    """
    try:
        return THREADS or bool(importlib.import_module("pyodide.ffi").can_run_sync())
    except ModuleNotFoundError:  # no browser
        return True


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end where there are no threads and the event loop runs already, as in a cell of a browser.

    Only where `can_wait` says so. Source: https://pyodide.org/en/stable/usage/api/python-api/ffi.html, `run_sync`
    """
    found: T = importlib.import_module("pyodide.ffi").run_sync(coroutine)
    return found
