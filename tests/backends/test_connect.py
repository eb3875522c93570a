"""Which protocol an endpoint is spoken to in, and what a model is known to take."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.backends import BACKENDS, connect
from nbassist.backends.abilities import is_hosted, reasons, sees
from nbassist.errors import AuthenticationError


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
    endpoint.json("GET", "/assistants", {"object": "list", "data": []})
    assert connect("auto", endpoint.url, "k").name == "assistants"


def test_a_refused_key_is_told_at_once(endpoint: Any) -> None:
    endpoint.json("GET", "/assistants", {"error": {"message": "no"}}, status=401)
    with pytest.raises(AuthenticationError):
        connect("auto", endpoint.url, "k")


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
