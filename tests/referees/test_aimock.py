"""@copilotkit/aimock 1.43.0: scripted turns with tools and reasoning, cut into pieces of 7 characters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nbassist.core.events import ReasoningDelta, TurnEnded

both = pytest.mark.parametrize("backend", ["chat", "responses"])
ORDERS, PEOPLE = ({"name": "row_count", "arguments": {"table": table}} for table in ("orders", "people"))
ANSWER = "There are 15 rows: größer als gedacht 😀."
SCRIPT: list[Any] = [
    {
        "match": {"userMessage": "how many", "sequenceIndex": 0},
        "response": {"reasoning": "Two tables, so two calls.", "toolCalls": [ORDERS, PEOPLE]},
    },
    {"match": {"userMessage": "how many", "sequenceIndex": 1}, "response": {"content": ANSWER}},
    {"match": {"userMessage": "hello"}, "response": {"reasoning": "A greeting.", "content": ANSWER}},
]


def row_count(table: str) -> int:
    """Count the rows of a table."""
    return {"orders": 12, "people": 3}[table]


@both
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_scripted_turns_with_tools(aimock: Any, make: Any, backend: str, asynchronous: bool) -> None:
    assistant = make(backend, aimock(SCRIPT), row_count, model="o3")
    reply = asyncio.run(assistant.aask("how many rows?")) if asynchronous else assistant.ask("how many rows?")
    assert (reply.text, reply.finish) == (ANSWER, "completed")
    assert [call.output for call in reply.tool_calls] == ["12", "3"]
    assert [event.reason for event in reply.events if isinstance(event, TurnEnded)] == ["tool_calls", "stop"]


@both
def test_reasoning_is_told_beside_the_text(aimock: Any, make: Any, backend: str) -> None:
    reply = make(backend, aimock(SCRIPT), model="o3").ask("hello")
    assert reply.text == ANSWER
    assert "".join(e.text for e in reply.events if isinstance(e, ReasoningDelta)) == "A greeting."


@both
def test_the_next_prompt_goes_on(aimock: Any, make: Any, backend: str) -> None:
    assistant = make(backend, aimock(SCRIPT), model="o3")
    assistant.ask("hello")
    assert assistant.ask("hello again").text == ANSWER
