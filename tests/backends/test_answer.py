"""The bytes of a stream: events cut anywhere, odd lines, and streams that only keep the connection alive."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist import Assistant
from nbassist.backends.chat.backend import ChatBackend
from nbassist.backends.http import failures
from nbassist.backends.http.answer_stream import NoJsonError, chunk_of
from nbassist.backends.http.failures import read_failure
from nbassist.backends.http.http_package import httpx
from nbassist.backends.http.sse import EventReader, ServerSentEvent
from nbassist.core.events import Event, TextDelta
from nbassist.errors import StreamBrokenError

CHAT = "/chat/completions"


def read(*pieces: bytes) -> list[ServerSentEvent]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.finish())


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [("", "a")]),
        (b"data:a\n\n", [("", "a")]),
        (b"event: x\ndata: a\ndata: b\n\n", [("x", "a\nb")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [("", "a"), ("", "b"), ("", "c")]),
        (b": keep-alive\n\n", []),
        (b"data:\n\n", []),
        (b"data: \n\ndata: a\n\n", [("", "a")]),
        (b"event: ping\n\ndata: a\n\n", [("", "a")]),
        (b"id: 1\nretry: 5\nfoo\ndata: a\n\n", [("", "a")]),
        (b'error: {"message": "x"}\n\n', [("error", '{"message": "x"}')]),
        (b"data: a\n\ndata: {}", [("", "a"), ("", "{}")]),
        (b"data: [DONE]", [("", "[DONE]")]),
        (b'data: a\n\ndata: {"cut', [("", "a")]),
    ],
)
def test_events_are_read_as_the_standard_has_it_and_servers_write_it(data: bytes, events: list[Any]) -> None:
    assert read(data) == [ServerSentEvent(*event) for event in events]
    assert read(*(bytes([byte]) for byte in data)) == [ServerSentEvent(*event) for event in events]


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_any_bytes_split_anywhere_give_the_same_events_or_one_kind_of_error(data: bytes, cuts: list[int]) -> None:
    at = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    pieces = [data[a:b] for a, b in pairwise(at)]

    def outcome(parts: list[bytes]) -> Any:
        try:
            return read(*parts)
        except ValueError:
            return ValueError

    assert outcome(pieces) == outcome([data])


@pytest.mark.parametrize(
    ("event", "chunk"),
    [
        (("", '{"a": 1}'), {"a": 1}),
        (("thread.run.created", "{}"), {"event": "thread.run.created", "data": {}}),
        (("response.created", "{}"), {"type": "response.created"}),
        (("error", '{"message": "x"}'), {"error": {"message": "x"}}),
        (("error", '{"error": {"message": "x"}}'), {"error": {"message": "x"}}),
        (("error", "overloaded"), {"error": "overloaded"}),
        (("message", '{"a": 1}'), {"a": 1}),
    ],
)
def test_the_name_of_an_event_counts_where_only_it_tells_what_it_is(event: Any, chunk: Any) -> None:
    assert chunk_of(ServerSentEvent(*event)) == chunk


@pytest.mark.parametrize("data", ["{", "[" * 100_000, "NaN?"])
def test_what_is_no_json_is_one_kind_of_error(data: str) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        chunk_of(ServerSentEvent("", data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("Internal Server Error", "no JSON: Internal Server Error"),
        ("upstream\ntimed  out", "no JSON: upstream timed out"),
        ("<html><title>502 Bad Gateway</title></html>", "no JSON: 502 Bad Gateway"),
        ('{"id": "c", "cho', 'no JSON: {"id": "c", "cho'),
        ("<html>", "no JSON"),
        ("x" * 1_000, "no JSON"),
        ("word " * 100_000, "no JSON: " + ("word " * 40).rstrip()),
    ],
)
def test_what_came_in_place_of_json_is_told_in_one_line(data: str, words: str) -> None:
    with pytest.raises(NoJsonError) as caught:
        chunk_of(ServerSentEvent("", data))
    told = read_failure(caught.value, "http://e/v1", streaming=True)
    assert isinstance(told, StreamBrokenError)
    assert str(told).endswith(words)


@pytest.mark.parametrize("threads", [True, False], ids=["a kernel", "a page"])
def test_a_page_that_gets_no_answer_is_told_that_it_may_not_be_allowed_one(
    threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures.runtime_environment, "THREADS", threads)
    told = str(read_failure(httpx.ConnectError("Failed to fetch"), "http://127.0.0.1:11434/v1"))
    assert "no answer from http://127.0.0.1:11434/v1" in told
    assert "Failed to fetch" in told
    assert ("OLLAMA_ORIGINS" in told) is not threads


def alive(wire: Any, left: threading.Event, *before: bytes) -> Any:
    """Return an answer that says `before`, and then keeps alive what says no more, until the client leaves."""

    def pace(number: int) -> None:
        if number >= len(before):
            left.wait(0.02)

    return wire.answer([*before, *[b": keep-alive\n\n"] * 3000], before=pace)


def backend(endpoint: Any, stall: float) -> Assistant:
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    assistant._backend = ChatBackend(endpoint.url, "", stall=stall)
    return assistant


def ask_async(assistant: Assistant, prompt: str) -> Any:
    return asyncio.run(assistant.aask(prompt))


@pytest.mark.parametrize("ask", [Assistant.ask, ask_async], ids=["sync", "async"])
@pytest.mark.parametrize("silent", [False, True], ids=["kept alive", "silent"])
def test_a_stream_that_stalls_ends_as_cut_and_is_not_asked_again(
    endpoint: Any, wire: Any, ask: Callable[..., Any], silent: bool
) -> None:
    left = threading.Event()
    first = wire.stream(wire.delta(content="Half "), done=False)
    answer = alive(wire, left, *first)
    if silent:
        answer.pieces = [*first, b": last\n\n"]
        answer.before = lambda number: left.wait(30) if number == 1 else None
    endpoint.on("POST", CHAT, answer)
    reply = ask(backend(endpoint, 0.3), "go")
    left.set()
    assert (reply.finish, reply.text) == ("incomplete", "Half ")
    assert "0.3 seconds" in reply.detail or "nothing for too long" in reply.detail
    assert len(endpoint.asked) == 1


def test_events_put_the_deadline_off(endpoint: Any, wire: Any) -> None:
    pieces = wire.stream(*[wire.delta(content=str(n)) for n in range(8)], wire.delta("stop"))
    answer = wire.answer(pieces, before=lambda number: threading.Event().wait(0.1))
    endpoint.on("POST", CHAT, answer)
    assert backend(endpoint, 0.6).ask("go").text == "01234567"


def test_a_stalled_stream_can_be_interrupted(endpoint: Any, wire: Any) -> None:
    left = threading.Event()
    first = wire.stream(wire.delta(content="Half "), done=False)
    endpoint.on("POST", CHAT, alive(wire, left, *first))
    assistant = backend(endpoint, 300)

    async def main() -> None:
        seen = asyncio.Event()

        class View:
            def apply(self, event: Event) -> None:
                if isinstance(event, TextDelta):
                    seen.set()

        task = asyncio.create_task(assistant.aask("go", view=View()))
        await asyncio.wait_for(seen.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    left.set()
    assert assistant.conversation.messages[-1].text == "Half "


@pytest.mark.parametrize(
    "odd",
    [b": OPENROUTER PROCESSING\n\n", b"data:\n\n", b"data: \n\n", b"event: ping\n\n", b"\n\n\n", b"retry: 3000\n\n"],
)
def test_lines_that_say_nothing_are_passed_over_on_the_wire(endpoint: Any, wire: Any, odd: bytes) -> None:
    pieces = wire.stream(wire.delta(content="a"), wire.delta(content="b"), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer([odd, pieces[0], odd, *pieces[1:]]))
    reply = backend(endpoint, 300).ask("go")
    assert (reply.text, reply.finish) == ("ab", "completed")


@pytest.mark.parametrize(
    "said", [b'error: {"error": {"message": "overloaded"}}\n\n', b"event: error\ndata: overloaded\n\n"]
)
def test_an_error_in_place_of_data_is_told_with_the_text_before_it(endpoint: Any, wire: Any, said: bytes) -> None:
    endpoint.on("POST", CHAT, wire.answer([*wire.stream(wire.delta(content="Half "), done=False), said]))
    reply = backend(endpoint, 300).ask("go")
    assert (reply.finish, reply.text) == ("failed", "Half ")
    assert "overloaded" in reply.detail


def test_a_last_event_without_its_empty_line_is_read(endpoint: Any, wire: Any) -> None:
    pieces = [json.dumps(chunk).encode() for chunk in (wire.delta(content="a"), wire.delta("stop"))]
    endpoint.on("POST", CHAT, wire.answer([b"data: " + pieces[0] + b"\n\n", b"data: " + pieces[1]]))
    assert backend(endpoint, 300).ask("go").finish == "completed"
