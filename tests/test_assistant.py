"""`Assistant` over a real connection to a scripted endpoint: tools, interrupts, failures, sync and async."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.core.events import Event, Retrying, RunEnded, RunStarted, TextDelta, ToolFinished, Usage
from nbassist.core.messages import ToolOutput
from nbassist.errors import (
    AuthenticationError,
    ConnectionFailedError,
    NotAnEndpointError,
    RateLimitError,
    ServerFailedError,
    UsageError,
)

CHAT = "/chat/completions"


def row_count(table: str) -> int:
    """Count the rows of a table."""
    return {"orders": 12, "people": 3}[table]


@pytest.fixture
def assistant(endpoint: Any) -> Assistant:
    return Assistant(backend="chat", base_url=endpoint.url, api_key="sk-very-secret", model="m", tools=[row_count])


def calls(wire: Any) -> Any:
    return wire.answer(
        wire.stream(
            wire.call("a", "row_count", '{"table": "orders"}', 0),
            wire.call("b", "row_count", '{"table": "people"}', 1),
            wire.delta("tool_calls"),
        )
    )


def answer(wire: Any, *pieces: str) -> Any:
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    return wire.answer(wire.stream(*[wire.delta(content=piece) for piece in pieces], wire.delta("stop"), usage))


def ask_async(assistant: Assistant, prompt: str) -> Any:
    return asyncio.run(assistant.aask(prompt))


@pytest.mark.parametrize("ask", [Assistant.ask, ask_async], ids=["sync", "async"])
def test_both_calls_of_a_turn_are_answered_in_one_request_and_the_answer_arrives(
    endpoint: Any, wire: Any, assistant: Assistant, ask: Callable[..., Any]
) -> None:
    endpoint.on("POST", CHAT, calls(wire), answer(wire, "There are ", "15."))
    reply = ask(assistant, "How many rows in all?")
    assert reply.text == "There are 15."
    assert [(c.name, c.arguments, c.output, c.error) for c in reply.tool_calls] == [
        ("row_count", {"table": "orders"}, "12", None),
        ("row_count", {"table": "people"}, "3", None),
    ]
    assert (reply.finish, reply.usage.input_tokens, reply.usage.output_tokens) == ("completed", 5, 2)
    sent = endpoint.bodies(CHAT)[1]["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool"]
    assert [m["content"] for m in sent[2:]] == ["12", "3"]


def test_the_next_prompt_goes_on_with_the_conversation(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    endpoint.on("POST", CHAT, answer(wire, "a"), answer(wire, "b"))
    assistant.ask("one")
    assistant.ask("two", instructions="be brief", model="other")
    body = endpoint.bodies(CHAT)[1]
    assert [m["content"] for m in body["messages"]] == ["be brief", "one", "a", "two"]
    assert body["model"] == "other"


def test_a_failing_tool_and_wrong_arguments_go_back_to_the_model(
    endpoint: Any, wire: Any, assistant: Assistant
) -> None:
    wrong = wire.stream(
        wire.call("a", "row_count", '{"table": "nope"}', 0),
        wire.call("b", "row_count", '{"tabel": "orders"}', 1),
        wire.call("c", "row_counts", "{}", 2),
        wire.delta("tool_calls"),
    )
    endpoint.on("POST", CHAT, wire.answer(wrong), answer(wire, "sorry"))
    reply = assistant.ask("go")
    assert reply.finish == "completed"
    told = [m["content"] for m in endpoint.bodies(CHAT)[1]["messages"] if m["role"] == "tool"]
    assert "KeyError" in told[0]
    assert "tabel" in told[1]
    assert "row_count" in told[2]
    assert all(call.error for call in reply.tool_calls)


class Watching:
    """A view that lets a scripted answer wait until the person has seen some text."""

    def __init__(self) -> None:
        self.seen = threading.Event()

    def apply(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self.seen.set()


def interrupt_at(number: int, after: Watching | None = None) -> Callable[[int], None]:
    """Return what a scripted answer does before a piece: interrupt this process as the frontend does."""
    done = threading.Event()

    def before(piece: int) -> None:
        if piece == number and not done.is_set():
            done.set()
            if after is not None:
                assert after.seen.wait(30)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            threading.Event().wait(0.3)

    return before


def test_an_interrupt_in_the_middle_keeps_what_came_and_the_next_prompt_works(
    endpoint: Any, wire: Any, assistant: Assistant
) -> None:
    half = answer(wire, "Half ", "an answer")
    view = Watching()
    half.before = interrupt_at(1, after=view)
    endpoint.on("POST", CHAT, half, answer(wire, "whole"))
    reply = assistant.ask("go", view=view)
    assert (reply.finish, reply.text) == ("interrupted", "Half ")
    assert [(m.role, m.complete) for m in assistant.conversation.messages] == [("user", True), ("assistant", False)]
    assert assistant.ask("again").text == "whole"


def test_an_interrupt_before_anything_came_drops_the_turn(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    late = answer(wire, "late")
    late.before = interrupt_at(0)
    endpoint.on("POST", CHAT, late, answer(wire, "whole"))
    assert assistant.ask("go").finish == "interrupted"
    assert len(assistant.conversation) == 0
    assert assistant.ask("again").text == "whole"


def test_an_interrupt_in_a_tool_answers_every_open_call(endpoint: Any, wire: Any) -> None:
    def row_count(table: str) -> int:
        """Count."""
        if table == "people":
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(10)
        return 12

    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[row_count])
    endpoint.on("POST", CHAT, calls(wire), answer(wire, "fine"))
    reply = assistant.ask("go")
    assert reply.finish == "interrupted"
    outputs = [p for m in assistant.conversation.messages for p in m.parts if isinstance(p, ToolOutput)]
    assert [(o.call_id, "interrupted" in o.output) for o in outputs] == [("a", False), ("b", True)]
    assert assistant.ask("again").finish == "completed"


@pytest.mark.parametrize("at", [RunStarted, TextDelta])
def test_an_interrupt_in_the_view_ends_the_run_as_well(
    endpoint: Any, wire: Any, assistant: Assistant, at: type[Event]
) -> None:
    class View:
        seen: list[Event]

        def __init__(self) -> None:
            self.seen = []

        def apply(self, event: Event) -> None:
            self.seen.append(event)
            if isinstance(event, at):
                raise KeyboardInterrupt

    view = View()
    endpoint.on("POST", CHAT, answer(wire, "a", "b"))
    assert assistant.ask("go", view=view).finish == "interrupted"
    assert isinstance(view.seen[-1], RunEnded)
    assert [m.role for m in assistant.conversation.messages] == ([] if at is RunStarted else ["user", "assistant"])
    assert assistant.ask("again").text == "ab"


def test_a_closed_iterator_leaves_a_valid_conversation(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    endpoint.on("POST", CHAT, calls(wire), answer(wire, "fine"))
    for event in assistant.stream("go"):
        if isinstance(event, ToolFinished):
            break
    del event
    assistant.conversation.repair("left")
    assert assistant.ask("again").finish == "completed"


def test_a_cancelled_task_leaves_a_valid_conversation(endpoint: Any, wire: Any) -> None:
    started = threading.Event()

    async def row_count(table: str) -> int:
        """Count."""
        started.set()
        await asyncio.sleep(30)
        return 1

    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[row_count])
    endpoint.on("POST", CHAT, calls(wire), answer(wire, "fine"))

    async def main() -> None:
        task = asyncio.create_task(assistant.aask("go"))
        while not started.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert assistant.conversation.open_calls == ()
    assert [m.role for m in assistant.conversation.messages] == ["user", "assistant", "tool"]


def test_the_key_is_never_shown_and_a_refused_one_is_not_tried_again(
    endpoint: Any, wire: Any, assistant: Assistant
) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "Incorrect API key provided: sk-very-secret"}}, status=401)
    with pytest.raises(AuthenticationError) as caught:
        assistant.ask("go")
    assert "sk-very-secret" not in str(caught.value)
    assert len(endpoint.asked) == 1
    assert "sk-very-secret" not in repr(assistant)


def test_a_busy_endpoint_is_asked_again_after_a_visible_wait(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    busy = wire.answer([b"{}"], status=429, kind="application/json", headers={"retry-after": "0.01"})
    endpoint.on("POST", CHAT, busy, answer(wire, "fine"))
    events = list(assistant.stream("go"))
    assert [e.seconds for e in events if isinstance(e, Retrying)] == [0.01]
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "fine"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"error": {"message": "slow down"}}, {"retry-after": "600"}),
        ({"error": {"message": "used up", "code": "insufficient_quota"}}, {}),
    ],
)
def test_a_long_wait_or_a_used_up_quota_is_an_error_at_once(
    endpoint: Any, wire: Any, assistant: Assistant, body: Any, headers: dict[str, str]
) -> None:
    answer = wire.answer([json.dumps(body).encode()], status=429, kind="application/json", headers=headers)
    endpoint.on("POST", CHAT, answer)
    with pytest.raises(RateLimitError):
        assistant.ask("go")
    assert len(endpoint.asked) == 1


def test_a_connection_lost_in_the_text_keeps_it_and_asks_nothing_again(
    endpoint: Any, wire: Any, assistant: Assistant
) -> None:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="Half "), done=False), cut=True))
    reply = assistant.ask("go")
    assert (reply.finish, reply.text) == ("incomplete", "Half ")
    assert len(endpoint.asked) == 1


def test_an_error_in_the_stream_is_told_with_the_text_before_it(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    pieces = [*wire.stream(wire.delta(content="Half "), done=False), b'data: {"error": {"message": "overloaded"}}\n\n']
    endpoint.on("POST", CHAT, wire.answer(pieces))
    reply = assistant.ask("go")
    assert (reply.finish, reply.text) == ("failed", "Half ")
    assert "overloaded" in reply.detail


@pytest.mark.parametrize(
    ("pieces", "kind", "error"),
    [
        ([b"<html>Sign in</html>"], "text/html", NotAnEndpointError),
        ([b""], "text/event-stream", NotAnEndpointError),
        ([b'{"error": {"message": "no such route"}}'], "application/json", ServerFailedError),
    ],
)
def test_what_is_no_stream_is_one_line(
    endpoint: Any, wire: Any, assistant: Assistant, pieces: list[bytes], kind: str, error: type[Exception]
) -> None:
    endpoint.on("POST", CHAT, wire.answer(pieces, kind=kind))
    with pytest.raises(error) as caught:
        assistant.ask("go")
    assert "\n" not in str(caught.value)
    assert len(assistant.conversation) == 0


@pytest.mark.parametrize("bad", [b"data: {not json\n\n", b'data: {"choices": "\xff\xfe"}\n\n'])
def test_bad_bytes_in_the_stream_keep_the_text_before_them(
    endpoint: Any, wire: Any, assistant: Assistant, bad: bytes
) -> None:
    endpoint.on("POST", CHAT, wire.answer([*wire.stream(wire.delta(content="Half "), done=False), bad]))
    reply = assistant.ask("go")
    assert (reply.finish, reply.text) == ("incomplete", "Half ")


def test_a_server_that_fails_is_asked_again_and_then_told_in_one_line(
    endpoint: Any, wire: Any, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    endpoint.json("POST", CHAT, {"error": {"message": "boom"}}, status=500)
    with pytest.raises(ServerFailedError, match="boom"):
        assistant.ask("go")
    assert len(endpoint.asked) == 4


def test_no_server_is_one_line_that_names_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    with pytest.raises(ConnectionFailedError, match=r"http://127.0.0.1:1/v1"):
        Assistant(backend="chat", base_url="http://127.0.0.1:1/v1", model="m", tools=[]).ask("go")


def test_a_redirect_is_refused(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    headers = {"location": "http://127.0.0.2/v1"}
    endpoint.on("POST", CHAT, wire.answer(status=307, kind="text/plain", headers=headers))
    with pytest.raises(Exception, match="redirects to"):
        assistant.ask("go")


def test_the_endpoint_is_asked_which_protocol_it_speaks(endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, answer(wire, "chat"))
    made = Assistant(base_url=endpoint.url, model="m", tools=[])
    assert made.ask("go").text == "chat"
    assert made.backend.name == "chat"
    assert Assistant(base_url=endpoint.url).backend.name == "chat"
    assert [asked.path for asked in endpoint.asked].count("/assistants?limit=1") == 1


def test_a_model_that_is_not_named_is_the_endpoints_first(endpoint: Any, wire: Any) -> None:
    endpoint.json("GET", "/models", {"data": [{"id": "first"}, {"id": "second"}]})
    endpoint.on("POST", CHAT, answer(wire, "a"))
    Assistant(backend="chat", base_url=endpoint.url, tools=[]).ask("go")
    assert endpoint.bodies(CHAT)[0]["model"] == "first"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises((TypeError, UsageError), match="temperatur"):
        Assistant(backend="chat", base_url="http://127.0.0.1:1/v1", tools=[]).ask("go", temperatur=1)


def test_the_tokens_of_each_turn_and_of_all_are_told_by_kind(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    def counted(*chunks: Any, **tokens: Any) -> Any:
        return wire.answer(wire.stream(*chunks, {"choices": [], "usage": tokens}))

    cached, thought = {"cached_tokens": 64}, {"reasoning_tokens": 30}
    call = (wire.call("a", "row_count", '{"table": "orders"}', 0), wire.delta("tool_calls"))
    endpoint.on(
        "POST",
        CHAT,
        counted(*call, prompt_tokens=100, completion_tokens=20, prompt_tokens_details=cached),
        counted(
            wire.delta(content="12"),
            wire.delta("stop"),
            prompt_tokens=130,
            completion_tokens=40,
            completion_tokens_details=thought,
        ),
    )
    reply = assistant.ask("How many?")
    assert reply.turn_usage == (
        Usage(100, 20, cached_tokens=64, known=True),
        Usage(130, 40, reasoning_tokens=30, known=True),
    )
    assert reply.usage == Usage(230, 60, 64, 30, known=True)


def test_a_count_of_zeros_is_shown_as_unknown(endpoint: Any, wire: Any, assistant: Assistant) -> None:
    zeros = {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="a"), wire.delta("stop"), zeros)))
    reply = assistant.ask("go")
    assert (reply.usage.known, reply.turn_usage) == (False, (Usage(),))
    assert "tokens" not in reply._repr_mimebundle_()["text/plain"]
