"""The turns of a thread as the events that they once were, so that the displays show them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.conversation import Conversation
from ..core.events import (
    Event,
    ImageReady,
    ReasoningDelta,
    RefusalDelta,
    RunEnded,
    RunStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
)
from ..core.messages import Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolOutput


@dataclass(frozen=True, slots=True)
class ExportedTurn:
    """One prompt and all that followed it.

    Parameters
    ----------
    prompt : str
        What the person said.
    shown : tuple of str
        The labels of what was shown along with it.
    messages : tuple of Message
        The model's, and the outputs of its calls, in order.
    """

    prompt: str
    shown: tuple[str, ...]
    messages: tuple[Message, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of the run, as far as a thread keeps them: no times, no usage."""
        return tuple(_events(self.messages))


def turns_of(conversation: Conversation) -> list[ExportedTurn]:
    """Return the turns of a thread, oldest first."""
    starts = conversation.turns
    # What stands before the first prompt belongs to no turn.
    ends = (*starts[1:], len(conversation))[: len(starts)]
    found = []
    for start, end in zip(starts, ends, strict=True):
        prompt = conversation.messages[start]
        labels = tuple(part.label for part in prompt.parts if isinstance(part, Text) and part.label)
        found.append(ExportedTurn(prompt.said, labels, tuple(conversation.messages[start + 1 : end])))
    return found


def _events(messages: Sequence[Message]) -> Iterator[Event]:
    yield RunStarted()
    complete = True
    for message in messages:
        if message.role == "assistant":
            complete = message.complete
            yield TurnStarted()
            for part in message.parts:
                yield from _written(part)
            # Why it ended is not kept in a thread: a cut stands for whatever left the message incomplete.
            yield TurnEnded("stop" if complete else "cut")
        else:
            for part in message.parts:
                if isinstance(part, ToolOutput):
                    yield ToolFinished(part.call_id, part.name, part.output, part.error, part.seconds)
    yield RunEnded("completed" if complete else "incomplete")


def _written(part: Part) -> Iterator[Event]:
    if isinstance(part, Text):
        yield TextDelta(part.text)
    elif isinstance(part, Refusal):
        yield RefusalDelta(part.text)
    elif isinstance(part, Reasoning):
        yield ReasoningDelta(part.text)
    elif isinstance(part, Image):
        yield ImageReady(part.media_type, part.data, part.file_id)
    elif isinstance(part, ToolCall):
        # The three events that a view expects of each call, though nothing streams here.
        yield ToolCallStarted(part.id, part.name)
        yield ToolArgumentsDelta(part.id, part.arguments)
        yield ToolCallReady(part.id, part.name, part.arguments)
