"""What the model is sent of a thread and a run."""

from __future__ import annotations

from typing import Any, cast

import pytest

from nbassist.server.runs.chat_request import chat_body, tool_names
from nbassist.server.runs.upstream import UrlUpstream
from nbassist.server.store.leased_writes import Material

UPSTREAM = UrlUpstream("http://127.0.0.1:1/v1", default_model="house", extra={"temperature": 0.2, "stop": ["\n\n\n"]})
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def run(**fields: Any) -> dict[str, Any]:
    return {
        "id": "run_1",
        "model": "",
        "instructions": None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "temperature": None,
        "top_p": None,
        "reasoning_effort": None,
        "response_format": "auto",
        "truncation_strategy": {"type": "auto", "last_messages": None},
        **fields,
    }


def text(role: str, value: str, run_id: str | None = None, identifier: str = "") -> dict[str, Any]:
    content = [{"type": "text", "text": {"value": value, "annotations": []}}] if value else []
    return {"id": identifier, "role": role, "run_id": run_id, "content": content}


def calls(*wanted: tuple[str, str | None]) -> dict[str, Any]:
    made = [
        {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}", "output": output}}
        for name, output in wanted
    ]
    return {"type": "tool_calls", "step_details": {"type": "tool_calls", "tool_calls": made}}


def said(message_id: str) -> dict[str, Any]:
    return {
        "type": "message_creation",
        "step_details": {"type": "message_creation", "message_creation": {"message_id": message_id}},
    }


def body(run: Any, messages: Any, steps: Any = (), images: Any = None, **limits: Any) -> dict[str, Any]:
    return chat_body(Material(run, messages, cast(Any, steps), images or {}), UPSTREAM, **limits)


def contents(sent: dict[str, Any]) -> list[str]:
    return [message["content"] for message in sent["messages"]]


def test_the_upstreams_settings_hold_until_a_client_chooses() -> None:
    plain = body(run(), [text("user", "Hi")])
    assert (plain["model"], plain["temperature"], plain["stop"]) == ("house", 0.2, ["\n\n\n"])
    assert plain["stream_options"] == {"include_usage": True}
    assert not {"tools", "tool_choice", "top_p", "response_format", "max_tokens"} & plain.keys()
    chosen = body(run(model="m", temperature=0.0, top_p=0.5), [text("user", "Hi")], max_tokens=300)
    assert (chosen["model"], chosen["temperature"], chosen["top_p"], chosen["max_tokens"]) == ("m", 0.0, 0.5, 300)


def test_instructions_come_first_and_messages_in_order() -> None:
    sent = body(run(instructions="Be brief."), [text("user", "one"), text("assistant", "two"), text("user", "three")])
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert contents(sent) == ["Be brief.", "one", "two", "three"]


def test_a_run_tells_what_it_said_called_and_was_answered() -> None:
    messages = [text("user", "Hi"), text("assistant", "Let me look.", "run_1", "msg_1")]
    steps = [said("msg_1"), calls(("a", "1"), ("b", None)), calls(("c", "3"))]
    sent = body(run(tools=[TOOL]), messages, steps)["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "assistant", "tool"]
    assert sent[1]["content"] == "Let me look."
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["a", "b"]
    assert [message["content"] for message in sent if message["role"] == "tool"] == ["1", "", "3"]
    assert sent[4] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_an_assistants_message_without_words_is_left_out() -> None:
    assert contents(body(run(), [text("user", "Hi"), text("assistant", ""), text("user", "Again")])) == ["Hi", "Again"]


def test_truncation_keeps_the_last_messages_and_all_of_the_run() -> None:
    messages = [text("user", str(number)) for number in range(5)]
    strategy = {"type": "last_messages", "last_messages": 2}
    sent = body(run(truncation_strategy=strategy), messages, [calls(("a", "1"))])
    assert contents(sent) == ["3", "4", None, "1"]


def test_a_history_that_was_too_long_is_halved_but_never_empty() -> None:
    messages = [text("user", str(number)) for number in range(8)]
    found = [len(body(run(), messages, shortened=times)["messages"]) for times in range(6)]
    assert found == [8, 4, 2, 1, 1, 1]


def test_a_limit_of_prompt_tokens_drops_the_oldest_messages() -> None:
    messages = [text("user", f"{number}" + "x" * 400) for number in range(10)]
    sent = body(run(instructions="i"), messages, prompt_tokens=350)
    assert [content[0] for content in contents(sent)] == ["i", "7", "8", "9"]
    assert len(body(run(), messages, prompt_tokens=1)["messages"]) == 1


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_tool_that_must_be_called_is_called_once(choice: Any) -> None:
    asked = run(tools=[TOOL], tool_choice=choice)
    assert body(asked, [text("user", "Hi")])["tool_choice"] == choice
    assert body(asked, [text("user", "Hi")], [calls(("a", "1"))])["tool_choice"] == "auto"


def test_calls_written_as_text_are_read_only_where_tools_may_be_called() -> None:
    assert tool_names(Material(run(tools=[TOOL]), (), (), {})) == ("f",)
    assert tool_names(Material(run(tools=[TOOL], tool_choice="none"), (), (), {})) == ()


def test_images_go_by_url_or_as_data_and_a_deleted_one_is_said_to_be() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "image_file", "image_file": {"file_id": "file_1", "detail": "auto"}},
        {"type": "image_file", "image_file": {"file_id": "file_2", "detail": "auto"}},
    ]
    message = {"id": "m", "role": "user", "run_id": None, "content": parts}
    sent = body(run(), [message], images={"file_1": b"\xff\xd8\xff\xe0"})["messages"][0]["content"]
    assert sent == [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4A==", "detail": "auto"}},
        {"type": "text", "text": "[an image that was deleted]"},
    ]
