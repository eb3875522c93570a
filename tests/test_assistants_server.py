"""`Assistant` against the real Assistants server, with a scripted endpoint in the model's place."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from nbassist import Assistant
from nbassist.backends.assistants.backend import AssistantsBackend
from nbassist.core.events import Event, TextDelta, Warned
from nbassist.core.messages import File, Image, Message, Request, Text
from nbassist.errors import AuthenticationError, BackendError, ConversationError

CHAT = "/chat/completions"
# The SDK marks all of the Assistants API so; these tests are a program that was written for it.
pytestmark = pytest.mark.filterwarnings("ignore:(The Assistants API is )?deprecated:DeprecationWarning")


@pytest.fixture
def url(serve: Callable[..., Any], endpoint: Any) -> Iterator[str]:
    """The base URL of a server whose upstream is this test's endpoint."""
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
    with serve() as (line, _):
        yield line.strip()


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="token") as made:
        yield made


def calls(wire: Any) -> Any:
    return wire.answer(
        wire.stream(
            wire.call("a", "row_count", '{"table": "orders"}', 0),
            wire.call("b", "row_count", '{"table": "people"}', 1),
            wire.delta("tool_calls"),
        )
    )


def say(wire: Any, *pieces: str) -> Any:
    usage = {"id": "c", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
    return wire.answer(wire.stream(*[wire.delta(content=piece) for piece in pieces], wire.delta("stop"), usage))


def row_count(table: str) -> int:
    """Count."""
    return {"orders": 12, "people": 3}[table]


def make(url: str, *tools: Any) -> Assistant:
    return Assistant(base_url=url, api_key="token", tools=tools or [row_count])


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_both_calls_are_answered_and_the_stream_goes_on_to_the_answer(
    url: str, endpoint: Any, wire: Any, asynchronous: bool
) -> None:
    endpoint.on("POST", CHAT, calls(wire), say(wire, "There are ", "15."))
    assistant = make(url)
    reply = asyncio.run(assistant.aask("go")) if asynchronous else assistant.ask("go")
    assert (reply.finish, reply.text, reply.model) == ("completed", "There are 15.", "scripted")
    assert [(c.name, c.output) for c in reply.tool_calls] == [("row_count", "12"), ("row_count", "3")]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (5, 2)
    assert [m["content"] for m in endpoint.bodies(CHAT)[1]["messages"] if m["role"] == "tool"] == ["12", "3"]


def test_the_next_prompt_goes_to_the_same_thread(url: str, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, say(wire, "one"), say(wire, "two"))
    assistant = make(url)
    assistant.ask("first")
    thread = assistant.conversation.cursor["thread_id"]
    assistant.ask("second", instructions="be brief")
    assert assistant.conversation.cursor["thread_id"] == thread
    assert [m["content"] for m in endpoint.bodies(CHAT)[1]["messages"]] == ["be brief", "first", "one", "second"]


def test_a_fork_takes_its_history_to_a_thread_of_its_own(url: str, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, say(wire, "one"), say(wire, "two"))
    assistant = make(url)
    assistant.ask("first")
    fork = assistant.conversation.fork()
    assistant.ask("second", conversation=fork)
    assert fork.cursor["thread_id"] != assistant.conversation.cursor["thread_id"]
    assert [m["content"] for m in endpoint.bodies(CHAT)[1]["messages"]] == ["first", "one", "second"]
    assert len(assistant.conversation) == 2


class InterruptAtText:
    """A view that interrupts the run when text comes, as a person would."""

    def apply(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_cancels_the_run_and_frees_the_thread(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI
) -> None:
    released = threading.Event()
    half = say(wire, "Half ", "an answer")
    half.before = lambda piece: released.wait(30) if piece == 1 else None
    endpoint.on("POST", CHAT, half, say(wire, "whole"))
    assistant = make(url)
    reply = assistant.ask("go", view=InterruptAtText())
    released.set()
    assert (reply.finish, reply.text) == ("interrupted", "Half ")
    thread = assistant.conversation.cursor["thread_id"]
    (run,) = client.beta.threads.runs.list(thread).data
    assert run.status == "cancelled"
    assert assistant.ask("again").text == "whole"
    assert assistant.conversation.cursor["thread_id"] == thread


def test_an_interrupt_in_a_tool_cancels_the_run_and_the_next_prompt_works(url: str, endpoint: Any, wire: Any) -> None:
    def row_count(table: str) -> int:
        """Count."""
        signal.raise_signal(signal.SIGINT)
        return 1

    endpoint.on("POST", CHAT, calls(wire), say(wire, "whole"))
    assistant = make(url, row_count)
    reply = assistant.ask("go")
    assert reply.finish == "interrupted"
    assert [bool(call.error) for call in reply.tool_calls] == [True, True]
    assert assistant.conversation.open_calls == ()
    assert assistant.ask("again").text == "whole"


def test_an_interrupt_before_anything_came_takes_the_prompt_back_at_the_server_too(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI
) -> None:
    endpoint.on("POST", CHAT, say(wire, "one"))
    assistant = make(url)
    assistant.ask("first")
    released = threading.Event()
    late = say(wire, "late")

    def interrupt(piece: int) -> None:
        if piece == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            released.wait(30)

    late.before = interrupt
    endpoint.on("POST", CHAT, late)
    assert assistant.ask("second").finish == "interrupted"
    released.set()
    assert [m.text for m in assistant.conversation.messages] == ["first", "one"]
    page = client.beta.threads.messages.list(assistant.conversation.cursor["thread_id"])
    assert [m.role for m in page.data] == ["assistant", "user"]


def test_a_run_whose_first_event_never_came_is_cancelled_with_its_prompt(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI
) -> None:
    released = threading.Event()
    late = say(wire, "late")
    late.before = lambda piece: released.wait(30)
    endpoint.on("POST", CHAT, late)
    assistant = client.beta.assistants.create(model="scripted")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "go"}])
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    AssistantsBackend(url, "token").cancel({"thread_id": thread.id}, forget=True)
    released.set()
    assert client.beta.threads.runs.retrieve(run.id, thread_id=thread.id).status == "cancelled"
    assert client.beta.threads.messages.list(thread.id).data == []


