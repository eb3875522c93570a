"""Programs in the manner of the guides of 2024, unchanged but for the base URL and the key."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AssistantEventHandler, AsyncAssistantEventHandler

pytestmark = pytest.mark.filterwarnings("ignore:(deprecated|The Assistants API):DeprecationWarning")


def function(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


TOOLS = [
    function("get_current_temperature", location={"type": "string"}, unit={"type": "string", "enum": ["C", "F"]}),
    function("get_rain_probability", location={"type": "string"}),
]


def test_the_weather_bot_with_parallel_tools_and_event_handlers(client: openai.OpenAI, upstream: Any) -> None:
    upstream.calls(
        ("call_temperature", "get_current_temperature", json.dumps({"location": "San Francisco", "unit": "F"})),
        ("call_rain", "get_rain_probability", json.dumps({"location": "San Francisco"})),
    )
    upstream.says("It is 57 ", "degrees, ", "6% rain.")
    shown: list[str] = []

    class EventHandler(AssistantEventHandler):
        def on_event(self, event: Any) -> None:
            if event.event == "thread.run.requires_action":
                self.handle_requires_action(event.data)

        def handle_requires_action(self, data: Any) -> None:
            outputs = []
            for tool in data.required_action.submit_tool_outputs.tool_calls:
                if tool.function.name == "get_current_temperature":
                    outputs.append({"tool_call_id": tool.id, "output": "57"})
                elif tool.function.name == "get_rain_probability":
                    outputs.append({"tool_call_id": tool.id, "output": "0.06"})
            self.submit_tool_outputs(outputs)

        def submit_tool_outputs(self, outputs: Any) -> None:
            with client.beta.threads.runs.submit_tool_outputs_stream(
                thread_id=self.current_run.thread_id,
                run_id=self.current_run.id,
                tool_outputs=outputs,
                event_handler=EventHandler(),
            ) as stream:
                shown.extend(stream.text_deltas)

    assistant = client.beta.assistants.create(instructions="You are a weather bot.", model="gpt-4o", tools=TOOLS)
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread_id=thread.id, role="user", content="The weather in San Francisco?")
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=EventHandler()
    ) as stream:
        stream.until_done()
    assert shown == ["It is 57 ", "degrees, ", "6% rain."]
    outputs = [message["content"] for message in upstream.requests[1]["messages"] if message["role"] == "tool"]
    assert outputs == ["57", "0.06"]


def test_each_callback_of_a_handler_is_called(client: openai.OpenAI, upstream: Any) -> None:
    upstream.calls(("call_a", "get_rain_probability", '{"location": "Oslo"}'), text="Let me see.")
    upstream.says("Rain.")
    told: list[str] = []

    class Handler(AssistantEventHandler):
        def on_text_created(self, text: Any) -> None:
            told.append("text created")

        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            told.append(f"delta {delta.value}")

        def on_text_done(self, text: Any) -> None:
            told.append(f"text done {text.value}")

        def on_message_done(self, message: Any) -> None:
            told.append(f"message {message.status}")

        def on_tool_call_created(self, tool_call: Any) -> None:
            told.append(f"call {tool_call.function.name}")

        def on_tool_call_done(self, tool_call: Any) -> None:
            told.append(f"done {tool_call.function.arguments}")

        def on_run_step_done(self, run_step: Any) -> None:
            told.append(f"step {run_step.type} {run_step.status}")

        def on_end(self) -> None:
            told.append("end")

    assistant = client.beta.assistants.create(model="gpt-4o", tools=TOOLS)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Rain?"}])
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()
    ) as stream:
        stream.until_done()
        run = stream.current_run
    assert run is not None
    assert told == [
        "text created",
        "delta Let me see.",
        "text done Let me see.",
        "message completed",
        "step message_creation completed",
        "call get_rain_probability",
        'done {"location": "Oslo"}',
        "end",
    ]
    told.clear()
    with client.beta.threads.runs.submit_tool_outputs_stream(
        thread_id=thread.id,
        run_id=run.id,
        tool_outputs=[{"tool_call_id": "call_a", "output": "1"}],
        event_handler=Handler(),
    ) as stream:
        assert stream.get_final_run().status == "completed"
        assert stream.get_final_messages()[0].content[0].text.value == "Rain."  # type: ignore[union-attr]
    assert told[0] == "step tool_calls completed"
    assert told[-1] == "end"


def test_the_asynchronous_client_and_its_handler(server: Any, upstream: Any) -> None:
    upstream.says("Hel", "lo")
    pieces: list[str] = []

    class Handler(AsyncAssistantEventHandler):
        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            pieces.append(delta.value)

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="test-token") as client:
            assistant = await client.beta.assistants.create(model="gpt-4o")
            async with client.beta.threads.create_and_run_stream(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": "Hi"}]},
                event_handler=Handler(),
            ) as stream:
                await stream.until_done()

    asyncio.run(main())
    assert pieces == ["Hel", "lo"]
