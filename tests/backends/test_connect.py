"""Which protocol an endpoint is spoken to in, and what a model is known to take."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from nbassist.backends import BACKENDS, connect
from nbassist.backends.http.probe import _SPEAKS, speaks_assistants
from nbassist.backends.provider_quirks import is_hosted, reasons, sees


@pytest.mark.parametrize("name", BACKENDS)
def test_a_protocol_that_is_named_is_not_asked_about(endpoint: Any, name: str) -> None:
    assert connect(name, endpoint.url, "k").name == name
    assert endpoint.asked == []


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://mine.openai.azure.com/openai/v1"])
def test_the_hosted_service_is_not_asked_what_it_speaks(url: str) -> None:
    assert connect("auto", url, "k").name == "responses"


def test_any_other_endpoint_is_asked_once_and_taken_for_chat(endpoint: Any) -> None:
    assert connect("auto", endpoint.url, "k").name == "chat"
    assert [asked.path for asked in endpoint.asked] == ["/assistants?limit=1"]
    assert connect("auto", endpoint.url, "k").name == "chat"
    assert len(endpoint.asked) == 1, "what it speaks is remembered"


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False},
        {"object": "list", "data": [{"id": "asst_1", "object": "assistant"}]},
    ],
)
def test_a_list_of_assistants_is_one_also_where_it_is_empty(endpoint: Any, answer: Any) -> None:
    endpoint.json("GET", "/assistants", answer)
    assert connect("auto", endpoint.url, "k").name == "assistants"


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        *((status, "application/json", b'{"error": {"message": "no"}}') for status in (401, 403, 404, 405, 429, 500)),
        (200, "text/html", b"<html><title>Sign in</title></html>"),
        (200, "application/json", b'{"object": "list", "data": []}'),
        (200, "application/json", b'{"object": "list", "data": [{"id": "m", "object": "model"}]}'),
        (200, "application/json", b"[]"),
        (200, "application/json", b""),
    ],
)
def test_only_a_list_of_assistants_says_that_there_are_some(
    endpoint: Any, wire: Any, status: int, kind: str, body: bytes
) -> None:
    endpoint.on("GET", "/assistants", wire.answer([body], status, kind))
    assert connect("auto", endpoint.url, "k").name == "chat"
    assert len(endpoint.asked) == 1


def test_an_endpoint_that_hangs_at_the_question_is_taken_for_chat(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.backends.http.probe._SECONDS", 0.2)
    left = threading.Event()
    endpoint.on("GET", "/assistants", wire.answer([b"{", b" "], before=lambda number: number and left.wait(10)))
    assert connect("auto", endpoint.url, "k").name == "chat"
    left.set()


def test_an_endpoint_that_drips_is_not_waited_for_to_its_end(endpoint: Any, wire: Any) -> None:
    """Each wait of it is short of any limit: only the whole is too long."""
    ended = threading.Event()

    def drip(number: int) -> None:
        time.sleep(0.5)
        if number == 39:
            ended.set()

    endpoint.on("GET", "/assistants", wire.answer([b" "] * 40, kind="application/json", before=drip))
    assert speaks_assistants(endpoint.url, "") is False
    assert not ended.is_set()


def test_where_nothing_answers_the_prompt_is_told_and_it_is_asked_anew() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    assert connect("auto", url, "k").name == "chat"
    assert url not in _SPEAKS


@pytest.mark.parametrize("url", ["https://api.mistral.ai/v1", "https://openrouter.ai/api/v1"])
def test_a_provider_in_the_table_is_not_asked(url: str) -> None:
    assert connect("auto", url, "k").name == "chat"


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "gpt-5-mini", "o3", "openai/gpt-4.1", "ft:gpt-4o:x", "qwen2.5vl:7b", "llama3.2-vision"]
)
def test_models_that_see(model: str) -> None:
    assert sees(model)


@pytest.mark.parametrize(
    "model", ["", "gpt-3.5-turbo", "gpt-4", "o3-mini", "qwen2.5-coder", "gpt-4o-audio-preview", "x"]
)
def test_models_that_are_not_known_to_see(model: str) -> None:
    assert not sees(model)


@pytest.mark.parametrize("model", ["o1-mini", "o3", "o4-mini", "gpt-5", "gpt-oss:20b", "deepseek-r1:8b", "qwen3:8b"])
def test_models_that_reason(model: str) -> None:
    assert reasons(model)


@pytest.mark.parametrize("model", ["", "gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "llama3", "foo1", "solo3"])
def test_models_that_are_not_known_to_reason(model: str) -> None:
    assert not reasons(model)


@pytest.mark.parametrize("url", ["http://api.openai.com.evil.example/v1", "http://127.0.0.1/v1", "", "api.openai.com"])
def test_what_is_not_the_hosted_service(url: str) -> None:
    assert not is_hosted(url)
