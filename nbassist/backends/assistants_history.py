"""An old thread of Assistants v2, read by its id."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ..messages import Image, Message, Part, Refusal, Text
from . import reading
from .steps import Step, list_held


def thread_messages(thread_id: str) -> Generator[Step, Any, list[Message]]:
    """Read the messages of a thread, oldest first; a part of a flow.

    Calls of tools are no messages of a thread, and so are not in it.

    Raises
    ------
    ConversationError
        Where there is no such thread.
    """
    items = yield from list_held(f"/threads/{thread_id}/messages", f"thread {thread_id}")
    return [message for message in map(_message, items) if message.parts]


def _message(item: Mapping[str, Any]) -> Message:
    parts: list[Part] = []
    for part in map(reading.mapping, reading.listing(item.get("content"))):
        image_file, image_url = reading.mapping(part.get("image_file")), reading.mapping(part.get("image_url"))
        if text := reading.text(reading.mapping(part.get("text")).get("value")):
            parts.append(Text(text))
        elif refusal := reading.text(part.get("refusal")):
            parts.append(Refusal(refusal))
        elif image_file:
            parts.append(Image(file_id=reading.text(image_file.get("file_id"))))
        elif image_url:
            parts.append(Image(url=reading.text(image_url.get("url"))))
    complete = item.get("status") in (None, "completed")
    return Message("user" if item.get("role") == "user" else "assistant", tuple(parts), complete)
