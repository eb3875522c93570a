"""Requests after the first are made by ourselves: they are what the package sends, and fail as its own do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from nbassist import Assistant, Reply
from nbassist.errors import NbassistError

CHAT = "/chat/completions"


def sync(assistant: Assistant, prompt: str) -> Reply:
    return assistant.ask(prompt)


def on_a_loop(assistant: Assistant, prompt: str) -> Reply:
    return asyncio.run(assistant.aask(prompt))


@pytest.fixture(params=[sync, on_a_loop])
def ask(request: pytest.FixtureRequest) -> Callable[[Assistant, str], Reply]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def answer(wire: Any) -> Any:
    return wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop")))


def made(url: str) -> Assistant:
    return Assistant(backend="chat", base_url=url, api_key="sk-of-a-test", model="m", tools=())


def test_the_second_request_differs_in_its_body_alone(ask: Any, endpoint: Any, answer: Any) -> None:
    endpoint.on("POST", CHAT, answer)
    assistant = made(endpoint.url)
    for prompt in ("one", "two – ünïcode"):
        assert ask(assistant, prompt).text == "said"
    first, second = endpoint.asked
    assert (first.method, first.path) == (second.method, second.path)
    left_out = {"content-length"}
    heads = [{n.lower(): v for n, v in asked.headers.items() if n.lower() not in left_out} for asked in (first, second)]
    assert heads[0] == heads[1]
    assert heads[1]["authorization"] == "Bearer sk-of-a-test"
    assert second.body["messages"][-1]["content"] == "two – ünïcode"
    assert second.body.keys() == first.body.keys()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "no such parameter", "code": "odd"}}),
        (401, {"error": {"message": "Incorrect API key sk-of-a-test"}}),
        (404, {"message": "not here"}),
        (301, {}),
        (418, "plain words"),
        (429, {"error": {"message": "quota"}}),
    ],
)
def test_a_refusal_is_told_in_the_same_words(
    ask: Any, endpoint: Any, wire: Any, answer: Any, status: int, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.backends.http.transport.seconds_to_wait", lambda error, attempt: None)
    refused = wire.answer([json.dumps(body).encode()], status=status, kind="application/json")
    said = []
    for before in ([], [answer]):
        endpoint.on("POST", CHAT, *before, refused)
        assistant = made(endpoint.url)
        if before:
            ask(assistant, "hello")
        with pytest.raises(NbassistError) as raised:
            ask(assistant, "hello")
        said.append((type(raised.value), str(raised.value)))
    assert said[0] == said[1]


def test_an_endpoint_that_went_away_is_told_in_the_same_words(
    ask: Any, endpoint: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.backends.http.transport.seconds_to_wait", lambda error, attempt: None)
    endpoint.on("POST", CHAT, answer)
    assistant = made(endpoint.url)
    ask(assistant, "hello")
    endpoint.close()
    said = []
    for one in (made(endpoint.url), assistant):
        with pytest.raises(NbassistError, match="is it running, and is base_url right") as raised:
            ask(one, "hello")
        said.append((type(raised.value), str(raised.value), raised.value.sent))  # type: ignore[attr-defined]
    assert said[0] == said[1]
    assert not said[0][2], "it may be asked again: nothing was sent"
