"""One run at a time on a conversation, and what a tool may not do to it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from .conversation import Conversation
from .errors import ConversationError

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
    with _lock:
        if conversation in _busy:
            named = f"the thread {conversation.name!r}" if conversation.name else "this conversation"
            raise ConversationError(f"{named} is in the middle of a run: ask in another one, or when it has ended")
        _busy.add(conversation)
    try:
        yield
    finally:
        _busy.discard(conversation)


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
    if len(after) < len(before) or any(was is not now for was, now in zip(before, after, strict=False)):
        raise ConversationError("a tool changed this conversation while it ran: it can't go on from there")
