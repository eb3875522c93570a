"""One run at a time on a conversation, and what a tool may not do to it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakSet

from ..core.conversation import Conversation
from ..errors import ConversationError
from .options import complete

# By identity, and weakly: a conversation that is dropped in the middle of its run is not kept alive by it.
_busy: WeakSet[Conversation] = WeakSet()
_lock = threading.Lock()


@contextmanager
def running(conversation: Conversation) -> Iterator[None]:
    """Hold a conversation for one run: a prompt in the middle of another's turn would tear its history.

    Raises
    ------
    ConversationError
        Where it is held already.
    """
    # It is refused, never waited for: the run that holds it may be the one whose tool asks here.
    with _lock:
        if conversation in _busy:
            named = f"the thread {conversation.name!r}" if conversation.name else "this conversation"
            raise ConversationError(f"{named} is in the middle of a run: ask in another one, or when it has ended")
        _busy.add(conversation)
    try:
        yield
    finally:
        _busy.discard(conversation)


class Named(Protocol):
    """Conversations by name; an empty one is the current one's."""

    def __getitem__(self, name: str, /) -> Conversation: ...


def beside(threads: Named, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a prompt with a fork in the place of a conversation that another run holds.

    The fork is from before that run: it does not have the turn that is being written, and the conversation will not
    have what is said on the fork.
    """
    said = complete(options)
    conversation = threads[said["thread"]] if said["conversation"] is None else said["conversation"]
    with _lock:
        if conversation not in _busy:
            return options
    turns = conversation.turns
    note = "; ".join(filter(None, (said["note"], "asked on a fork: the thread is in the middle of another run")))
    return {**options, "conversation": conversation.fork(turns[-1] if turns else None), "note": note}


@contextmanager
def unchanged(conversation: Conversation) -> Iterator[None]:
    """Refuse what a tool does to the history that its own run goes on from.

    Raises
    ------
    ConversationError
        At the end, where a message that stood there is gone or another.
    """
    before = list(conversation.messages)
    yield
    after = conversation.messages
    # By identity, which is enough for frozen messages. What was added is the outputs of the calls themselves.
    if len(after) < len(before) or any(was is not now for was, now in zip(before, after, strict=False)):
        raise ConversationError("a tool changed this conversation while it ran: it can't go on from there")
