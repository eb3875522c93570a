"""What the end of a run means for its conversation and for the endpoint, whatever ended it."""

from __future__ import annotations

from collections.abc import Mapping

from .backends import Backend
from .conversation import Conversation
from .errors import BackendError, ConversationError, NbassistError, RequestRefusedError
from .events import Usage
from .leaving import Leaving
from .run import Outcome
from .unknownmodel import hint

_INTERRUPTED = "interrupted by the person before it finished"


class Ending:
    """Leaves a history that can be gone on from, and the endpoint free.

    Parameters
    ----------
    conversation : Conversation
        What the run goes on.
    leaving : Leaving
        Whether the endpoint goes on without us.

    Attributes
    ----------
    backend : Backend, optional
        What the run asks, once it is connected; None before, and then nothing is there to be stopped.
    """

    def __init__(self, conversation: Conversation, leaving: Leaving) -> None:
        self._conversation = conversation
        self._leaving = leaving
        self.backend: Backend | None = None

    def of(self, outcome: Outcome) -> Outcome:
        """End a run that came to its own end, which may be a limit of ours."""
        if outcome.finish == "stopped":
            self._stop(self._conversation.cursor)
            self._conversation.repair("not run: " + outcome.detail)
        return self._leaving.told(outcome)

    def interrupted(self, usage: Usage) -> Outcome:
        """End a run that the person interrupted; more interrupts do no harm."""
        conversation = self._conversation
        running = conversation.active or conversation.cursor
        wrote = conversation.repair(_INTERRUPTED)
        if self._leaving.is_left():
            return Outcome("interrupted", usage)
        dropped = not wrote and conversation.drop_prompt()
        try:
            self._stop(running, forget=dropped)
        except KeyboardInterrupt:
            conversation.keep_cursor({})
        return Outcome("interrupted", usage, "before anything came: the prompt is taken back" if dropped else "")

    def failed(self, error: NbassistError, usage: Usage, *, came: bool, model: str) -> Outcome | None:
        """End a run that failed; what came before is kept.

        Parameters
        ----------
        error : NbassistError
            Why. Where the endpoint does not know `model`, its nearest is added to the words.
        usage : Usage
            Of the turns that ended.
        came : bool
            Whether the endpoint answered at all.

        Returns
        -------
        Outcome or None
            None where nothing came: then it is an error of the cell.
        """
        conversation = self._conversation
        running = conversation.active or conversation.cursor
        conversation.repair(f"not run: {error}")
        left = self._leaving.is_left(error)
        if not came:
            if not left:
                conversation.drop_prompt()
            if isinstance(error, RequestRefusedError):
                error.args = (str(error) + hint(error, self.backend, model),)
            return None
        if isinstance(error, BackendError | ConversationError) and not left:
            self._stop(running)
        return Outcome("failed", usage, str(error))

    def _stop(self, cursor: Mapping[str, str], *, forget: bool = False) -> None:
        if self.backend is None or not (cursor.get("run_id") or forget):
            return
        try:
            left = self.backend.cancel(cursor, forget=forget)
            if left is not None:
                self._conversation.keep_cursor(left)
        except NbassistError:
            # The endpoint can't be asked: its copy of the thread is no longer to be trusted.
            self._conversation.keep_cursor({})
