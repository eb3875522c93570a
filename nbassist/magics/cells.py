"""Cells of the notebook: putting one below the cell that runs."""

from __future__ import annotations

from typing import Any


def put_below(shell: Any, source: str) -> None:
    """Put a cell with `source` below the one that runs, for the person to run.

    JupyterLab, Notebook, nbclassic and VS Code do it when the cell ends; a terminal has it as its next input. Other
    frontends pass it over.
    """
    shell.set_next_input(source, replace=False)
