"""The context window of a model, as each engine says it in its list of models."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.backends import connect


@pytest.mark.parametrize(
    ("entries", "window"),
    [
        ([{"id": "m", "max_model_len": 32768}], 32768),
        ([{"id": "x", "context_length": 1}, {"id": "m", "context_length": 131072}], 131072),
        ([{"id": "m", "max_context_length": 4096}], 4096),
        ([{"id": "m", "meta": {"n_ctx": 8192, "n_ctx_train": 32768}}], 8192),
        ([{"id": "m", "context_window": 2048}], 2048),
        ([{"id": "m"}], 0),
        ([{"id": "x", "context_length": 9}], 0),
        ([{"id": "m", "context_length": "many"}], 0),
        ([], 0),
        ("nothing", 0),
    ],
)
@pytest.mark.parametrize("backend", ["assistants", "responses", "chat"])
def test_the_window_is_read_where_it_is_told(endpoint: Any, backend: str, entries: Any, window: int) -> None:
    endpoint.json("GET", "/models", {"data": entries})
    assert connect(backend, endpoint.url, "k").window("m") == window


def test_an_endpoint_that_does_not_answer_says_nothing(endpoint: Any) -> None:
    assert connect("chat", endpoint.url, "k").window("m") == 0
