"""What an upstream wants back, refuses and sends otherwise: the embedded server keeps to it as the notebook does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from nbassist import Assistant

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SIGNED = {"google": {"thought_signature": "EpwC+vs="}}


def delta(finish: str | None = None, **content: Any) -> Any:
    return {"id": "c", "model": "fake", "choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


def sse(*chunks: Any) -> bytes:
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


def call(call_id: str, arguments: str = "{}", **beside: Any) -> Any:
    function = {"name": "f", "arguments": arguments}
    return delta(tool_calls=[{"index": 0, "id": call_id, "type": "function", "function": function, **beside}])


@pytest.fixture
def ask(server: Any, upstream: Any, tmp_path: Path) -> Any:
    """Ask through the server, over the protocol of Assistants, and return the reply."""
    made = None

    def f(city: str = "") -> str:
        """Do it."""
        return f"sunny in {city}"

    def ask(prompt: str = "go", **named: Any) -> Any:
        nonlocal made
        # A model of its own, since what is learnt of one at an upstream outlives the test.
        made = made or Assistant(
            backend="assistants", base_url=server.url, api_key="test-token", model=tmp_path.name, tools=[f]
        )
        return made.ask(prompt, **named)

    return ask


def messages(upstream: Any, at: int = -1, role: str = "assistant") -> list[Any]:
    return [message for message in upstream.requests[at]["messages"] if message["role"] == role]


def test_what_the_upstream_wants_back_goes_back_in_the_run_and_in_the_next(ask: Any, upstream: Any) -> None:
    upstream.streams(sse(delta(reasoning_content="I need it."), call("c1", extra_content=SIGNED), delta("tool_calls")))
    upstream.streams(sse(delta(reasoning_content="Now I know."), delta(content="ok"), delta("stop")))
    upstream.streams(sse(delta(content="again"), delta("stop")))
    assert ask().text == "ok"
    [called] = messages(upstream)
    assert called["reasoning_content"] == "I need it."
    assert called["tool_calls"][0]["extra_content"] == SIGNED
    assert ask("on").text == "again"
    assert messages(upstream)[-1]["reasoning_content"] == "Now I know."


def test_nothing_of_it_is_shown_to_a_client(client: openai.OpenAI, upstream: Any, ask: Any) -> None:
    upstream.streams(sse(delta(reasoning_content="a secret thought"), call("c1"), delta("tool_calls")))
    upstream.streams(sse(delta(content="ok"), delta("stop")))
    reply = ask()
    assert "secret" not in repr(reply.events)


def test_a_malformed_call_does_not_end_the_thread(ask: Any, upstream: Any) -> None:
    upstream.streams(sse(call("c1", '{"city": "Par"is"}'), delta("tool_calls")))
    upstream.streams(sse(delta(content="ok"), delta("stop")))
    assert ask().text == "ok"
    assert messages(upstream)[0]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert '"Par"is"' in messages(upstream, role="tool")[0]["content"]


def test_what_the_upstream_refuses_is_taken_back_and_remembered(ask: Any, upstream: Any) -> None:
    upstream.refuses(400, {"error": {"message": "Unrecognized request argument: stream_options"}})
    assert ask().finish == "completed"
    assert ask("on").finish == "completed"
    assert ["stream_options" in body for body in upstream.requests] == [True, False, False]


def test_a_whole_json_in_place_of_a_stream_is_the_reply(ask: Any, upstream: Any) -> None:
    whole = {"id": "c", "choices": [{"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]}
    upstream.streams(json.dumps(whole).encode() + b"\n")
    assert ask().text == "whole"
