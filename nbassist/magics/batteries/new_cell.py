"""`new_cell`: the model puts code into a cell below, for the person to read and to run."""

from __future__ import annotations

from typing import Any

from ...tools import Tool, ToolResult


def make(shell: Any, approve: bool = False) -> Tool:
    """Return the tool for one shell."""

    def new_cell(code: str) -> ToolResult:
        """Put code into a new cell below, for the user to read and to run; it is not run.

        Parameters
        ----------
        code
            The code of the cell.
        """
        # JupyterLab, VS Code and classic notebooks make a cell of it, a terminal its next line; others pass it over,
        # and for them the code stands in the panel.
        shell.set_next_input(code, replace=False)
        return ToolResult("The code stands in a new cell below; the user has not run it yet.", show=Code(code))

    return Tool.from_function(new_cell, approve=approve)


class Code:
    """Code, shown as it is."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __repr__(self) -> str:
        return self.code
