"""The other protocol on the same URL: models and chat completions, passed through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest


def test_models_are_those_of_the_upstream(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fake"]
    assert client.models.retrieve("fake").id == "fake"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("org/none")


def test_chat_completions_pass_through_as_a_stream(client: openai.OpenAI, upstream: Any) -> None:
    upstream.says("Hel", "lo")
    chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello"
    assert upstream.headers[0]["authorization"] == "Bearer sk-upstream-key"
    assert upstream.requests[0]["model"] == "m"


def test_an_error_passes_through_without_the_upstreams_key(http: httpx2.Client, upstream: Any) -> None:
    upstream.refuses(400, {"error": {"message": "no sk-upstream-key", "type": "x", "param": None, "code": None}})
    response = http.post("/chat/completions", json={"messages": []})
    assert (response.status_code, response.json()["error"]["message"]) == (400, "no [key]")
    upstream.refuses(401, {"error": {"message": "wrong", "type": "x", "param": None, "code": None}})
    assert http.post("/chat/completions", json={"messages": []}).status_code == 502
    upstream.refuses(500, "<html>")
    assert http.post("/chat/completions", json={"messages": []}).status_code == 502
    assert http.post("/chat/completions", json=[]).status_code == 400


def test_the_upstreams_own_settings_are_filled_in(config: Any, run_server: Any, upstream: Any) -> None:
    kind = replace(config.upstream, default_model="house", extra={"stop": ["\n\n\n"], "temperature": 0.2})
    with run_server(replace(config, upstream=kind)) as server:
        server.client.chat.completions.create(model="", messages=[], temperature=1.5, stream=True).close()
        sent = upstream.requests[0]
        assert (sent["model"], sent["stop"], sent["temperature"]) == ("house", ["\n\n\n"], 1.5)
