"""What an answer's body is shows in its bytes, whatever it says that it is; and the lists of models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist import Assistant
from nbassist.backends.chat.decoder import ChatDecoder
from nbassist.backends.http.answer_stream import EventStream
from nbassist.backends.http.requests import choose_model
from nbassist.core.events import TextDelta
from nbassist.errors import BackendError, NotAnEndpointError, ServerFailedError

CHAT = "/chat/completions"
WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "All done."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}


@pytest.fixture
def ask(endpoint: Any, wire: Any) -> Any:
    def ask(pieces: list[bytes], kind: str, backend: str = "chat") -> Any:
        path = CHAT if backend == "chat" else "/responses"
        endpoint.on("POST", path, wire.answer(pieces, kind=kind))
        return Assistant(backend=backend, base_url=endpoint.url, model="m", tools=[]).ask("go")

    return ask


@pytest.mark.parametrize(
    "kind",
    ["Text/Event-Stream; charset=UTF-8", "text/plain", "application/json", "application/octet-stream", "", "text/html"],
)
def test_a_stream_is_read_as_one_whatever_its_content_type(kind: str, ask: Any, wire: Any) -> None:
    reply = ask(wire.stream(wire.delta(content="All done."), wire.delta("stop")), kind)
    assert (reply.text, reply.finish, reply.detail) == ("All done.", "completed", "")


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain"])
@pytest.mark.parametrize("indent", [None, 2])
def test_one_json_in_place_of_a_stream_is_the_reply(kind: str, indent: int | None, ask: Any) -> None:
    reply = ask([json.dumps(WHOLE, indent=indent).encode()], kind)
    assert (reply.text, reply.finish, reply.usage.input_tokens) == ("All done.", "completed", 5)


def test_a_whole_response_in_place_of_a_stream_is_the_reply(ask: Any) -> None:
    content = [{"type": "output_text", "text": "All done.", "annotations": []}]
    item = {"type": "message", "id": "m", "role": "assistant", "content": content}
    body = {"id": "r", "object": "response", "status": "completed", "output": [item]}
    assert ask([json.dumps(body).encode()], "application/json", "responses").text == "All done."


def test_lines_of_json_without_data_are_chunks(ask: Any, wire: Any) -> None:
    lines = [
        json.dumps(chunk).encode() + b"\n"
        for chunk in (wire.delta(content="All "), wire.delta(content="done."), wire.delta("stop"))
    ]
    assert ask(lines, "application/x-ndjson").text == "All done."


def test_an_array_of_chunks_is_taken_one_by_one(ask: Any, wire: Any) -> None:
    chunks = [wire.delta(content="All "), wire.delta(content="done."), wire.delta("stop")]
    assert (
        ask([b"data: " + json.dumps(chunks).encode() + b"\n\n", b"data: [DONE]\n\n"], "text/event-stream").text
        == "All done."
    )


@pytest.mark.parametrize(
    ("body", "kind", "error", "words"),
    [
        (b'{"error":{"message":"model overloaded"}}\n', "text/event-stream", ServerFailedError, "model overloaded"),
        (b'[{"error": {"message": "no such model"}}]', "application/json", ServerFailedError, "no such model"),
        (b'{\n "detail": "Not Found"\n}', "application/json", ServerFailedError, "Not Found"),
        (b"<!DOCTYPE html><title>Sign in</title>", "", NotAnEndpointError, "no content type .*: Sign in"),
        (b"\n  <html></html>", "text/html; charset=utf-8", NotAnEndpointError, "text/html"),
        (b"upstream connect error", "text/plain", NotAnEndpointError, "text/plain .*: upstream connect error"),
        (b"", "text/event-stream", NotAnEndpointError, "empty stream"),
        (b'data: {"error": "no"}\n\n', "text/event-stream", ServerFailedError, "reports: no"),
    ],
)
def test_what_is_no_stream_says_what_it_is(
    body: bytes, kind: str, error: type[BackendError], words: str, ask: Any
) -> None:
    with pytest.raises(error, match=words):
        ask([body], kind)


@given(st.binary(max_size=60), st.lists(st.integers(1, 9), max_size=20))
def test_no_body_raises_anything_but_our_own_errors(body: bytes, sizes: list[int]) -> None:
    stream, at = EventStream(ChatDecoder(), 300, "text/plain"), 0
    try:
        for size in [*sizes, len(body) + 1]:
            list(stream.feed(body[at : at + size]))
            at += size
        list(stream.finish())
    except (BackendError, ValueError):  # the transport makes a StreamBrokenError of what is no UTF-8 or no JSON
        pass


@given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from([None, 1]))
def test_any_cuts_of_a_json_give_the_reply(sizes: list[int], indent: int | None) -> None:
    body, at, events = json.dumps(WHOLE, indent=indent).encode(), 0, []
    stream = EventStream(ChatDecoder(), 300)
    for size in [*sizes, len(body)]:
        events += list(stream.feed(body[at : at + size]))
        at += size
    events += list(stream.finish())
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["All done."]


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [{"id": "text-embedding-3", "object": "model"}, {"id": "m", "object": "model"}]},
        [{"id": "BAAI/bge-m3"}, {"id": "m", "type": "chat"}],
        {"models": [{"name": "nomic-embed-text:latest"}, {"name": "m"}]},
        {"models": ["whisper-1", "m"]},
        {"data": [], "models": [{"model": "m"}]},
    ],
)
def test_the_model_is_the_first_that_answers_however_they_are_listed(answer: Any, endpoint: Any, wire: Any) -> None:
    endpoint.json("GET", "/models", answer)
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="a"), wire.delta("stop"))))
    made = Assistant(backend="chat", base_url=endpoint.url, tools=[])
    made.ask("go")
    assert endpoint.bodies(CHAT)[0]["model"] == "m"
    assert "m" in made.backend.models()


def test_models_that_do_not_answer_are_never_chosen() -> None:
    with pytest.raises(BackendError, match=r"text-embedding-3-small, bge-reranker.* -m"):
        choose_model(["text-embedding-3-small", "bge-reranker-v2-m3", "whisper-large-v3", "dall-e-3"])
    assert choose_model(["mistral-embed", "codestral-latest"]) == "codestral-latest"
    assert choose_model(["gpt-oss:20b"]) == "gpt-oss:20b"
