"""A thread as markdown: what was said, and the calls in code blocks."""

from __future__ import annotations

import re

from ..conversation import Conversation
from ..messages import Image, Message, Reasoning, Refusal, Text, ToolCall, ToolOutput
from .turns import turns_of


def as_markdown(conversation: Conversation) -> str:
    """Return the thread as markdown."""
    blocks = [f"# {conversation.name or 'Conversation'}"]
    for number, turn in enumerate(turns_of(conversation), 1):
        blocks.append(f"## {number}. You")
        blocks.append("\n".join(f"> {line}".rstrip() for line in turn.prompt.splitlines()))
        if turn.shown:
            blocks.append(f"*Shown along: {', '.join(f'`{label}`' for label in turn.shown)}*")
        if turn.messages:
            blocks.append("### Assistant")
        for message in turn.messages:
            blocks += _blocks(message)
    return "\n\n".join(blocks) + "\n"


def _blocks(message: Message) -> list[str]:
    found = []
    for part in message.parts:
        if isinstance(part, Text | Refusal):
            found.append(part.text.strip())
        elif isinstance(part, Reasoning):
            found.append("<details><summary>Reasoning</summary>\n\n" + _fenced(part.text) + "\n\n</details>")
        elif isinstance(part, ToolCall):
            found.append(f"Calls `{part.name}`:\n\n{_fenced(part.arguments, 'json')}")
        elif isinstance(part, ToolOutput):
            found.append(f"`{part.name}` {'failed' if part.error else 'gave'}:\n\n{_fenced(part.error or part.output)}")
        elif isinstance(part, Image):
            found.append("*[an image]*")
    if message.role == "assistant" and not message.complete:
        found.append("*[not complete]*")
    return [block for block in found if block]


def _fenced(text: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
