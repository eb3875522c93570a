"""Runs through the `openai` package: streamed, polled, with tools, cancelled, expired, failed."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import openai
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:(deprecated|The Assistants API):DeprecationWarning")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def start(client: openai.OpenAI, *tools: Any, **named: Any) -> tuple[str, str]:
    """Make an assistant and a thread with a question; return their ids."""
    assistant = client.beta.assistants.create(model="fake", tools=list(tools), **named)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather?"}])
    return assistant.id, thread.id


def test_a_streamed_reply_comes_in_the_recorded_order(client: openai.OpenAI, upstream: Any) -> None:
    upstream.says("Hel", "lo")
    assistant_id, thread_id = start(client)
    events = list(client.beta.threads.runs.create(thread_id, assistant_id=assistant_id, stream=True))
    assert [event.event for event in events] == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.delta",
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ]
    run: Any = events[-1].data
    assert (run.status, run.usage.total_tokens, run.expires_at) == ("completed", 15, None)
    messages = client.beta.threads.messages.list(thread_id).data
    assert [message.content[0].text.value for message in messages] == ["Hello", "What is the weather?"]


def test_tools_are_asked_for_and_answered_in_two_streams(client: openai.OpenAI, upstream: Any) -> None:
    upstream.calls(("call_a", "get_weather", '{"city": "Oslo"}'), ("call_b", "get_weather", '{"city": "Rome"}'))
    upstream.says("Cold and warm.")
    assistant_id, thread_id = start(client, WEATHER)
    first = list(client.beta.threads.runs.create(thread_id, assistant_id=assistant_id, stream=True))
    waiting: Any = first[-1].data
    assert first[-1].event == "thread.run.requires_action"
    assert waiting.usage is None
    asked = waiting.required_action.submit_tool_outputs.tool_calls
    assert [(call.id, call.function.arguments) for call in asked] == [
        ("call_a", '{"city": "Oslo"}'),
        ("call_b", '{"city": "Rome"}'),
    ]
    outputs: Any = [{"tool_call_id": call.id, "output": f"output of {call.id}"} for call in asked]
    second = list(
        client.beta.threads.runs.submit_tool_outputs(waiting.id, thread_id=thread_id, tool_outputs=outputs, stream=True)
    )
    assert [event.event for event in second][:4] == [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
    ]
    ended: Any = second[-1].data
    assert (ended.status, ended.usage.prompt_tokens, ended.usage.completion_tokens) == ("completed", 30, 12)
    said = upstream.requests[1]["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool"]
    assert said[2] == {"role": "tool", "tool_call_id": "call_a", "content": "output of call_a"}
    steps = client.beta.threads.runs.steps.list(waiting.id, thread_id=thread_id).data
    assert [step.type for step in steps] == ["message_creation", "tool_calls"]


def test_polling_works_without_a_stream(client: openai.OpenAI, upstream: Any) -> None:
    upstream.calls(("call_a", "get_weather", "{}"))
    upstream.says("Sunny.")
    assistant_id, thread_id = start(client, WEATHER)
    run = client.beta.threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant_id, poll_interval_ms=20)
    assert run.status == "requires_action"
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread_id,
        tool_outputs=[{"tool_call_id": "call_a", "output": "sun"}],
        poll_interval_ms=20,
    )
    assert run.status == "completed"
    assert run.usage is not None


def test_a_run_that_is_worked_on_can_not_be_changed(http: Any, upstream: Any, until: Any) -> None:
    go_on = threading.Event()
    upstream.streams("x", go_on, b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n')
    assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
    run = http.post("/threads/runs", json={"assistant_id": assistant}).json()
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    until(lambda: http.get(path).json()["status"] == "in_progress")
    refused = http.post(path, json={"metadata": {"a": "b"}})
    assert refused.json()["error"]["message"] == "Cannot update run with status 'in_progress'."
    go_on.set()
    until(lambda: http.get(path).json()["status"] == "completed")
    assert http.post(path, json={"metadata": {"a": "b"}}).json()["metadata"] == {"a": "b"}
    assert http.post(path, json={}).json()["metadata"] == {"a": "b"}


def test_the_corners_of_runs_are_as_the_hosted_service_had_them(http: httpx2.Client, until: Any) -> None:
    assistant = http.post("/assistants", json={"model": "m"}).json()["id"]
    thread = http.post("/threads").json()["id"]
    empty = http.post(f"/threads/{thread}/runs", json={"assistant_id": assistant})
    assert (empty.status_code, empty.json()["error"]["code"]) == (400, "invalid_thread")
    told = {"assistant_id": assistant, "instructions": "Say something."}
    assert http.post(f"/threads/{thread}/runs", json={**told, "max_completion_tokens": 0}).status_code == 400
    run = http.post(f"/threads/{thread}/runs", json={**told, "max_completion_tokens": 1}).json()
    path = f"/threads/{thread}/runs/{run['id']}"
    assert run["expires_at"] == run["created_at"] + 600
    until(lambda: http.get(path).json()["status"] in ("completed", "incomplete"))
    assert http.get(path).json()["expires_at"] is None
    [step] = http.get(f"{path}/steps").json()["data"]
    assert step["expires_at"] is None
    asked = http.post(f"/threads/{thread}/messages", json={"role": "user", "content": "Hi"}).json()
    assert "status" not in asked
