"""What is other in a browser: pieces of a stream are views of memory, and the HTTP package warns."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import openai
import pytest

from nbassist.backends.http import clients
from nbassist.backends.http.clients import Clients
from nbassist.backends.http.sse import EventReader


def test_events_are_found_in_views_of_memory() -> None:
    whole = b'data: {"a": 1}\r\n\r\nevent: x\ndata: two\n\n'
    for step in (1, 3, 7, len(whole)):
        reader = EventReader()
        pieces = [memoryview(whole)[start : start + step] for start in range(0, len(whole), step)]
        found = [event for piece in pieces for event in reader.feed(piece)]
        assert [(event.name, event.data) for event in found] == [("", '{"a": 1}'), ("x", "two")], step


@pytest.mark.parametrize("name", ["DefaultHttpxClient", "DefaultAsyncHttpxClient"])
def test_a_cell_shows_no_warning_that_the_pages_own_rules_hold_for_connections(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(openai, name)

    def warning(**options: Any) -> Any:
        # It begins so.
        warnings.warn("The following transport options are ignored in a browser: verify, trust_env", stacklevel=2)
        return real(**options)

    monkeypatch.setattr(openai, name, warning)
    monkeypatch.setattr(clients.runtime_environment, "THREADS", False)
    made = Clients("http://127.0.0.1:9/v1", "k", {}, stall=1.0)  # a warning would be an error here
    if name == "DefaultHttpxClient":
        made.here()
    else:
        asyncio.run(made.of_loop())
