"""The words of errors, in every shape that a real server put them, and what a status and a code decide."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist import Assistant
from nbassist.backends import error_bodies
from nbassist.backends.error_bodies import error_code, error_message, wait_in_words
from nbassist.backends.http.failures import read_status, seconds_to_wait, what_is_wrong
from nbassist.config.quirk_names import Access
from nbassist.core.events import Event, Retrying
from nbassist.errors import (
    AuthenticationError,
    BackendError,
    ConnectionFailedError,
    RateLimitError,
    RequestRefusedError,
    ServerFailedError,
)

CHAT = "/chat/completions"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "errors", "msg", "loc", "metadata", "raw"]), inner
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            [{"error": {"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}}],
            "models/x is not found",
        ),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"type": "x", "loc": ["body", "seed"], "msg": "Extra inputs"}]}, "body.seed: Extra inputs"),
        ({"object": "error", "message": {"detail": [{"loc": ["body", 0], "msg": "Extra"}]}}, "body.0: Extra"),
        ({"errors": ["one", {"message": "two"}]}, "one; two"),
        ({"errors": [{"code": 7003, "message": "No route"}], "success": False}, "No route"),
        ({"errors": {"seed": ["is wrong"]}}, "seed: is wrong"),
        ({"code": 30001, "msg": "balance is used up"}, "balance is used up"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error": {"message": "too hot"}}'}}},
            "Provider returned error; too hot",
        ),
        (
            {"error": {"message": "Failed to call", "code": "tool_use_failed", "failed_generation": "<f>{}</f>"}},
            "Failed to call; the model wrote: <f>{}</f>",
        ),
        ({"error": "Bad Request", "message": "seed is wrong"}, "Bad Request; seed is wrong"),
        ({"error": {"message": "Unsupported value", "param": "tool_choice"}}, "Unsupported value (tool_choice)"),
        ("<html><head><title>502 Bad\nGateway</title></head></html>", "502 Bad Gateway"),
        ("plain words", "plain words"),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "login fail"),
        ({"base_resp": {"status_code": 0, "status_msg": "success"}}, ""),
        ({"error": {"type": "x"}}, ""),
        (None, ""),
    ],
)
def test_the_servers_own_words(body: Any, words: str) -> None:
    assert error_message(body) == words


@given(JSON)
def test_no_json_breaks_the_reading_of_an_error(body: Any) -> None:
    assert isinstance(error_message(body), str)
    assert isinstance(error_code(body), str)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefusedError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, RequestRefusedError),
        (408, ServerFailedError),
        (422, RequestRefusedError),
        (429, RateLimitError),
        (500, ServerFailedError),
        (529, ServerFailedError),
    ],
)
def test_what_a_status_means(status: int, kind: type[BackendError]) -> None:
    assert type(read_status(status, {"error": {"message": "no"}}, "http://x/v1")) is kind


def waits(status: int, body: Any = None, **headers: str) -> float | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return seconds_to_wait(read_status(status, body or {"error": {"message": "no"}}, "http://x/v1", named), 1)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 524, 529])
def test_what_passes_is_asked_again(status: int) -> None:
    assert waits(status) is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
def test_what_does_not_pass_is_not(status: int) -> None:
    assert waits(status) is None


def test_the_code_decides_whether_to_ask_again_and_never_a_word() -> None:
    link = "Rate limit reached. To increase your quota see https://aka.ms/oai/quotaincrease"
    assert waits(429, {"error": {"code": "429", "message": link}}) is not None
    assert waits(429, {"error": {"code": "insufficient_quota", "message": "You exceeded"}}) is None
    assert waits(429, {"error": {"type": "insufficient_quota", "message": "You exceeded"}}) is None
    assert waits(400, {"error": {"message": "rate limit: please retry"}}) is None


@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait_is_told_in_seconds_or_as_a_date(status: int) -> None:
    assert waits(status, retry_after="7") == 7
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = waits(status, retry_after=date)
    assert wait is not None
    assert 25 < wait <= 30
    assert waits(status, retry_after=format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)) == 0
    assert waits(status, retry_after="3600") is None
    assert waits(status, retry_after_ms="1500") == 1.5
    assert waits(status, retry_after="soon") == waits(status)


@pytest.mark.parametrize("delay", ["1.2.3s", ".s", "..", "s", "٣s", 3, None])
def test_a_wait_in_the_body_that_is_no_number_is_none(delay: Any) -> None:
    assert wait_in_words({"error": {"details": [{"retryDelay": delay}]}}) is None


def test_gemini_says_how_long_to_wait_in_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "33s"}]
    assert waits(429, [{"error": {"code": 429, "message": "x", "details": details}}]) == 33


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionFailedError("x"), True),
        (ConnectionFailedError("x", sent=True), False),
        (ConnectionFailedError("x", sent=True, reset=True), True),
    ],
)
def test_a_connection_that_broke_before_any_answer_is_made_again(error: ConnectionFailedError, again: bool) -> None:
    assert (seconds_to_wait(error, 1) is not None) is again
    assert seconds_to_wait(error, 9) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://x/v1/chat/completions", "set it to http://x/v1"),
        ("http://x/v1/chat/completions/", "set it to http://x/v1"),
        ("http://x/v1/models", "set it to http://x/v1"),
        ("http://x/v1/v1", "twice"),
        ("http://x:8000", "is it http://x:8000/v1?"),
        ("http://x/v1", "is base_url right?"),
        ("http://x/api", "is base_url right?"),
    ],
)
def test_what_is_wrong_with_a_base_url_to_which_there_is_nothing(url: str, words: str) -> None:
    assert words in what_is_wrong(url, "Not Found")


def test_a_model_that_there_is_not_is_no_wrong_url() -> None:
    assert what_is_wrong("http://x/v1", "The model `y` does not exist") == ""


def test_a_pasted_url_is_told_in_the_cell(endpoint: Any) -> None:
    with pytest.raises(RequestRefusedError, match="base_url has /chat/completions at its end"):
        Assistant(backend="chat", base_url=f"{endpoint.url}{CHAT}", model="m", tools=[]).ask("go")


def test_a_refused_key_says_why_and_which_variable_it_was(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "sk-secret is not a member of an organization"}}, status=401)
    monkeypatch.setenv("NBASSIST_API_KEY", "sk-secret")
    with pytest.raises(AuthenticationError) as caught:
        Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("go")
    assert "NBASSIST_API_KEY" in str(caught.value)
    assert "not a member of an organization" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_request_without_a_key_that_needs_one_says_so(endpoint: Any) -> None:
    endpoint.json("POST", CHAT, {"message": "Missing Authentication Token"}, status=403)
    with pytest.raises(AuthenticationError, match=r"without a key \(403\): Missing Authentication Token") as caught:
        Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("go")
    # A key alone is not sent to a URL that `%assistant use` names: what is told has to work there, too.
    assert str(caught.value).endswith("; set NBASSIST_BASE_URL and NBASSIST_API_KEY, or key_env in a profile")


def test_a_context_that_is_too_long_says_what_to_do(endpoint: Any) -> None:
    words = "This model's maximum context length is 8192 tokens"
    endpoint.json("POST", CHAT, {"error": {"message": words, "code": "context_length_exceeded"}}, status=400)
    with pytest.raises(RequestRefusedError, match=r"8192 tokens; .*show less of it"):
        Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("go")


@pytest.mark.parametrize("backend", ["chat", "responses", "assistants"])
def test_a_reset_before_the_first_byte_is_asked_again_on_every_wire_and_on_a_connection_kept_alive(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr("nbassist.core.interrupts.sleep", lambda seconds: None)
    requests: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    refusal = b'{"error": {"message": "enough"}}'
    good = b"HTTP/1.1 418 x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(refusal), refusal)

    def serve() -> None:
        # Every second request on a connection, and each first one but the last, finds it closed.
        for number in range(4):
            connection, _ = listening.accept()
            with connection:
                data = connection.recv(65536)
                requests.append(data)
                if number == 3:
                    connection.sendall(good)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    with pytest.raises(RequestRefusedError, match="enough"):
        Assistant(backend=backend, base_url=url, api_key="k", model="m", tools=[]).ask("go")
    thread.join(10)
    listening.close()
    assert len(requests) == 4


class OnRetry:
    """A view that does something as soon as it shows that the request waits for its next try."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.waits: list[float] = []

    def apply(self, event: Event) -> None:
        if isinstance(event, Retrying):
            self.waits.append(event.seconds)
            self.act()


