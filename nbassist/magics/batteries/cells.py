"""`cells`: the model reads earlier cells of this session, with the output or the error of each."""

from __future__ import annotations

from typing import Any

from ...tools import Tool
from ...tools.results.reprs import clean, cut

_CODE = 2_000  # characters of one cell
_OUTPUT = 500


def make(shell: Any, approve: bool = False) -> Tool:
    """Return the tool for one shell."""

    def cells(last: int = 10, containing: str = "") -> str:
        """Read the cells that the user ran in this session, oldest first, with the result or error of each.

        Parameters
        ----------
        last
            How many cells to read, at most.
        containing
            Only cells whose code contains this text.
        """
        return listing(shell, last, containing)

    return Tool.from_function(cells, approve=approve)


def listing(shell: Any, last: int, containing: str = "") -> str:
    """Return the last cells whose code contains a text; the one that runs now is not among them."""
    history = shell.history_manager
    if history is None:
        return "this session keeps no history"
    # The history begins with an empty entry, so that its places are the numbers of the cells.
    inputs = list(enumerate(history.input_hist_raw))[1:]
    ran = [(number, code) for number, code in inputs if number != _running(shell) and containing in code]
    entries = [_entry(history, number, code) for number, code in ran[-max(last, 1) :]]
    return "\n\n".join(entries) or "no cell was run yet"


def _running(shell: Any) -> int:
    """The number of the cell that runs: the last one in the history, while a cell of this shell runs a tool."""
    return len(shell.history_manager.input_hist_raw) - 1


def _entry(history: Any, number: int, code: str) -> str:
    lines = [f"In [{number}]:", cut(clean(code), _CODE)]
    # IPython keeps the errors of cells from 9.1 on.
    error = getattr(history, "exceptions", {}).get(number)
    if error:
        lines.append(f"Error: {error.get('ename', '')}: {cut(clean(str(error.get('evalue', ''))), _OUTPUT)}")
    # The repr that was shown then: the value may have changed since, and a repr made now may be slow.
    elif shown := history.output_hist_reprs.get(number):
        lines.append(f"Out [{number}]: {cut(clean(shown), _OUTPUT)}")
    return "\n".join(lines)
