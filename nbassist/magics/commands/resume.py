"""`%assistant resume`: reads on a reply that was left to the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..options import parse_words
from ..running import run_prompt

if TYPE_CHECKING:
    from ..config import Config


def resume(magics: Config, words: list[str]) -> Any:
    """Read on the reply that a cell with --leave left to the endpoint: `resume [-t THREAD]`."""
    options, more = parse_words(words, "%assistant resume")
    if more:
        raise UsageError(f"%assistant resume takes no prompt, and got {more!r}; -t names the thread")
    if options.is_sweep:
        raise UsageError("%assistant resume reads on one reply: it can't be used with many variants")
    return run_prompt(magics, "", options, resume=True)