def busy(wire: Any, status: int) -> Any:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    words = json.dumps({"error": {"message": "busy"}}).encode()
    return wire.answer([words], status, "application/json", headers={"retry-after": date})


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_until_a_date_is_shown_and_ended_by_an_interrupt(
    status: int, way: str, endpoint: Any, wire: Any
) -> None:
    whole = wire.answer(wire.stream(wire.delta(content="whole"), wire.delta("stop")))
    endpoint.on("POST", CHAT, busy(wire, status), whole)
    made = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    main = threading.main_thread().ident or 0

    async def cancelled() -> None:
        view = OnRetry(lambda: asyncio.get_running_loop().call_later(0.05, task.cancel))
        task = asyncio.create_task(made.aask("go", view=view))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(view.waits) == 1

    if way == "async":
        asyncio.run(cancelled())
    else:
        view = OnRetry(lambda: threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT)).start())
        assert made.ask("go", view=view).finish == "interrupted"
        assert 40 < view.waits[0] <= 50
    assert len(endpoint.asked) == 1, "it did not go out again"
    assert len(made.conversation) == 0
    assert made.ask("again").text == "whole"


@pytest.mark.parametrize("backend", ["chat", "responses"])
def test_each_wait_before_another_try_is_longer_and_shown(
    backend: str, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("nbassist.core.interrupts.sleep", slept.append)
    path = CHAT if backend == "chat" else "/responses"
    endpoint.json("POST", path, {"error": {"message": "boom"}}, status=503)
    view = OnRetry(lambda: None)
    with pytest.raises(ServerFailedError, match="boom"):
        Assistant(backend=backend, base_url=endpoint.url, model="m", tools=[]).ask("go", view=view)
    assert view.waits == slept
    assert len(slept) == 3
    assert slept == sorted({*slept}), "each is longer"


KEY = "sk-live-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"


@pytest.mark.parametrize("before", [0, 130, 150, 170, 190, 1_900, 1_980, 5_000])
@pytest.mark.parametrize("filler", ["so ", "x"])
def test_a_key_is_not_shown_by_half_where_the_line_is_cut(filler: str, before: int, endpoint: Any) -> None:
    words = (filler * before)[:before] + f" refused {KEY} " + "and more " * 40
    endpoint.json("POST", CHAT, {"error": {"message": words}}, status=401)
    with pytest.raises(AuthenticationError) as caught:
        Assistant(backend="chat", base_url=endpoint.url, api_key=KEY, model="m", tools=[]).ask("go")
    assert "sk-live" not in str(caught.value)
    assert not any(KEY[at : at + 8] in str(caught.value) for at in range(len(KEY) - 8))


def told_at_the_end(backend: str, words: str) -> tuple[str, list[bytes]]:
    """Return the path, and the stream, of an answer that some text goes before and that ends with these words."""
    if backend == "chat":
        events: list[Any] = [("", {"choices": [{"delta": {"content": "Half "}}]}), ("", {"error": {"message": words}})]
        path = CHAT
    elif backend == "responses":
        delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0}
        failed = {"id": "r", "status": "failed", "error": {"code": "server_error", "message": words}, "output": []}
        events = [
            ("response.created", {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
            ("response.output_text.delta", {**delta, "delta": "Half "}),
            ("response.failed", {"type": "response.failed", "response": failed}),
        ]
        path = "/responses"
    else:
        run: Any = {"id": "run_1", "thread_id": "thread_1", "status": "in_progress"}
        text = {"content": [{"index": 0, "type": "text", "text": {"value": "Half "}}]}
        failed = {**run, "status": "failed", "last_error": {"code": "server_error", "message": words}}
        events = [
            ("thread.run.created", run),
            ("thread.message.delta", {"id": "msg_1", "delta": text}),
            ("thread.run.failed", failed),
        ]
        path = "/threads/runs"
    return path, [
        (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()
        for name, data in events
    ]


@pytest.mark.parametrize("backend", ["chat", "responses", "assistants"])
def test_what_ends_a_stream_shows_no_key(backend: str, endpoint: Any, wire: Any) -> None:
    path, pieces = told_at_the_end(backend, f"the provider refused {KEY}")
    endpoint.json("POST", "/assistants", {"id": "asst_1"})
    endpoint.on("POST", path, wire.answer(pieces))
    reply = Assistant(backend=backend, base_url=endpoint.url, api_key=KEY, model="m", tools=[]).ask("go")
    assert (reply.finish, reply.text) == ("failed", "Half ")
    assert "the provider refused [key]" in reply.detail
    assert "sk-live" not in repr(reply.events)


def test_a_key_in_a_header_is_shown_as_little(endpoint: Any) -> None:
    from nbassist.backends.chat.backend import ChatBackend

    endpoint.json("POST", CHAT, {"error": {"message": f"x-api-key: {KEY}"}}, status=400)
    made = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    made._backend = ChatBackend(endpoint.url, "", access=Access(headers={"x-api-key": KEY}))
    with pytest.raises(RequestRefusedError) as caught:
        made.ask("go")
    assert str(caught.value).count("x-api-key: [key]") == 1
    assert endpoint.asked[-1].headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("page", "title"), [("<title" * 99, ""), ("<title>" * 99, ""), ("<TITLE a>x\n y</Title>", "x y")]
)
def test_the_title_of_a_page_is_looked_for_from_its_first_beginning_alone(
    page: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []

    class Counting:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self._pattern = pattern

        def search(self, text: str, at: int = 0) -> re.Match[str] | None:
            searched.append(at)
            return self._pattern.search(text, at)

    for name in ("_TITLE_BEGINS", "_TITLE_ENDS"):
        pattern = getattr(error_bodies, name)
        assert not set(pattern.pattern) & set("*+.[")  # a plain word, which no text can make dear
        monkeypatch.setattr(error_bodies, name, Counting(pattern))
    assert error_message(page) == title
    assert len(searched) <= 2
