"""A conversation: folds events into history that every endpoint takes, whatever happened on the way.

The rule it keeps: each tool call in the history has exactly one output, and it stands before the next message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import ConversationError, LaterVersionError, UnreadableError
from .events import (
    Event,
    ImageReady,
    ItemKept,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallReady,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
)
from .files import put_in_place
from .messages import Image, Message, Opaque, Part, PartialMessage, Reasoning, Refusal, Text, ToolCall, ToolOutput

VERSION = 1
"""Of what `Conversation.save` writes."""
_PIECES: dict[type[Event], type[Text] | type[Refusal] | type[Reasoning]] = {
    TextDelta: Text,
    RefusalDelta: Refusal,
    ReasoningDelta: Reasoning,
}
# `unmarked` is among them: some servers never give a finish reason, and each of their replies would be incomplete.
_WHOLE = ("stop", "tool_calls", "unmarked")


class Conversation:
    """A thread of messages, and where the endpoint that holds it stands.

    Parameters
    ----------
    name : str
        What the person calls it; may be empty.
    messages : iterable of Message
        Its history, oldest first.

    Attributes
    ----------
    messages : list of Message
        Whole messages, oldest first.
    cursor : dict of str to str
        What the backend needs to go on from here; empty where the endpoint holds nothing of it.
    active : dict of str to str
        What runs at the endpoint right now, for a backend to cancel; empty between turns.
    left : dict of str to str
        What a backend needs to read on a turn that may be left to the endpoint, and under `at` the number of messages
        before it; empty where there is none.
    since : int
        The endpoint holds `messages[:since]` under `cursor`.
    home : str
        The endpoint that `cursor` belongs to; empty before the first prompt.
    rate : float
        Tokens that the endpoint counts for each token of our estimate.
    """

    def __init__(self, name: str = "", messages: tuple[Message, ...] = ()) -> None:
        self.name = name
        self.messages: list[Message] = list(messages)
        self.cursor: dict[str, str] = {}
        self.active: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self.since = 0
        self.home = ""
        self.rate = 1.0
        self._draft = PartialMessage()

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """The calls of the last turn that have no output yet, in order."""
        # Only the last assistant message can have open calls: `add_user` and `repair` answered those of all turns
        # before it.
        for position in range(len(self.messages) - 1, -1, -1):
            message = self.messages[position]
            if message.role == "assistant":
                later = self.messages[position + 1 :]
                answered = {p.call_id for m in later for p in m.parts if isinstance(p, ToolOutput)}
                return tuple(call for call in message.tool_calls if call.id not in answered)
            if message.role == "user":
                break
        return ()

    @property
    def turns(self) -> tuple[int, ...]:
        """The positions of the prompts, oldest first: turn 1 begins at the first of them."""
        return tuple(i for i, message in enumerate(self.messages) if message.role == "user")

    def add_user(self, *parts: Part, cell: str = "") -> None:
        """Append a prompt, from the notebook cell `cell`; calls that were left open are answered first."""
        # Strict endpoints refuse a history in which anything but its output follows a call.
        self.repair("not run: the run before this message ended first")
        self.messages.append(Message("user", parts, cell=cell))

    def fold(self, event: Event) -> None:
        """Take one event of a run; events that tell nothing about the history are passed over."""
        kind = _PIECES.get(type(event))
        if kind is not None:
            self._draft.add_piece(kind, event.text)  # type: ignore[union-attr]  # the three kinds have text
        elif isinstance(event, TurnStarted):
            self.active = dict(event.cursor)
        elif isinstance(event, ToolCallReady):
            # Not from the deltas: those of a call that is never ready would leave broken JSON in the history.
            self._draft.parts.append(ToolCall(event.call_id, event.name, event.arguments, event.kind))
        elif isinstance(event, ImageReady) and not event.partial:
            self._draft.parts.append(Image(event.media_type, event.data, file_id=event.file_id))
        elif isinstance(event, ItemKept):
            self._draft.parts.append(Opaque(event.wire, event.data, event.home))
        elif isinstance(event, ToolFinished):
            images = tuple(Image(image.media_type, image.data) for image in event.images)
            self._answer(ToolOutput(event.call_id, event.name, event.output, event.error, event.seconds, images))
        elif isinstance(event, TurnEnded):
            # The message is closed before the cursor is kept, which counts the messages that the endpoint holds.
            self._end_turn(complete=event.reason in _WHOLE)
            self.active = {}
            if event.reason != "cut":  # the connection's end is not the turn's
                self.left = {}
            if event.cursor is not None:
                self.keep_cursor(event.cursor)

    def keep_cursor(self, cursor: Mapping[str, str]) -> None:
        """Go on from `cursor`, which holds all messages up to here; an empty one sends all of them again."""
        self.cursor = dict(cursor)
        # The outputs of tools come after a turn's end, so they are past `since` and are sent with the next request.
        self.since = len(self.messages) if cursor else 0

    def repair(self, why: str) -> bool:
        """Make the history valid after a run that was left in the middle.

        What was written is kept and marked incomplete; a call that was not written to its end is dropped; each open
        call is answered with `why`.

        Returns
        -------
        bool
            Whether there was anything to mend.
        """
        wrote = self._end_turn(complete=False)
        # Only now: the calls of the draft became open ones with it.
        calls = self.open_calls
        for call in calls:
            self._answer(ToolOutput(call.id, call.name, why, error=why))
        self.active = {}
        return wrote or bool(calls)

    def leave(self) -> None:
        """Note that the turn which runs may be left to the endpoint, and read on later."""
        # All values are strings, as in every cursor: it is saved as JSON and handed to backends as it is.
        self.left = {**self.active, "at": str(len(self.messages))}

    def take_up(self) -> tuple[dict[str, str], list[Message]]:
        """Go back to where the turn that was left began.

        Returns
        -------
        tuple of dict and list of Message
            What a backend reads it on from, and what had come of it, which is no longer in the history.

        Raises
        ------
        ConversationError
            Where no turn was left, or the history before it has changed.
        """
        at = int(self.left.get("at", -1))
        if not 0 < at <= len(self.messages):
            named = f"the thread {self.name!r}" if self.name else "this conversation"
            raise ConversationError(f"no reply was left in {named}: --leave lets one go on at the service")
        came = self.messages[at:]
        del self.messages[at:]
        # The endpoint is not known to hold what was put back behind `at`.
        self.since = min(self.since, at)
        return dict(self.left), came

    def drop_prompt(self) -> bool:
        """Take back the last message where it is a prompt without any answer; return whether it was."""
        if self._draft.parts or not self.messages or self.messages[-1].role != "user":
            return False
        self.messages.pop()
        self.since = min(self.since, len(self.messages))
        return True

    def count(self, estimate: int, usage: Usage) -> None:
        """Set the estimate of tokens right by what the endpoint counted for a request."""
        # In a short request the endpoint's own wrapping (template, tool prompt) outweighs the text, and the ratio means
        # nothing.
        if usage.input_tokens and estimate > 200:
            # Bounded, so that one odd count can't make later requests far too long, or drop turns that would fit.
            self.rate = min(max(usage.input_tokens / estimate, 0.3), 3.0)

    def settle(self, home: str) -> None:
        """Say which endpoint is next; another one than before holds nothing of it, and is sent all of it."""
        if self.home and self.home != home:
            # An id of one endpoint means nothing to another, which would refuse the request.
            self.keep_cursor({})
            self.left = {}
        self.home = home

    def fork(self, at: int | None = None, name: str = "") -> Conversation:
        """Return a new conversation with `messages[:at]` (all of them by default).

        The endpoint holds nothing of it yet: its history is sent anew with the next prompt.
        """
        if at is not None and not 0 <= at <= len(self.messages):
            raise ConversationError(
                f"this thread has {len(self.messages)} messages: there is no position {at} to fork at"
            )
        other = Conversation(name, tuple(self.messages[:at]))
        other.repair("not run: the thread was forked here")
        return other

    def undo(self, turns: int = 1) -> int:
        """Take back the last prompts with all that followed them; return how many messages went."""
        prompts = self.turns
        if turns < 1 or turns > len(prompts):
            raise ConversationError(f"this thread has {len(prompts)} prompts: it can't take back {turns}")
        gone = len(self.messages) - prompts[-turns]
        # From the prompt on, never from the middle of a turn: a call and its output go together.
        del self.messages[prompts[-turns] :]
        # The endpoint still holds the turns that are taken back.
        self.keep_cursor({})
        if len(self.messages) < int(self.left.get("at", 0)):
            self.left["at"] = "-1"  # what it is the answer to is gone: it is not read on, and still to be cancelled
        return gone

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that `json.dumps` takes; what is being written right now is under `writing`."""
        draft = self._draft.look()
        return {
            "version": VERSION,
            "name": self.name,
            "messages": [message.to_dict() for message in self.messages],
            "cursor": self.cursor,
            "since": self.since,
            "home": self.home,
            **({"left": self.left} if self.left else {}),
            **({"writing": Message("assistant", draft, complete=False).to_dict()} if draft else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Conversation:
        """Read what `to_dict` wrote; history that was left in the middle of a run is mended.

        Raises
        ------
        ConversationError
            Where `data` is not a saved conversation.
        LaterVersionError
            Where it is of a later version.
        """
        version = data.get("version") if isinstance(data, Mapping) else None
        if isinstance(version, int) and version > VERSION:
            raise LaterVersionError(
                f"this conversation was saved by a later version of nbassist (its {version}, ours {VERSION}); "
                "upgrade nbassist to go on with it"
            )
        if not isinstance(data, Mapping) or version != VERSION or not isinstance(data.get("messages"), list):
            raise ConversationError("this is not a conversation saved by this version of nbassist")
        conversation = cls(str(data.get("name", "")), tuple(Message.from_dict(item) for item in data["messages"]))
        if isinstance(data.get("cursor"), Mapping) and isinstance(data.get("since"), int):
            conversation.cursor, conversation.since = dict(data["cursor"]), data["since"]
            conversation.home = str(data.get("home", ""))
        if isinstance(data.get("left"), Mapping):
            conversation.left = {str(name): str(value) for name, value in data["left"].items()}
        if writing := data.get("writing"):
            conversation.messages.append(Message.from_dict(writing))
        # Open calls are answered, not run: nobody knows any more whether the tool had run when the kernel died.
        left = conversation.repair("not run: the session ended first")
        if left or writing or (conversation.messages and conversation.messages[-1].role == "user"):
            # The endpoint may or may not hold what was being said: it is told all of it again.
            conversation.keep_cursor({})
        return conversation

    def save(self, path: str | Path) -> None:
        """Write it to `path` as JSON, whole or not at all."""
        target = Path(path)
        draft = target.with_name(target.name + ".new")
        # In the same folder, so that the rename stays on one file system and is atomic.
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        try:
            draft.write_text(text, encoding="utf-8", errors="replace")
            put_in_place(draft, target)
        except OSError:
            with suppress(OSError):  # half of it would only take room on a disk that is full
                draft.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | Path) -> Conversation:
        """Read what `save` wrote.

        Raises
        ------
        ConversationError
            Where the file is no conversation.
        UnreadableError
            Where it is missing, or can't be read just now.
        LaterVersionError
            Where a later version wrote it.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise UnreadableError(f"can't load a conversation from {path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConversationError(f"can't load a conversation from {path}: {error}") from error

    def _end_turn(self, *, complete: bool) -> bool:
        parts = self._draft.take()
        if parts:
            self.messages.append(Message("assistant", parts, complete))
        return bool(parts)

    def _answer(self, output: ToolOutput) -> None:
        if output.call_id not in {call.id for call in self.open_calls}:
            return  # a late or second answer: the history has one for each call
        # One message holds the outputs of a turn, so that nothing can come between a call and its output.
        if self.messages[-1].role == "tool":
            self.messages[-1] = Message("tool", (*self.messages[-1].parts, output))
        else:
            self.messages.append(Message("tool", (output,)))
