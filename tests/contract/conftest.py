"""The three protocols, each able to say the same things on its own wire: what the contract is held against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.assistants.decoder import AssistantsDecoder
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.backends.responses.decoder import ResponsesDecoder

Call = tuple[str, str, str]


@dataclass(frozen=True)
class Says:
    """What the model does in one turn: text in pieces, then calls (id, name, arguments)."""

    texts: Sequence[str] = ()
    calls: Sequence[Call] = ()


def sse(name: str, data: Any) -> bytes:
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def halves(arguments: str) -> list[str]:
    middle = len(arguments) // 2
    return [piece for piece in (arguments[:middle], arguments[middle:]) if piece]


class Chat:
    name = "chat"

    def stream(self, turn: Says, number: int = 1) -> list[bytes]:
        chunks: list[Any] = [{"delta": {"role": "assistant", "content": text}} for text in turn.texts]
        for index, (call_id, name, arguments) in enumerate(turn.calls):
            head = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            chunks.append({"delta": {"tool_calls": [head]}})
            for piece in halves(arguments):
                chunks.append({"delta": {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}})
        chunks.append({"delta": {}, "finish_reason": "tool_calls" if turn.calls else "stop"})
        pieces = [sse("", {"id": "c", "model": "m", "choices": [{"index": 0, **chunk}]}) for chunk in chunks]
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        return [*pieces, sse("", {"id": "c", "choices": [], "usage": usage}), b"data: [DONE]\n\n"]

    def decoder(self) -> Any:
        return ChatDecoder(["f"])

    def script(self, endpoint: Any, *answers: Any) -> None:
        endpoint.on("POST", "/chat/completions", *answers)

    def outputs(self, endpoint: Any) -> list[str]:
        sent = endpoint.bodies("/chat/completions")[-1]["messages"]
        return [message["content"] for message in sent if message["role"] == "tool"]

    def after_a_cut(self, endpoint: Any) -> None:
        pass


class Responses:
    name = "responses"

    def stream(self, turn: Says, number: int = 1) -> list[bytes]:
        response = {"id": f"resp_{number}", "model": "m"}
        events: list[Any] = [{"type": "response.created", "response": {**response, "status": "in_progress"}}]
        output: list[Any] = []
        if turn.texts:
            item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
            events.append({"type": "response.output_item.added", "output_index": 0, "item": item})
            at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
            events += [{"type": "response.output_text.delta", **at, "delta": text} for text in turn.texts]
            item = {**item, "content": [{"type": "output_text", "text": "".join(turn.texts), "annotations": []}]}
            events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
            output.append(item)
        for index, (call_id, name, arguments) in enumerate(turn.calls, len(output)):
            item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "arguments": ""}
            events.append({"type": "response.output_item.added", "output_index": index, "item": item})
            at = {"item_id": item["id"], "output_index": index}
            for piece in halves(arguments):
                events.append({"type": "response.function_call_arguments.delta", **at, "delta": piece})
            item = {**item, "arguments": arguments}
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
            output.append(item)
        usage = {"input_tokens": 5, "output_tokens": 2}
        last = {**response, "status": "completed", "output": output, "usage": usage}
        events.append({"type": "response.completed", "response": last})
        return [sse(event["type"], {**event, "sequence_number": n}) for n, event in enumerate(events)]

    def decoder(self) -> Any:
        return ResponsesDecoder()

    def script(self, endpoint: Any, *answers: Any) -> None:
        endpoint.on("POST", "/responses", *answers)

    def outputs(self, endpoint: Any) -> list[str]:
        sent = endpoint.bodies("/responses")[-1]["input"]
        return [item["output"] for item in sent if item.get("type") == "function_call_output"]

    def after_a_cut(self, endpoint: Any) -> None:
        pass


class Assistants:
    name = "assistants"

    def stream(self, turn: Says, number: int = 1) -> list[bytes]:
        run: dict[str, Any] = {"id": "run_1", "thread_id": f"thread_{number}", "model": "m", "status": "in_progress"}
        events: list[tuple[str, Any]] = [("thread.run.created", run)]
        for text in turn.texts:
            delta = {"content": [{"index": 0, "type": "text", "text": {"value": text}}]}
            events.append(("thread.message.delta", {"id": "msg_1", "delta": delta}))
        calls = []
        for index, (call_id, name, arguments) in enumerate(turn.calls):
            head = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            pieces = [{"index": index, "type": "function", "function": {"arguments": p}} for p in halves(arguments)]
            for piece in [head, *pieces]:
                delta = {"step_details": {"type": "tool_calls", "tool_calls": [piece]}}
                events.append(("thread.run.step.delta", {"id": "step_1", "delta": delta}))
            calls.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}})
        if turn.texts:
            content = [{"type": "text", "text": {"value": "".join(turn.texts), "annotations": []}}]
            events.append(("thread.message.completed", {"id": "msg_1", "role": "assistant", "content": content}))
        if calls:
            action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
            events.append(
                ("thread.run.requires_action", {**run, "status": "requires_action", "required_action": action})
            )
        else:
            usage = {"prompt_tokens": 5, "completion_tokens": 2}
            events.append(("thread.run.completed", {**run, "status": "completed", "usage": usage}))
        return [*(sse(name, data) for name, data in events), b"event: done\ndata: [DONE]\n\n"]

    def decoder(self) -> Any:
        return AssistantsDecoder()

    def script(self, endpoint: Any, *answers: Any) -> None:
        endpoint.json("POST", "/assistants", {"id": "asst_1"})
        script = list(answers)  # one for all paths on which a turn can begin
        for path in ("/threads/runs", "/threads/thread_1/runs", "/threads/thread_1/runs/run_1/submit_tool_outputs"):
            endpoint.answers[("POST", path)] = script
        self._ended(endpoint, "cancelled")
        endpoint.json("POST", "/threads/thread_1/runs/run_1/cancel", {"id": "run_1", "status": "cancelling"})
        endpoint.json("DELETE", "/threads/thread_1/messages/msg_0", {"deleted": True})

    def outputs(self, endpoint: Any) -> list[str]:
        sent = [asked.body for asked in endpoint.asked if asked.path.endswith("submit_tool_outputs")]
        return [output["output"] for body in sent for output in body["tool_outputs"]]

    def after_a_cut(self, endpoint: Any) -> None:
        self._ended(endpoint, "failed")

    @staticmethod
    def _ended(endpoint: Any, status: str) -> None:
        endpoint.json("GET", "/threads/thread_1/runs/run_1", {"id": "run_1", "thread_id": "thread_1", "status": status})
        endpoint.json("GET", "/threads/thread_1/messages", {"data": [], "has_more": False})


class Speaker:
    """One protocol at this test's endpoint."""

    def __init__(self, protocol: Any, endpoint: Any, wire: Any) -> None:
        self.protocol = protocol
        self.endpoint = endpoint
        self._wire = wire

    def answer(self, turn: Says, number: int = 1, **named: Any) -> Any:
        return self._wire.answer(self.protocol.stream(turn, number), **named)

    def part(self, turn: Says, at: int, *, clean: bool) -> Any:
        return self._wire.answer([b"".join(self.protocol.stream(turn))[:at]], cut=not clean)

    def script(self, *turns: Any) -> None:
        self.protocol.script(self.endpoint, *(self.answer(t) if isinstance(t, Says) else t for t in turns))

    def assistant(self, *tools: Any, **named: Any) -> Assistant:
        return Assistant(
            backend=self.protocol.name, base_url=self.endpoint.url, api_key="k", model="m", tools=tools, **named
        )


@pytest.fixture
def says() -> type[Says]:
    return Says


@pytest.fixture(params=[Chat, Responses, Assistants], ids=lambda kind: kind.name)
def protocol(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture
def speaker(protocol: Any, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch) -> Speaker:
    monkeypatch.setattr("nbassist.backends.assistants.backend._POLL", 0.0)
    return Speaker(protocol, endpoint, wire)
