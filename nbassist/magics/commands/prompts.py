"""`%assistant keep` and `prompts`: tests from work, and the family of wordings with their scores."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from . import nothing_more

if TYPE_CHECKING:
    from ...core.conversation import Conversation
    from ..config import Config


def keep(magics: Config, words: list[str]) -> Any:
    """Keep work as tests in a file beside the notebook: `keep` all turns, `keep 2 4` some, `keep RUNS` rated rows.

    The file is NOTEBOOK.suite.json; `pytest` with nbassist's plugin runs it, by recorded replies or anew.
    """
    from ...sweep import Runs
    from ...sweep.prompts.suite import suite_of_turns

    name = words[0] if len(words) == 1 and words[0].isidentifier() else ""
    if name:
        runs = magics.notebook_shell.user_ns.get(name)
        if not isinstance(runs, Runs):
            raise UsageError(f"%assistant keep {name}: name the runs of a sweep, or turns by their numbers")
        return print(f"kept in {runs.keep()}")  # noqa: T201
    if not all(word.isdigit() for word in words):
        raise UsageError("write it as %assistant keep, keep 2 4 with turns of %assistant history, or keep RUNS")
    threads = magics.session.threads
    turns = _turns(threads[""])
    numbers = [int(word) for word in words] or list(range(1, len(turns) + 1))
    if wrong := [number for number in numbers if number not in range(1, len(turns) + 1)]:
        raise UsageError(f"the thread has no turn {wrong[0]}; it has {len(turns)}")
    notebook = threads.shelf.notebook if threads.shelf else ""
    where = Path(notebook or "prompts").with_suffix(".suite.json")
    suite = suite_of_turns([turns[number - 1] for number in numbers], {"instructions": magics.system}).save(where)
    return print(f"{len(numbers)} kept in {where}: {len(suite)} cases, version {suite.version}, {suite.hash}")  # noqa: T201


def _turns(conversation: Conversation) -> list[tuple[str, str]]:
    """Return for each turn its prompt and its answer: the last text of the model before the next prompt."""
    starts = [*conversation.turns, len(conversation.messages)]
    found = []
    for start, end in pairwise(starts):
        said = [message.said for message in conversation.messages[start + 1 : end] if message.role == "assistant"]
        found.append((conversation.messages[start].said, next((text for text in reversed(said) if text.strip()), "")))
    return found


def prompts(magics: Config, words: list[str]) -> Any:
    """Show the wordings that this notebook's sweeps have scored, as a tree: which came from which, and how it did."""
    from ...sweep.prompts.prompt_lineage import Family

    nothing_more("prompts", words)
    shelf = magics.session.threads.shelf
    return Family(magics.session.journal.prompts(shelf.notebook if shelf else ""))
