"""Many variants of one prompt, side by side: planned, run at once, shown as a grid, and kept as data.

It stands on `assistant`. Begin with `sweep`; `plan` says what is asked, `runner` asks, `runs` is what came of it.
`evaluation` says what the numbers mean, `prompts` keeps wordings and tests, `remote` asks elsewhere.
"""

from __future__ import annotations

from .plan import Plan, Task, make_plan
from .run_list import SweepRun
from .runs import Runs
from .sweep import Sweep

__all__ = ["Plan", "Runs", "Sweep", "SweepRun", "Task", "make_plan"]
