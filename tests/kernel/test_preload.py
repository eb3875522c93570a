"""After `%load_ext` what a first run imports is imported while the kernel rests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.fresh_kernel]

ALIVE = "print(any(t.name == 'nbassist-preload' for t in __import__('threading').enumerate()))"
HERE = "import sys; print(*(name for name in ('openai', 'anywidget', 'nbassist.assistant') if name in sys.modules))"


@pytest.fixture
def fresh(start_kernel: Callable[..., Any]) -> Any:
    return start_kernel(NBASSIST_MODEL="m")


def rested(kernel: Any) -> None:
    deadline = time.monotonic() + 120
    while kernel.run(ALIVE).stdout.strip() == "True":
        assert time.monotonic() < deadline
        time.sleep(0.3)  # the kernel rests meanwhile


def test_a_kernel_that_rests_has_what_a_first_run_needs(fresh: Any) -> None:
    rested(fresh)
    assert fresh.run(HERE).stdout.split() == ["openai", "anywidget", "nbassist.assistant"]


def test_the_hooks_are_gone_when_all_is_there_and_a_second_load_does_no_harm(fresh: Any) -> None:
    fresh.run("%reload_ext nbassist")
    rested(fresh)
    hooks = "print(sum('Preload' in repr(f) for fs in get_ipython().events.callbacks.values() for f in fs))"
    assert fresh.run(hooks).stdout.strip() == "0"


def test_a_cell_that_runs_has_the_kernel_to_itself(fresh: Any) -> None:
    # One module may be on its way when the cell begins; after that the thread waits, and imports nothing of its list.
    spin = (
        "import sys, threading, time\nfrom nbassist.magics import preload\n"
        "wanted = [*preload._BEFORE, *preload._AFTER]\n"
        "thread = next((one for one in threading.enumerate() if one.name == 'nbassist-preload'), None)\n"
        "def imports():\n"
        "    frame = sys._current_frames().get(thread.ident) if thread and thread.is_alive() else None\n"
        "    while frame and frame.f_code.co_name != 'import_module': frame = frame.f_back\n"
        "    return frame is not None\n"
        "while imports(): time.sleep(0.01)\n"
        "before = [n for n in wanted if n in sys.modules]\ntime.sleep(1)\n"
        "print(before == [n for n in wanted if n in sys.modules])"
    )
    assert fresh.run(spin).stdout.strip() == "True"
    rested(fresh)
    assert "openai" in fresh.run(HERE).stdout


def test_settings_that_are_wrong_are_told_by_the_cell_and_not_by_the_thread(start_kernel: Callable[..., Any]) -> None:
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_BACKEND="smoke")
    rested(kernel)
    assert "there is no backend" in kernel.run("%%assistant\nhello").error["evalue"]


def test_where_nothing_was_imported_yet_the_first_cell_works_at_once(
    start_kernel: Callable[..., Any], endpoint: Any, wire: Any
) -> None:
    endpoint.on("POST", "/chat/completions", wire.answer(wire.stream(wire.delta(content="hi"), wire.delta("stop"))))
    kernel = start_kernel(NBASSIST_MODEL="m")
    assert "hi" in kernel.run("%%assistant\nhello").html
