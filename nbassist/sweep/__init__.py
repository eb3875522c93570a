"""Many variants of one prompt, side by side: planned, run at once, shown as a grid, and kept as data."""

from __future__ import annotations

from .plan import Plan, Task, make_plan
from .runs import Run, Runs
from .sweep import Sweep

__all__ = ["Plan", "Run", "Runs", "Sweep", "Task", "make_plan"]
