"""`%assistant fix` and `explain`: prompts that write themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...context.names import nearest
from ...context.questions import about_failure, about_name
from ...errors import UsageError
from ..options import parse_words
from ..running import run_prompt

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
    return run_prompt(magics, about_failure(error, source, more), replace(options, append=True), as_it_is=True)


def explain(magics: Config, words: list[str]) -> Any:
    """Ask what a name of the notebook is: `explain NAME [flags] [more words]`."""
    if not words or words[0].startswith("-"):
        raise UsageError("write it as %assistant explain NAME")
    name, namespace = words[0], magics.notebook_shell.user_ns
    if name not in namespace:
        raise UsageError(f"{name!r} is not defined in this notebook{nearest(name, namespace)}")
    options, more = parse_words(words[1:], "%assistant explain")
    options = replace(options, append=True, see=(name, *options.see))
    return run_prompt(magics, about_name(name, more), options, as_it_is=True)
