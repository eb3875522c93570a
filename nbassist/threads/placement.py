"""Where a cell's turn goes in its thread: at the end, in place of its earlier turn, or on a fork before that one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.conversation import Conversation
from ..errors import ConversationError


@dataclass(frozen=True, slots=True)
class Placement:
    """What is done before a prompt is added.

    Parameters
    ----------
    action : {"append", "replace", "fork"}
        A fork keeps what it leaves behind as a thread of its own.
    keep : int
        Messages that stay, from the oldest on.
    turn : int
        The number of the turn that the prompt becomes, from 1.
    """

    action: Literal["append", "replace", "fork"]
    keep: int
    turn: int

    @property
    def note(self) -> str:
        """One line for the person; empty where nothing out of the ordinary happens."""
        if self.action == "replace":
            return f"run again: replaces turn {self.turn}"
        return f"run again: goes on from before turn {self.turn}" if self.action == "fork" else ""


def place(conversation: Conversation, cell: str = "", turn: int | None = None) -> Placement:
    """Settle where the prompt of a cell goes.

    Parameters
    ----------
    conversation : Conversation
        The thread.
    cell : str
        The cell's id; empty to append.
    turn : int, optional
        The number of the turn that the prompt is to replace, whatever cell it came from.

    Raises
    ------
    ConversationError
        Where there is no such turn.
    """
    turns = conversation.turns
    if turn is None:
        found = [i for i, at in enumerate(turns, 1) if cell and conversation.messages[at].cell == cell]
        if not found:
            return Placement("append", len(conversation), len(turns) + 1)
        # A cell may stand in a thread more than once, where it ran with `--append`: its newest turn is meant.
        turn = found[-1]
    elif not 1 <= turn <= len(turns):
        raise ConversationError(f"this thread has {len(turns)} turns: there is no turn {turn} to go on from")
    # Only its own reply goes with the last turn; what follows an earlier one is kept as a fork.
    return Placement("replace" if turn == len(turns) else "fork", turns[turn - 1], turn)
