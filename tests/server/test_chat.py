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


def test_chat_completions_pass_through_whole(client: openai.OpenAI, upstream: Any) -> None:
    message = {"role": "assistant", "content": "Hello"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    upstream.refuses(200, {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices})
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], seed=7)
    assert answer.choices[0].message.content == "Hello"
    assert upstream.requests[0] == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}


def test_the_upstreams_key_is_taken_out_of_a_stream_however_it_is_cut(http: httpx2.Client, upstream: Any) -> None:
    upstream.streams(b"data: 1 sk-upst", b"ream-k", b"ey sk-up\n\ndata: s", b"k-sk-upstream-key\n\ndata: sk-", b"\n\n")
    answer = http.post("/chat/completions", json={"messages": [], "stream": True})
    assert answer.text == "data: 1 [key] sk-up\n\ndata: sk-[key]\n\ndata: sk-\n\ndata: [DONE]\n\n"


def test_a_stream_that_breaks_is_not_taken_for_a_whole_one(client: openai.OpenAI, upstream: Any) -> None:
    upstream.streams("half", cut=True)
    chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
    assert next(iter(chunks)).choices[0].delta.content == "half"
    with pytest.raises(openai.APIError, match="connection to the upstream broke"):
        list(chunks)


def test_a_client_that_leaves_ends_the_request_to_the_upstream(http: httpx2.Client, upstream: Any) -> None:
    upstream.streams("begun", 60.0)
    with http.stream("POST", "/chat/completions", json={"messages": [], "stream": True}) as answer:
        assert "begun" in next(answer.iter_lines())
    assert upstream.left.wait(20)


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
