"""A thread as something to read: its turns with their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.conversation import Conversation
from ..core.html_allowlist import inert, seal
from ..core.messages import File, Image, Message, Text, ToolCall, ToolOutput
from ..core.text import clean

_LONGEST = 2_000  # characters of one part


@dataclass(frozen=True, repr=False)
class History:
    """What stands in a thread.

    Parameters
    ----------
    name : str
        The thread.
    turns : tuple
        For each turn the lines of it: pairs of who speaks and what is said, as plain text.
    """

    name: str
    turns: tuple[tuple[tuple[str, str], ...], ...]

    @classmethod
    def of(cls, conversation: Conversation) -> History:
        """Read a conversation; messages before its first prompt stand in a turn of number 0."""
        turns: list[list[tuple[str, str]]] = [[]]
        for message in conversation.messages:
            if message.role == "user":
                turns.append([])
            turns[-1].extend((clean(who), clean(said)) for who, said in _lines(message))
        return cls(conversation.name, tuple(tuple(turn) for turn in turns))

    def __repr__(self) -> str:
        blocks = []
        for number, turn in enumerate(self.turns):
            for who, said in turn:
                label = f"{number}. {who}" if who == "you" else f"{'':{len(str(number)) + 2}}{who}"
                blocks.append(f"{label}: " + said.replace("\n", "\n" + " " * (len(str(number)) + 4)))
        return "\n".join(blocks) or f"the thread {self.name!r} is empty"

    def _repr_html_(self) -> str:
        if not any(self.turns):
            return f"<p>the thread {inert(repr(self.name))} is empty</p>"
        rows = []
        for number, turn in enumerate(self.turns):
            for index, (who, said) in enumerate(turn):
                mark = str(number) if index == 0 else ""
                rows.append(
                    f'<tr valign="top"><td style="vertical-align:top">{mark}</td>'
                    f'<th align="left" style="text-align:left;vertical-align:top">{inert(who)}</th>'
                    f'<td style="text-align:left;white-space:pre-wrap">{inert(said)}</td></tr>'
                )
        return seal(f"<table><tbody>{''.join(rows)}</tbody></table>")


def _lines(message: Message) -> list[tuple[str, str]]:
    who = "you" if message.role == "user" else "assistant"
    lines: list[tuple[str, str]] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            lines.append(("call", f"{part.name}({_short(part.arguments)})"))
        elif isinstance(part, ToolOutput):
            # The person's line where it failed; what the model was told is longer, and for the model.
            lines.append((part.name, _short(part.error or part.output)))
        elif isinstance(part, Image):
            lines.append((who, f"[image, {part.media_type}]"))
        elif isinstance(part, File):
            lines.append((who, f"[file {part.name}]"))
        elif isinstance(part, Text) and part.label:
            lines.append((who, f"[shown: {part.label}]"))
        elif isinstance(part, Text) and part.text.strip():
            lines.append((who, _short(part.text.strip())))
    if message.role == "assistant" and not message.complete:
        lines.append((who, "[not complete]"))
    return lines


def _short(text: str) -> str:
    # A tool may have given a megabyte, and the page is to stay one that can be read.
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… [{len(text) - _LONGEST:,} characters more]"
