"""llama.cpp's own server, inside xllamacpp, with the local model: its Chat Completions and its Responses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from nbassist import Assistant, Conversation
from nbassist.backends.responses.backend import ResponsesBackend
from nbassist.core.events import TextDelta, TurnEnded, Warned
from nbassist.core.messages import Message, Text, ToolCall, ToolOutput
from nbassist.server.engine.llama_cpp import Engine
from nbassist.server.engine.model import locate

pytestmark = pytest.mark.model
both = pytest.mark.parametrize("backend", ["chat", "responses"])
LIMIT = {"chat": "max_tokens", "responses": "max_output_tokens"}


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[str, str]]:
    """The URL and the key of a running engine."""
    locate()  # where it is missing this fails with the command to run; -m 'not model' goes without
    made = Engine()
    try:
        yield asyncio.run(made.base_url()), made.api_key
    finally:
        made.close()


def make(engine: tuple[str, str], backend: str, *tools: Any, limit: int = 120) -> Assistant:
    url, key = engine
    parameters = {"temperature": 0, LIMIT[backend]: limit}
    return Assistant(backend=backend, base_url=url, api_key=key, tools=tools, parameters=parameters)


def row_count(table: str) -> int:
    """Count the rows of a table of this notebook."""
    return {"orders": 12, "people": 3}[table]


@both
def test_text_streams_with_its_usage(engine: tuple[str, str], backend: str) -> None:
    reply = make(engine, backend).ask("Count from one to five, in words.")
    assert (reply.finish, reply.detail) == ("completed", "")
    assert "three" in reply.text.lower()
    assert reply.usage.known
    assert reply.usage.output_tokens > 5
    assert any(isinstance(event, TextDelta) for event in reply.events)


@both
def test_a_reply_cut_by_its_limit_says_so(engine: tuple[str, str], backend: str) -> None:
    reply = make(engine, backend, limit=3).ask("Count from one to fifty, in words.")
    assert reply.finish == "incomplete"
    assert "limit" in reply.detail


@both
def test_a_tool_is_called_and_its_output_goes_back(engine: tuple[str, str], backend: str) -> None:
    assistant = make(engine, backend, row_count)
    reply = assistant.ask("How many rows has the table orders?")
    assert reply.finish == "completed"
    assert (reply.tool_calls[0].arguments, reply.tool_calls[0].output) == ({"table": "orders"}, "12")


@both
def test_the_conversation_goes_on(engine: tuple[str, str], backend: str) -> None:
    assistant = make(engine, backend)
    assistant.ask("Remember the word zebra. Answer with OK.")
    assert "zebra" in assistant.ask("Which word was it? Answer with the word alone.").text.lower()


@both
@pytest.mark.parametrize("wrote", ['{"table": "or"ders"}', '{"table": ', "[1]", "not JSON", '{"a": NaN}'])
def test_a_malformed_call_in_the_history_does_not_end_the_thread(
    engine: tuple[str, str], backend: str, wrote: str
) -> None:
    """The engine parses each call of a history again, and answers 500 to half an object."""
    call = Message("assistant", (ToolCall("call_1", "row_count", wrote),))
    output = Message("tool", (ToolOutput("call_1", "row_count", "not valid JSON"),))
    thread = Conversation("t", (Message("user", (Text("Count the rows."),)), call, output))
    reply = make(engine, backend, row_count, limit=8).ask("Say OK.", conversation=thread)
    assert reply.finish in ("completed", "incomplete")
    assert reply.text or reply.tool_calls


def test_a_response_by_its_id_is_refused_and_the_history_sent_again(engine: tuple[str, str]) -> None:
    assistant = make(engine, "responses")
    assistant._backend = ResponsesBackend(*engine, history="previous")
    assistant.ask("Remember the word zebra. Answer with OK.")
    reply = assistant.ask("Which word was it? Answer with the word alone.")
    assert any(isinstance(event, Warned) for event in reply.events)
    assert "zebra" in reply.text.lower()
    assert [event.reason for event in reply.events if isinstance(event, TurnEnded)] == ["stop"]
