"""A parameter that JSON can't hold is named, and is no fault of the endpoint."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.http.unsendable import unsendable
from nbassist.errors import UsageError

PATHS = {"chat": "/chat/completions", "responses": "/responses", "assistants": "/threads/runs"}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("backend", PATHS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_parameter_that_is_no_finite_number_is_named_and_nothing_is_sent(
    endpoint: Any, backend: Any, value: float, asynchronous: bool
) -> None:
    endpoint.json("POST", "/assistants", {"id": "asst_1"})
    assistant = Assistant(
        backend=backend, base_url=endpoint.url, model="m", tools=[], parameters={"temperature": value}
    )
    with pytest.raises(UsageError, match=rf"^temperature is {value}: .* finite") as caught:
        asyncio.run(assistant.aask("go")) if asynchronous else assistant.ask("go")
    assert "base_url" not in str(caught.value)
    assert not [asked for asked in endpoint.asked if asked.path.startswith(PATHS[backend])]


def test_a_parameter_is_named_that_comes_after_a_request_went_out_well(endpoint: Any, wire: Any) -> None:
    end = {"id": "c", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    answers = [wire.answer([f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode()]) for _ in range(2)]
    endpoint.on("POST", PATHS["chat"], *answers)
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    assert assistant.ask("go").text == "hi"
    assistant.parameters["top_p"] = float("nan")
    with pytest.raises(UsageError, match=r"^top_p is nan"):
        assistant.ask("on")
    del assistant.parameters["top_p"]
    assert assistant.ask("once more").text == "hi"
    said = [message["content"] for message in endpoint.asked[-1].body["messages"] if message["role"] == "user"]
    assert said == ["go", "once more"], "as if it had not been asked"


def test_the_place_of_a_number_is_told_however_deep_it_is() -> None:
    found = unsendable({"a": 1.5, "tools": [{"x": 1}, {"default": float("nan")}]})
    assert str(found).startswith("tools.1.default is nan")
    assert unsendable({"a": [1e308, "NaN", None]}) is None
    assert unsendable(None) is None
