"""An old thread of Assistants v2, read by its id."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ..errors import ConversationError, RequestRefusedError
from ..messages import Image, Message, Part, Refusal, Text
from . import reading
from .steps import Call, Step

_PAGE = 100
_PAGES = 100
"""Some servers ignore `after` and would page for ever."""


def thread_messages(thread_id: str) -> Generator[Step, Any, list[Message]]:
    """Read the messages of a thread, oldest first; a part of a flow.

    Calls of tools are no messages of a thread, and so are not in it.

    Raises
    ------
    ConversationError
        Where there is no such thread.
    """
    found: dict[str, Message] = {}
    after = ""
    for _ in range(_PAGES):
        query = {"order": "asc", "limit": _PAGE, **({"after": after} if after else {})}
        try:
            page = reading.mapping((yield Call("GET", f"/threads/{thread_id}/messages", query=query)))
        except RequestRefusedError as error:
            if error.status != 404:
                raise
            raise ConversationError(f"there is no thread {thread_id} at the endpoint") from error
        items = [reading.mapping(item) for item in reading.listing(page.get("data"))]
        new = {reading.text(item.get("id")): _message(item) for item in items}
        new = {key: message for key, message in new.items() if key not in found}
        found |= new
        if not page.get("has_more") or not new:
            break
        after = reading.text(page.get("last_id")) or [*new][-1]
    return [message for message in found.values() if message.parts]


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
