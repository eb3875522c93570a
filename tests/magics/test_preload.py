"""The thread that imports while the kernel rests, and a cell that imports the same."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbassist.magics import preload

SLOW = """
import threading
begun, go_on = threading.Event(), threading.Event()
begun.set()
go_on.wait(60)
whole = True
"""


class Events:
    """The hooks of a shell, which the test calls."""

    def __init__(self) -> None:
        self.hooks: dict[str, Callable[[], None]] = {}

    def register(self, name: str, hook: Callable[[], None]) -> None:
        self.hooks[name] = hook

    def unregister(self, name: str, hook: Callable[[], None]) -> None:
        self.hooks.pop(name)


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_cell_waits_for_the_module_that_is_on_its_way_and_no_other_begins_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "slow_to_come.py").write_text(SLOW)
    (tmp_path / "next_to_come.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(preload, "_BEFORE", ("slow_to_come", "next_to_come"))
    monkeypatch.setattr(preload, "_AFTER", ())
    events = Events()
    made = preload.Preload(type("Shell", (), {"events": events}), lambda: "chat")
    made.begin()
    events.hooks["post_run_cell"]()
    until(lambda: getattr(sys.modules.get("slow_to_come"), "begun", None))
    events.hooks["pre_run_cell"]()
    slow: Any = sys.modules["slow_to_come"]
    threading.Timer(0.2, slow.go_on.set).start()
    made.settle()
    assert slow.whole
    assert "next_to_come" not in sys.modules
    events.hooks["post_run_cell"]()
    until(lambda: "next_to_come" in sys.modules)
    made.end()
    made.settle()
