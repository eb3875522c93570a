"""Prompts about the notebook itself: an error that was raised, a name that is defined."""

from __future__ import annotations

import traceback

from ..tools.reprs import clean, cut

_TRACEBACK = 4_000  # characters
_SOURCE = 8_000


def about_failure(error: BaseException, source: str = "", more: str = "") -> str:
    """Return the prompt that asks to mend a cell.

    Parameters
    ----------
    error : BaseException
        What was raised.
    source : str
        The cell that raised it; empty where it is not known.
    more : str
        What the person adds; may be empty.
    """
    at = error.__traceback__
    while at is not None and at.tb_frame.f_globals.get("__name__", "").startswith("IPython"):
        at = at.tb_next  # the shell's own frames say nothing about the cell
    lines = "".join(traceback.format_exception(type(error), error, at))
    cell = f"This cell of the notebook raised an error:\n```python\n{cut(source.strip(), _SOURCE)}\n```\n\n"
    return (
        (cell if source.strip() else "Code in this notebook raised an error.\n\n")
        + f"The traceback:\n```\n{cut(clean(lines.strip()), _TRACEBACK)}\n```\n\n"
        + "Say in one or two sentences what is wrong. Then give the whole cell, corrected, as one block of Python."
        + (f"\n\n{more}" if more else "")
    )


def about_name(name: str, more: str = "") -> str:
    """Return the prompt that asks what a name of the notebook is; its value is shown along with it."""
    return f"Explain to me, who works in this notebook, what {name} is and what it is for. Be brief." + (
        f"\n\n{more}" if more else ""
    )
