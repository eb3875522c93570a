"""A turn that may be left to the endpoint, and one that was left and is read on: what they mean for a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from ..core.conversation import Conversation
from ..core.events import Event, TurnStarted, Warned
from ..core.messages import Message
from ..core.protocols import Backend, BackgroundBackend
from ..errors import NbassistError, RequestRefusedError, UsageError
from .flow import Outcome


class BackgroundRun:
    """What leaving means for one run on `conversation`.

    Parameters
    ----------
    conversation : Conversation
        Its `left` holds where the turn stands, from the turn's beginning to its end: so it is read on after an
        interrupt, and as well after the kernel died.
    leave : bool
        Whether the turns of this run may be left.
    resume : bool
        Whether its first turn is one that was left.
    """

    def __init__(self, conversation: Conversation, *, leave: bool, resume: bool) -> None:
        self._conversation = conversation
        self._leave = leave
        self._resume = resume
        self._cursor: dict[str, str] = {}
        self._came: list[Message] = []
        self._abandoned: dict[str, str] = {}
        self._began = False

    def begin(self) -> str:
        """Take up the turn that was left, and return a note that says which; empty for a new prompt.

        Raises
        ------
        ConversationError
            Where none was left.
        """
        conversation = self._conversation
        if not self._resume:
            # Cancelled once there is a backend to do it by; until then it is known here alone.
            self._abandoned, conversation.left = conversation.left, {}
            return ""
        self._cursor, self._came = conversation.take_up()
        prompt = next((message.said for message in reversed(conversation.messages) if message.role == "user"), "")
        short = " ".join(prompt.split())
        return f"reads on the reply to: {short if len(short) <= 80 else short[:79] + '…'}"

    @property
    def asks(self) -> bool:
        """Whether `connected` asks the endpoint."""
        return bool(self._abandoned.get("run_id"))

    def connected(self, backend: Backend) -> list[Warned]:
        """Look whether `backend` can do it, and cancel what was left before; return what the person should know.

        Raises
        ------
        UsageError
            Where its turns end with their streams.
        """
        if self._leave and not isinstance(backend, BackgroundBackend):
            raise UsageError(
                f"--leave needs an endpoint with Responses, which runs in the background; this one is {backend.name}"
            )
        abandoned, self._abandoned = self._abandoned, {}
        if not abandoned.get("run_id"):
            return []
        try:
            backend.cancel(abandoned)
        except NbassistError as error:
            return [Warned(f"the reply that was left before may run on at the endpoint: {error}")]
        return [Warned("the reply that was left before is cancelled: this prompt takes its place")]

    def turn(self, backend: Backend) -> Iterator[Event] | None:
        """Return the rest of the turn that was left, the first time; None for a turn of its own."""
        if not self._cursor or not isinstance(backend, BackgroundBackend):
            return None
        # Used up: the turns after it are requests of this run's own.
        cursor, self._cursor = self._cursor, {}
        return backend.read_on(cursor)

    def aturn(self, backend: Backend) -> AsyncIterator[Event] | None:
        """As `turn`, on an event loop."""
        if not self._cursor or not isinstance(backend, BackgroundBackend):
            return None
        cursor, self._cursor = self._cursor, {}
        return backend.aread_on(cursor)

    def take(self, event: Event) -> None:
        """Take an event that the conversation has folded."""
        if isinstance(event, TurnStarted):
            # A turn that is read on keeps the cursor that it has: what was told since is told again.
            if self._leave and event.cursor.get("run_id") and (self._began or not self._resume):
                self._conversation.leave()
            # The endpoint tells the turn from its first event, so the half that came before is given up for it.
            self._came, self._began = [], True

    def is_left(self, error: NbassistError | None = None) -> bool:
        """Return whether the run that broke off can be gone on with, and put back what had come of it."""
        conversation = self._conversation
        if isinstance(error, RequestRefusedError) and error.status == 404:
            conversation.left = {}  # it is gone there
        # The new attempt brought nothing: what came of the old one is still better than nothing.
        conversation.messages += self._came
        self._came = []
        left = self._leave and bool(conversation.left or (self._resume and not self._began))
        # The run broke off before it could cancel what was left earlier: that can still be read on.
        conversation.left = self._abandoned or conversation.left
        return left

    def told(self, outcome: Outcome) -> Outcome:
        """Say how to go on, where the run ends before its turn does."""
        if not (self._leave and self._conversation.left):
            return outcome
        name = self._conversation.name
        named = f" -t {name}" if name not in ("", "main") else ""
        how = f"the reply goes on at the endpoint: %assistant resume{named} reads it from there"
        return replace(outcome, detail=f"{outcome.detail}; {how}" if outcome.detail else how)