def test_an_orphan_run_of_another_client_is_waited_for_then_cancelled(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.backends.assistants.backend._POLL", 0.01)
    endpoint.on("POST", CHAT, say(wire, "one"))
    assistant = make(url)
    assistant.ask("first")
    thread = assistant.conversation.cursor["thread_id"]
    endpoint.on("POST", CHAT, calls(wire))
    tools: Any = [{"type": "function", "function": {"name": "row_count", "parameters": {"type": "object"}}}]
    other = client.beta.assistants.create(model="scripted", tools=tools)
    orphan = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=other.id, poll_interval_ms=50)
    assert orphan.status == "requires_action"
    endpoint.on("POST", CHAT, say(wire, "two"))
    events = list(assistant.stream("second"))
    assert any(isinstance(event, Warned) and "busy" in event.text for event in events)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "two"
    assert client.beta.threads.runs.retrieve(orphan.id, thread_id=thread).status == "cancelled"


def test_a_run_of_another_client_that_ends_by_itself_is_waited_for_and_loses_nothing(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbassist.backends.assistants.backend._POLL", 0.1)
    begun, go = threading.Event(), threading.Event()

    def before(piece: int) -> None:
        if piece == 1:
            begun.set()
            go.wait(60)

    slow = say(wire, "by the ", "other")
    slow.before = before
    endpoint.on("POST", CHAT, say(wire, "one"), slow, say(wire, "two"))
    assistant = make(url)
    assistant.ask("first")
    thread = assistant.conversation.cursor["thread_id"]
    other = client.beta.assistants.create(model="scripted")
    run = client.beta.threads.runs.create(thread, assistant_id=other.id)
    assert begun.wait(60)
    said = ""
    for event in assistant.stream("second"):
        if isinstance(event, Warned):
            assert "busy" in event.text
            go.set()
        said += event.text if isinstance(event, TextDelta) else ""
    assert said == "two"
    assert client.beta.threads.runs.retrieve(run.id, thread_id=thread).status == "completed"
    told = [m["content"] for m in endpoint.bodies(CHAT)[-1]["messages"]]
    assert told == ["first", "one", "by the other", "second"]


def ends_as(status: str, thread: Any, client: openai.OpenAI, wire: Any, store: Any) -> tuple[Any, Any]:
    """Return the answer of a model whose run ends with this status, and the tool that it calls, if it does."""
    if status == "failed":
        return wire.answer([*say(wire, "Half ").pieces[:1], b'data: {"error": {"message": "on fire"}}\n\n']), row_count
    if status == "incomplete":
        return wire.answer(wire.stream(wire.delta(content="Half "), wire.delta("length"))), row_count

    def stop() -> None:
        (run,) = client.beta.threads.runs.list(thread(), limit=1).data
        if status == "cancelled":
            client.beta.threads.runs.cancel(run.id, thread_id=thread())
        else:
            with sqlite3.connect(store) as connection:
                connection.execute("UPDATE runs SET expires_at = expires_at - 601 WHERE id = ?", (run.id,))
            connection.close()
        deadline = time.monotonic() + 60
        while client.beta.threads.runs.retrieve(run.id, thread_id=thread()).status != status:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def tool(table: str) -> int:
        """Count."""
        if table == "orders":
            stop()
        return 1

    tool.__name__ = "row_count"
    return calls(wire), tool


@pytest.mark.parametrize(
    ("status", "finish", "words"),
    [
        ("failed", "failed", "on fire"),
        ("incomplete", "incomplete", "limit of tokens"),
        ("cancelled", "interrupted", "cancelled at the endpoint"),
        ("expired", "failed", "expired at the endpoint"),
    ],
)
def test_each_end_of_a_run_has_words_of_its_own_and_the_thread_goes_on(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI, tmp_path: Any, status: str, finish: str, words: str
) -> None:
    endpoint.on("POST", CHAT, say(wire, "one"))
    thread: list[str] = []
    answer, tool = ends_as(status, lambda: thread[0], client, wire, tmp_path / "s.db")
    assistant = make(url, tool)
    assistant.ask("first")
    thread.append(assistant.conversation.cursor["thread_id"])
    endpoint.on("POST", CHAT, answer, say(wire, "whole"))
    reply = assistant.ask("go")
    assert reply.finish == finish
    assert words in reply.detail
    assert reply.text == ("Half " if status in ("failed", "incomplete") else "")
    assert client.beta.threads.runs.list(thread[0], limit=1).data[0].status == status
    assert assistant.conversation.open_calls == ()
    assert assistant.ask("again").text == "whole"
    assert assistant.conversation.cursor["thread_id"] == thread[0]


def test_a_deleted_thread_is_said_so_and_never_silently_a_new_one(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI
) -> None:
    endpoint.on("POST", CHAT, say(wire, "one"))
    assistant = make(url)
    assistant.ask("first")
    client.beta.threads.delete(assistant.conversation.cursor["thread_id"])
    with pytest.raises(ConversationError, match="is gone"):
        assistant.ask("second")
    assert len(assistant.conversation) == 2


def test_an_assistant_that_was_deleted_is_made_again(url: str, endpoint: Any, wire: Any, client: openai.OpenAI) -> None:
    endpoint.on("POST", CHAT, say(wire, "one"))
    assistant = make(url)
    assistant.ask("first")
    for made in client.beta.assistants.list().data:
        client.beta.assistants.delete(made.id)
    assert assistant.ask("second").text == "one"


def test_a_failure_of_the_model_is_told_in_its_words(url: str, endpoint: Any, wire: Any) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "the engine is on fire"}}, status=400)
    reply_or_error = ""
    try:
        reply_or_error = make(url).ask("go").detail
    except BackendError as error:
        reply_or_error = str(error)
    assert "on fire" in reply_or_error


