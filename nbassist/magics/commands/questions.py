"""`%assistant fix` and `explain`: prompts about an error that was raised, or a name that is defined."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...context.namespace import nearest
from ...errors import UsageError
from ...tools.results.reprs import clean, cut
from ..line.parsed_options import parse_words
from ..run_cell import run_prompt

if TYPE_CHECKING:
    from ..config import Config


def fix(magics: Config, words: list[str]) -> Any:
    """Ask what is wrong with the last cell that failed, and for the cell corrected: `fix [flags] [more words]`.

    The flags are those of %%assistant; with --code the corrected cell is put below.
    """
    options, more = parse_words(words, "%assistant fix")
    error, source = magics.failures.last()
    if error is None:
        raise UsageError("there is no error to fix: nothing failed since the extension was loaded")
    # As it is, and appended: code is full of braces, and the same cell may ask about several errors in turn.
    return run_prompt(magics, about_failure(error, source, more), replace(options, append=True), as_it_is=True)


def explain(magics: Config, words: list[str]) -> Any:
    """Ask what a name of the notebook is: `explain NAME [flags] [more words]`."""
    if not words or words[0].startswith("-") or not words[0].strip("?"):
        raise UsageError("write it as %assistant explain NAME")
    # Whoever asks may write it as a question, and no name holds a question mark.
    name, namespace = words[0].rstrip("?"), magics.notebook_shell.user_ns
    if name not in namespace:
        raise UsageError(f"{name!r} is not defined in this notebook{nearest(name, namespace)}")
    options, more = parse_words(words[1:], "%assistant explain")
    shown = (name, *options.prompt.get("see", ()))
    options = replace(options, append=True, prompt={**options.prompt, "see": shown})
    return run_prompt(magics, about_name(name, more), options, as_it_is=True)


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
