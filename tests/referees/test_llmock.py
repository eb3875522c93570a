"""llmock 0.2.2: faults on demand, and its verdict on how we took them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nbassist.backends.chat.backend import ChatBackend
from nbassist.backends.responses.backend import ResponsesBackend
from nbassist.core.events import Retrying
from nbassist.errors import AuthenticationError, BackendError, RateLimitError, RequestRefusedError

both = pytest.mark.parametrize("backend", ["chat", "responses"])


def row_count(table: str) -> int:
    """Count the rows of a table."""
    return {"orders": 12}[table]


def passes(llmock: Any) -> None:
    verdict = llmock.verdict()
    assert verdict["passed"], verdict
    assert verdict["findings"] == []


CALL = {"type": "reply", "tool_calls": [{"name": "row_count", "arguments": {"table": "orders"}}]}
TWO = {"type": "reply", "tool_calls": [{"name": "row_count", "arguments": {"table": t}} for t in ("orders", "orders")]}


@both
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_tools_are_called_and_the_answer_follows(llmock: Any, make: Any, backend: str, asynchronous: bool) -> None:
    llmock.plan(TWO, {"type": "reply", "text": "There are 12."})
    assistant = make(backend, llmock.url, row_count)
    reply = asyncio.run(assistant.aask("How many?")) if asynchronous else assistant.ask("How many?")
    assert (reply.text, reply.finish) == ("There are 12.", "completed")
    assert [call.output for call in reply.tool_calls] == ["12", "12"]
    assert reply.usage.known
    passes(llmock)


@both
@pytest.mark.parametrize("after", [0, 1, 3, 6])
@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
def test_a_broken_stream_is_never_taken_for_whole(llmock: Any, make: Any, backend: str, kind: str, after: int) -> None:
    said = "one two three four five six seven eight nine ten"
    llmock.plan(
        {"type": "reply", "text": said, "times": None}, {"type": "stream_fault", "kind": kind, "after_chunks": after}
    )
    assistant = make(backend, llmock.url)
    try:
        reply = assistant.ask("go")
    except BackendError:
        assert len(assistant.conversation) == 0
    else:
        assert said.startswith(reply.text)
        # A clean end without a finish reason is some servers' habit in Chat: kept, and said so.
        assert reply.finish == "incomplete" or (kind == "truncate" and "possibly cut short" in reply.detail)
    assert len(llmock.requests()) == 1  # nothing is asked again by itself once output was shown
    assert assistant.ask("again").text == said


@both
@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
def test_a_broken_call_is_never_run(llmock: Any, make: Any, backend: str, kind: str) -> None:
    ran: list[str] = []

    def row_count(table: str) -> int:
        """Count."""
        ran.append(table)
        return 1

    # Chunk by chunk until the stream is whole: before that, nothing runs.
    for after in range(12):
        llmock.reset()
        llmock.plan(CALL, {"type": "stream_fault", "kind": kind, "after_chunks": after})
        try:
            reply = make(backend, llmock.url, row_count, max_turns=1).ask("go")
        except BackendError:
            continue
        if reply.finish == "stopped":  # the call stood whole and was not cut: the limit of turns ended the run
            break
    assert ran == []


@both
def test_a_stalled_stream_ends_at_our_deadline(llmock: Any, make: Any, backend: str) -> None:
    llmock.plan(
        {"type": "reply", "text": "one two three four"},
        {"type": "stream_fault", "kind": "stall", "after_chunks": 4, "stall_seconds": 30},
    )
    assistant = make(backend, llmock.url)
    kind = {"chat": ChatBackend, "responses": ResponsesBackend}[backend]
    assistant._backend = kind(f"{llmock.url}/v1", "k", stall=0.5)
    reply = assistant.ask("go")
    assert reply.finish == "incomplete"
    assert reply.seconds < 20


@both
@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_failed_is_asked_again_with_back_off(llmock: Any, make: Any, backend: str, status: int) -> None:
    llmock.plan({"type": "fail", "status": status, "times": 2}, {"type": "reply", "text": "fine"})
    reply = make(backend, llmock.url).ask("go")
    assert reply.text == "fine"
    assert len([event for event in reply.events if isinstance(event, Retrying)]) == 2
    passes(llmock)


@both
def test_retry_after_is_waited_for(llmock: Any, make: Any, backend: str) -> None:
    llmock.plan({"type": "fail", "status": 429, "retry_after": 1}, {"type": "reply", "text": "fine"})
    assert make(backend, llmock.url).ask("go").text == "fine"
    passes(llmock)


@both
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 401}, AuthenticationError),
        ({"status": 400}, RequestRefusedError),
        ({"status": 404}, RequestRefusedError),
        ({"status": 429, "code": "insufficient_quota", "message": "You exceeded your current quota"}, RateLimitError),
        ({"status": 429, "retry_after": 600}, RateLimitError),
    ],
)
def test_what_no_retry_can_mend_is_one_line_at_once(
    llmock: Any, make: Any, backend: str, fault: Any, error: type[Exception]
) -> None:
    llmock.plan({"type": "fail", "times": None, **fault})
    with pytest.raises(error) as caught:
        make(backend, llmock.url).ask("go")
    assert "\n" not in str(caught.value)
    assert len([r for r in llmock.requests() if r["method"] == "POST"]) == 1


@both
@pytest.mark.parametrize("kind", ["malformed_arguments", "unknown_tool"])
def test_a_faulty_call_goes_back_to_the_model(llmock: Any, make: Any, backend: str, kind: str) -> None:
    llmock.plan({"type": "tool_fault", "kind": kind}, {"type": "reply", "text": "sorry"})
    reply = make(backend, llmock.url, row_count).ask("How many?")
    assert reply.finish == "completed"
    assert reply.tool_calls[0].error
    passes(llmock)