def test_a_wrong_token_is_one_line(url: str) -> None:
    with pytest.raises(AuthenticationError, match="refused the key"):
        Assistant(backend="assistants", base_url=url, api_key="wrong", model="m", tools=[]).ask("go")


def test_two_streams_at_once_do_not_mix(url: str, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, say(wire, *"abcdef"))
    assistants = [make(url) for _ in range(4)]

    async def main() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*(a.aask("go") for a in assistants))]

    assert asyncio.run(main()) == ["abcdef"] * 4


def test_the_command_prints_its_url_first(serve: Callable[..., Any]) -> None:
    with serve() as (line, process):
        assert line.startswith("http://127.0.0.1:")
        assert line.endswith("/v1\n")
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_picture_in_the_prompt_is_uploaded_once_and_reaches_the_model(
    url: str, endpoint: Any, wire: Any, client: openai.OpenAI, asynchronous: bool
) -> None:
    endpoint.on("POST", CHAT, say(wire, "a dot"))
    before = len(list(client.files.list()))
    backend = AssistantsBackend(url, "token")
    parts = (Text("look"), Image(data=b"\x89PNG\r\n\x1a\n"), File("a.csv", "text/csv", b"a,b"))
    request = Request((Message("user", parts),), model="scripted")

    async def ask() -> None:
        async for _ in backend.astream(request):
            pass

    for _ in range(2):
        if asynchronous:
            asyncio.run(ask())
        else:
            list(backend.stream(request))
    content = endpoint.bodies(CHAT)[-1]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text"]
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert len(list(client.files.list())) == before + 1
