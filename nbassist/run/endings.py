"""What the end of a run means for its conversation and for the endpoint, whatever ended it.

Where the endpoint does not know the model that it was asked for, the nearest that it has is added to its words.

An interrupt is one of them: what came is kept, what was not run is said to be so, and the endpoint is told to stop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from ..core.conversation import Conversation
from ..core.events import Usage
from ..core.protocols import Backend
from ..errors import BackendError, ConversationError, NbassistError, RequestRefusedError
from .background import BackgroundRun
from .flow import Outcome

_INTERRUPTED = "interrupted by the person before it finished"


class Ending:
    """Leaves a history that can be gone on from, and the endpoint free.

    Parameters
    ----------
    conversation : Conversation
        What the run goes on.
    background : BackgroundRun
        Whether the endpoint goes on without us.

    Attributes
    ----------
    backend : Backend, optional
        What the run asks, once it is connected; None before, and then nothing is there to be stopped.
    """

    def __init__(self, conversation: Conversation, background: BackgroundRun) -> None:
        self._conversation = conversation
        self._background = background
        self.backend: Backend | None = None

    def of(self, outcome: Outcome) -> Outcome:
        """End a run that came to its own end, which may be a limit of ours."""
        if outcome.finish == "stopped":
            # The endpoint waits for outputs that will never come, and its thread is locked until then.
            self._stop(self._conversation.cursor)
            self._conversation.repair("not run: " + outcome.detail)
        return self._background.told(outcome)

    def interrupted(self, usage: Usage) -> Outcome:
        """End a run that the person interrupted; more interrupts do no harm."""
        conversation = self._conversation
        # Read first: `repair` forgets what runs.
        running = conversation.active or conversation.cursor
        # The history is mended before the endpoint is asked, which takes time: a second interrupt finds it valid.
        wrote = conversation.repair(_INTERRUPTED)
        if self._background.is_left():
            return Outcome("interrupted", usage)
        # Where nothing was said, the cell can be run again as if it had never been; the endpoint is told to forget it,
        # too.
        dropped = not wrote and conversation.drop_prompt()
        try:
            self._stop(running, forget=dropped)
        # The person would not wait for the endpoint: what it holds by now is not known.
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
        left = self._background.is_left(error)
        if not came:
            if not left:
                conversation.drop_prompt()
            if isinstance(error, RequestRefusedError):
                # Its words are changed in place, so that its class, code and traceback stay.
                error.args = (str(error) + hint(error, self.backend, model),)
            return None
        # A tool that changed the conversation raises one of the latter while the endpoint waits for its output.
        if isinstance(error, BackendError | ConversationError) and not left:
            self._stop(running)
        return Outcome("failed", usage, str(error))

    def _stop(self, cursor: Mapping[str, str], *, forget: bool = False) -> None:
        # Chat Completions has no run to cancel: closing its stream is enough.
        if self.backend is None or not (cursor.get("run_id") or forget):
            return
        try:
            left = self.backend.cancel(cursor, forget=forget)
            if left is not None:
                self._conversation.keep_cursor(left)
        except NbassistError:
            # The endpoint can't be asked: its copy of the thread is no longer to be trusted.
            self._conversation.keep_cursor({})


def hint(error: RequestRefusedError, backend: Backend | None, model: str) -> str:
    """Return what to add to `error`: the nearest model that there is; empty where that is not what is wrong."""
    # Servers say it as a bad request or as not found; at any other status the list would be asked for in vain.
    if backend is None or not model or error.status not in (400, 404) or not is_about(error, model):
        return ""
    try:
        known = backend.models()
    except NbassistError:
        return ""
    if model in known:
        return ""
    near = get_close_matches(model, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]}?" if near else f"; the endpoint has {', '.join(known[:10])}"


def is_about(error: RequestRefusedError, model: str) -> bool:
    """Return whether the endpoint speaks of the model: by its code, or by the name in quotes or behind the word."""
    if error.code == "model_not_found":
        return True
    # Not just anywhere in the text: names such as `chat` or `base` stand in other words, and in URLs.
    said, name = str(error), re.escape(model)
    return bool(
        re.search(rf"""(["'`]){name}\1""", said) or re.search(rf"model[ =:]+{name}(?![\w/:-])", said, re.IGNORECASE)
    )
