"""What is sent to Chat Completions, and habits of its servers that only show on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.chat.backend import build_chat_request
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.core.events import CitationAdded, ToolCallReady, ToolCallStarted, TurnEnded
from nbassist.core.messages import (
    File,
    Image,
    Message,
    Opaque,
    OutputSchema,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolOutput,
    ToolSpec,
)

CHAT = "/chat/completions"
PICTURE = Image(data=b"\x89PNG")


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    body = build_chat_request(Request((Message("user", (Text("hi"),)),), model="m"))
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_reasoning_schema_and_the_servers_own_tools() -> None:
    request = Request(
        (),
        model="m",
        tools=(ToolSpec("f", "F.", {"type": "object"}),),
        reasoning="high",
        output=OutputSchema("answer", {"type": "object"}, strict=True),
        parameters={"tools": [{"type": "x"}], "temperature": 0.2},
    )
    body = build_chat_request(request)
    assert body["reasoning_effort"] == "high"
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    assert [tool["type"] for tool in body["tools"]] == ["function", "x"]
    assert body["temperature"] == 0.2


OUTPUTS = (
    Message("assistant", (ToolCall("1", "f", "{}"), ToolCall("2", "g", ""))),
    Message("tool", (ToolOutput("1", "f", "one", images=(PICTURE,)), ToolOutput("2", "g", "two"))),
)


def test_images_of_tools_follow_as_a_message_for_a_model_that_sees() -> None:
    messages = build_chat_request(Request(OUTPUTS, model="gpt-4o"))["messages"]
    assert [m["role"] for m in messages] == ["assistant", "tool", "tool", "user"]
    assert [part["type"] for part in messages[3]["content"]] == ["text", "image_url"]
    assert messages[1]["content"] == "one"


def test_a_model_that_is_not_known_to_see_is_told_that_there_was_an_image() -> None:
    messages = build_chat_request(Request(OUTPUTS, model="qwen2.5-coder"))["messages"]
    assert [m["role"] for m in messages] == ["assistant", "tool", "tool"]
    assert "1 image" in messages[1]["content"]


def test_images_and_files_of_a_prompt() -> None:
    csv, pdf = File("a.csv", "text/csv", b"a,b\n```"), File("a.pdf", "application/pdf", b"%PDF")
    elsewhere = Image(file_id="file_1")
    message = Message("user", (Text("look"), PICTURE, Image(url="https://x.org/y.png"), csv, pdf, elsewhere))
    content = build_chat_request(Request((message,), model="m"))["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "image_url", "text", "file", "text"]
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert content[3]["text"].startswith("File a.csv:\n````\na,b")
    assert content[4]["file"]["file_data"].startswith("data:application/pdf;base64,")


def test_what_another_protocol_left_in_the_history_is_left_out_or_told_as_text() -> None:
    approval = ToolCall("3", "w.x", "{}", "approval")
    history = (
        Message("assistant", (Opaque("responses", {"type": "reasoning"}), Refusal("No."), approval)),
        Message("tool", (ToolOutput("3", "w.x", "approved"),)),
    )
    assert build_chat_request(Request(history, model="m"))["messages"] == [{"role": "assistant", "content": "No."}]


def test_a_custom_tool_is_offered_as_a_function_and_its_text_read_from_it() -> None:
    spec = ToolSpec("sql", "Run it.", {"type": "text"}, kind="custom")
    history = (Message("assistant", (ToolCall("1", "sql", "SELECT 1", "custom"),)),)
    body = build_chat_request(Request(history, model="m", tools=(spec,)))
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    sent = body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"input": "SELECT 1"}
    decoder = ChatDecoder(["sql"], custom=["sql"])
    call = {"index": 0, "id": "1", "function": {"name": "sql", "arguments": sent}}
    events = decoder.feed({"choices": [{"delta": {"tool_calls": [call]}}]})
    assert ToolCallStarted("1", "sql", "custom") in events
    assert ToolCallReady("1", "sql", "SELECT 1", "custom") in decoder.finish(marked=True)


def feed(*chunks: Any, **named: Any) -> list[Any]:
    decoder = ChatDecoder(["f", "g"], **named)
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()


def test_all_calls_in_one_delta() -> None:
    calls = [{"id": n, "function": {"name": n, "arguments": "{}"}} for n in ("f", "g")]
    events = feed({"choices": [{"delta": {"tool_calls": calls}, "finish_reason": "stop"}]})
    assert [e.name for e in events if isinstance(e, ToolCallReady)] == ["f", "g"]


def test_tool_calls_that_hides_length() -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a": "lon'}}
    usage = {"usage": {"prompt_tokens": 9, "completion_tokens": 16}, "choices": []}
    chunks = [{"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}, usage]
    events = feed(*chunks, limit=16)
    assert not any(isinstance(event, ToolCallReady) for event in events)
    assert isinstance(events[-1], TurnEnded)
    assert events[-1].reason == "length"


def test_a_whole_message_in_place_of_deltas() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    events = feed({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    assert [e.arguments for e in events if isinstance(e, ToolCallReady)] == ["{}"]


def test_a_model_that_is_loading_is_waited_for(endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    loading = b'{"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}'
    answer = wire.answer(wire.stream(wire.delta(content="ready"), wire.delta("stop")))
    endpoint.on("POST", CHAT, wire.answer([loading], 503, "application/json"), answer)
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    assert assistant.ask("go").text == "ready"


def test_a_call_as_json_in_the_text_is_run(endpoint: Any, wire: Any) -> None:
    def row_count(table: str) -> int:
        """Count."""
        return 12

    source = '```json\n{"name": "row_count", "arguments": {"table": "orders"}}\n```'
    written = wire.stream(*[wire.delta(content=letter) for letter in source], wire.delta("stop"))
    answer = wire.answer(wire.stream(wire.delta(content="12 rows"), wire.delta("stop")))
    endpoint.on("POST", CHAT, wire.answer(written), answer)
    reply = Assistant(backend="chat", base_url=endpoint.url, model="qwen2.5-coder", tools=[row_count]).ask("go")
    assert (reply.text, reply.tool_calls[0].output) == ("12 rows", "12")


QUOTED = '{"name": "row_count", "arguments": {"table": "orders"}}'


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (f"{QUOTED}\n\nSo a call of it looks.", {}),
        (f"```json\n{QUOTED}\n```\nis what I would write.", {}),
        (QUOTED, {"text_calls": False}),
    ],
    ids=["words behind it", "a fence and words behind it", "the profile says that it writes none"],
)
@pytest.mark.parametrize("model", ["qwen2.5-coder", "alias"])
def test_a_call_that_is_quoted_is_text_and_nothing_is_run(
    endpoint: Any, wire: Any, text: str, entries: dict[str, Any], model: str
) -> None:
    from nbassist.config.quirk_names import Access
    from nbassist.config.settings import Settings

    ran = []

    def row_count(table: str) -> int:
        """Count."""
        ran.append(table)
        return 12

    named = {**wire.delta(role="assistant", content=""), "model": "qwen2.5-coder-1.5b-instruct-q4_k_m"}
    pieces = wire.stream(named, *[wire.delta(content=letter) for letter in text], wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(pieces))
    settings = Settings("chat", endpoint.url, "k", model, access=Access(entries=entries))
    made = Assistant(settings=settings, tools=[row_count])
    assert [made.ask("Quote it.").text, made.ask("Again.").text] == [text, text]
    assert ran == []


def test_a_server_that_refuses_to_tell_the_usage_is_asked_without(endpoint: Any, wire: Any) -> None:
    refusal = b'{"error": {"message": "Unrecognized request argument supplied: stream_options"}}'
    answer = wire.answer(wire.stream(wire.delta(content="a"), wire.delta("stop")))
    endpoint.on("POST", CHAT, wire.answer([refusal], 400, "application/json"), answer, answer)
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    assert [assistant.ask("go").usage.known, assistant.ask("again").text] == [False, "a"]
    assert ["stream_options" in body for body in endpoint.bodies(CHAT)] == [True, False, False]


def test_groq_tells_the_usage_under_a_name_of_its_own() -> None:
    """Clients of Groq read `x_groq.usage` where `usage` is not asked for; in no recording."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "queue_time": 0.1}
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "req", "usage": usage}}
    ended = feed({"choices": [{"delta": {"content": "a"}}]}, last)[-1]
    assert (ended.usage.input_tokens, ended.usage.output_tokens) == (7, 3)


def test_citations_of_models_that_search_the_web() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://x.org", "title": "X", "start_index": 0}}
    delta = {"choices": [{"delta": {"content": "a", "annotations": [cited]}}]}
    events = feed(delta, {"choices": [{"delta": {"annotations": [cited]}, "finish_reason": "stop"}]})
    assert [event for event in events if isinstance(event, CitationAdded)] == [CitationAdded("X", "https://x.org")]
