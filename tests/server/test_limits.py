"""Clients that cost the server something: silent ones, slow ones, greedy ones; nobody else waits for them."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from nbassist.server.api import passthrough, request_body
from nbassist.server.api.errors import ApiError
from nbassist.server.api.request_body import check_values, read_json
from nbassist.server.config import ServerConfig, ServerLimits
from nbassist.server.connections import Protocol

AUTHORIZED = {"Authorization": "Bearer test-token"}
QUIET = bool(os.environ.get("NBASSIST_TORTURE"))  # set where nothing else runs beside the tests
HEAD = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token\r\n"


@pytest.fixture(scope="module")
def config(storeless: ServerConfig, tmp_path_factory: pytest.TempPathFactory) -> ServerConfig:
    return replace(storeless, store_url=f"sqlite:///{tmp_path_factory.mktemp('store') / 's.db'}")


def connect(url: str) -> socket.socket:
    target = urlsplit(url)
    connection = socket.create_connection((target.hostname, target.port))
    connection.settimeout(20)
    return connection


@contextmanager
def silent(url: str, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(connect(url)) for _ in range(count)]


def test_silent_connections_are_let_go_and_nobody_waits_for_them(config: ServerConfig, run_server: Any) -> None:
    limits = ServerLimits(connections=20, header_seconds=600)
    with run_server(replace(config, limits=limits)) as server, silent(server.url, 60) as sockets:
        assert httpx2.get(f"{server.url}/models", headers=AUTHORIZED, timeout=20).status_code == 200
        assert [connection.recv(1) for connection in sockets[:30]] == [b""] * 30


def test_the_silent_go_first_and_those_that_are_answered_stay(
    config: ServerConfig, run_server: Any, upstream: Any, until: Any
) -> None:
    upstream.streams("begun", 600.0)
    limits = ServerLimits(connections=4, header_seconds=600)
    body: Any = {"messages": [], "stream": True}
    with (
        run_server(replace(config, limits=limits)) as server,
        httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=20) as http,
        http.stream("POST", "/chat/completions", json=body) as answer,
        silent(server.url, 8) as sockets,
    ):
        lines = answer.iter_lines()
        assert "begun" in next(lines)
        assert sockets[0].recv(1) == b"", "the one that was silent for longest"
        sockets[-1].sendall(HEAD + b"\r\n")
        assert sockets[-1].recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("begun", [b"", HEAD, b"GET /"])
def test_the_head_of_a_request_is_waited_for_so_long_and_no_longer(
    config: ServerConfig, run_server: Any, begun: bytes
) -> None:
    with run_server(replace(config, limits=ServerLimits(header_seconds=0.2))) as server:
        with connect(server.url) as connection:
            connection.sendall(begun)
            assert connection.recv(100) == b""
        with connect(server.url) as connection:  # and between two requests, too
            connection.sendall(HEAD + b"\r\n")
            answer = b""
            while b"]}" not in answer:
                answer += connection.recv(100_000)
            connection.sendall(begun or b"G")
            assert connection.recv(100) == b""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/threads", {"messages": 1}),
        ("/chat/completions", {"messages": 1}),
        ("/threads/runs", {"assistant_id": "asst_1", "thread": {"messages": 1}}),
        ("/threads", {"messages": [{"role": "user", "content": 1}]}),
    ],
)
def test_a_request_of_too_many_messages_is_refused_before_they_are_looked_at(
    config: ServerConfig, run_server: Any, path: str, body: Any
) -> None:
    def filled(value: Any) -> Any:
        if value == 1:
            return [{"role": "user", "content": "x"}] * 40
        if isinstance(value, dict):
            return {name: filled(inner) for name, inner in value.items()}
        return [filled(inner) for inner in value] if isinstance(value, list) else value

    with run_server(replace(config, limits=ServerLimits(body_items=30))) as server:
        response = httpx2.post(f"{server.url}{path}", headers=AUTHORIZED, json=filled(body), timeout=60)
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["code"] == "array_above_max_length"
        assert "maximum length 30, but got an array with length 40" in error["message"]


@pytest.mark.parametrize("path", ["/threads", "/threads/runs", "/chat/completions"])
@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "text", "text": "x"}] * 4},
        {"content": "x", "attachments": [{"file_id": "file-1"}] * 4},
        {"content": "x", "attachments": [{"file_id": "file-1", "tools": [{"type": "file_search"}] * 3}]},
    ],
    ids=["content", "attachments", "tools of attachments"],
)
def test_a_request_of_too_many_parts_is_refused_before_they_are_looked_at(
    config: ServerConfig, run_server: Any, path: str, message: Any
) -> None:
    messages = {"messages": [{"role": "user", **message}] * 10}
    body = {"assistant_id": "asst_1", "thread": messages} if "runs" in path else messages
    with run_server(replace(config, limits=ServerLimits(body_items=39))) as server:
        response = httpx2.post(f"{server.url}{path}", headers=AUTHORIZED, json=body, timeout=60)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == ("thread.messages" if "runs" in path else "messages")
    assert "at most 39 parts of content, attachments and their tools together, but got 40" in error["message"]


WIDE = {f"name_{number}": 1 for number in range(40)}


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/threads", WIDE, "body"),
        ("/threads", {"messages": [{"role": "user", "content": "x", **WIDE}]}, "messages[0]"),
        ("/threads/runs", {"assistant_id": "asst_1", "thread": WIDE}, "thread"),
    ],
)
def test_a_request_of_too_many_names_is_refused_before_they_are_looked_at(
    config: ServerConfig, run_server: Any, path: str, body: Any, where: str
) -> None:
    with run_server(replace(config, limits=ServerLimits(body_items=30))) as server:
        response = httpx2.post(f"{server.url}{path}", headers=AUTHORIZED, json=body, timeout=60)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "object_above_max_properties"
    assert error["message"].startswith(f"Invalid '{where}': too many properties. Expected an object with at most 30")


def separators(value: Any) -> int:
    """How many commas and opening brackets `value` has as JSON, outside its strings."""
    if not isinstance(value, dict | list):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(len(inner) - 1, 0) + sum(map(separators, inner))


AWKWARD = st.text('ab",[{}]\\:é', max_size=12)
VALUES: st.SearchStrategy[Any] = st.deferred(
    lambda: AWKWARD | st.integers(0, 9) | st.lists(VALUES, max_size=4) | st.dictionaries(AWKWARD, VALUES, max_size=4)
)


@given(VALUES.filter(lambda value: separators(value) > 0), st.integers(1, 9))
def test_values_are_counted_before_a_body_is_parsed_wherever_it_is_cut(value: Any, piece: int) -> None:
    raw, count = json.dumps(value).encode(), separators(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_body, "PIECE", piece)
        asyncio.run(check_values(raw, count))
        with pytest.raises(ApiError, match=f"up to {count - 1} values") as refused:
            asyncio.run(check_values(raw, count - 1))
    assert refused.value.status == 413


@pytest.mark.parametrize("path", ["/threads", "/chat/completions", "/openai/deployments/m/embeddings?api-version=1"])
@pytest.mark.parametrize("inner", [[[]], {"name": {}}, 1, "x"])
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(
    config: ServerConfig, run_server: Any, path: str, inner: Any
) -> None:
    with run_server(replace(config, limits=ServerLimits(body_values=100), pass_through=True)) as server:
        url = (server.url.removesuffix("/v1") if path.startswith("/openai") else server.url) + path
        response = httpx2.post(url, headers=AUTHORIZED, json={"messages": [inner] * 200}, timeout=60)
    assert response.status_code == 413
    assert response.json()["error"]["message"].startswith(
        "The request is too large: this server takes up to 100 values"
    )


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_a_body_that_is_nested_too_deeply_goes_to_the_upstream_of_an_azure_path_as_it_is(text: str) -> None:
    assert passthrough._with_model(text.encode(), "m", {"content-type": "application/json"}) == text.encode()


def test_nothing_is_collected_while_a_large_body_is_read() -> None:
    body = json.dumps({"x": [[]] * 200_000}).encode()
    collected: list[str] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    def note(phase: str, info: Any) -> None:
        # Others of this process may collect meanwhile; the reading of a body is on this thread alone.
        if phase == "start" and threading.get_ident() == here:
            collected.append(phase)

    here = threading.get_ident()
    request = Request({"type": "http", "headers": []}, receive)
    gc.callbacks.append(note)
    try:
        with pytest.raises(ApiError, match="array too long"):
            asyncio.run(read_json(request, ServerLimits()))
    finally:
        gc.callbacks.remove(note)
    assert len(collected) < 20, "some for what is around it, and not one for every few hundred lists"
    assert gc.isenabled()


@pytest.mark.skipif(Protocol is H11Protocol, reason="h11 reads one request at a time")
def test_a_connection_on_which_thousands_of_requests_wait_is_closed(
    server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = server.url.removeprefix("http://").removesuffix("/v1").split(":")
    request = f"GET /v1/assistants HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=60) as few:
        few.sendall(request * 20)
        came = b""
        while came.count(b"HTTP/1.1 401") < 20:
            came += few.recv(65536)
    with socket.create_connection((host, int(port)), timeout=60) as many:
        answers = 0
        with suppress(OSError):  # closed while it sends
            many.sendall(request * 2000)
        with suppress(OSError):
            while piece := many.recv(65536):
                answers += piece.count(b"HTTP/1.1 401")
    assert answers < 1000
    assert "Exception in ASGI" not in caplog.text


@pytest.mark.parametrize("path", ["/threads/runs", "/chat/completions"])
def test_a_stream_in_which_nothing_happens_gets_comments(
    config: ServerConfig, run_server: Any, upstream: Any, path: str
) -> None:
    go_on = threading.Event()
    upstream.streams("begun", go_on, "ended")
    with (
        run_server(replace(config, limits=ServerLimits(silent_seconds=0.1))) as server,
        httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=20) as http,
    ):
        assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
        body: Any = {"assistant_id": assistant} if "runs" in path else {"messages": []}
        text = ""
        with http.stream("POST", path, json={**body, "stream": True}) as answer:
            for piece in answer.iter_text():
                text += piece
                if text.partition("begun")[2].count("\n\n: still at work\n\n") >= 3:
                    go_on.set()
        assert "ended" in text


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal that it could answer")
def test_sigterm_under_load_ends_the_server_within_five_seconds(tmp_path: Any, upstream: Any) -> None:
    for _ in range(4):
        upstream.streams("begun", 600.0)
    command = [sys.executable, "-m", "nbassist", "serve", "--upstream", upstream.url, "--store"]
    process = subprocess.Popen(
        [*command, f"sqlite:///{tmp_path / 's.db'}"],
        env={**os.environ, "NBASSIST_SERVE_TOKEN": "test-token"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, ExitStack() as stack:
        url = process.stdout.readline().strip()
        http = stack.enter_context(httpx2.Client(base_url=url, headers=AUTHORIZED, timeout=60))
        stack.enter_context(silent(url, 50))
        for _ in range(4):
            body: Any = {"messages": [], "stream": True}
            answer = stack.enter_context(http.stream("POST", "/chat/completions", json=body))
            next(answer.iter_bytes())
        # An upload that does not come to its end.
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        upload = stack.enter_context(socket.create_connection((host, int(port))))
        head = f"POST /v1/threads HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {AUTHORIZED['Authorization']}\r\n"
        upload.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
        http.get("/assistants").raise_for_status()  # so that it has been read
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert upload.recv(100).startswith(b"HTTP/1.1 503 ")
        assert "Traceback" not in process.stderr.read()
        # The manual promises five seconds, and the streams would go on for ten minutes; a busy machine has its say.
        assert time.monotonic() - began < (5 if QUIET else 50)


@pytest.mark.skipif(os.name == "nt", reason="Windows takes fewer sockets in a process")
def test_three_hundred_silent_sockets_and_a_body_of_400_000_messages_keep_nobody_waiting(
    config: ServerConfig, tmp_path: Any, upstream: Any
) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}] * 400_000}).encode()
    answered: list[int] = []

    def send(url: str) -> None:
        answered.append(httpx2.post(f"{url}/threads", headers=AUTHORIZED, content=body, timeout=300).status_code)

    command = [sys.executable, "-m", "nbassist", "serve", "--upstream", upstream.url, "--store"]
    environ = {**os.environ, "NBASSIST_SERVE_TOKEN": "test-token"}
    # A process of its own, so that what is measured is not the test's own making of the body.
    with subprocess.Popen([*command, str(tmp_path / "s.db")], env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            with silent(url, 300), httpx2.Client(base_url=url, headers=AUTHORIZED, timeout=300) as http:
                large = threading.Thread(target=send, args=(url,))
                waits = []
                large.start()
                while large.is_alive() or len(waits) < 5:
                    began = time.monotonic()
                    assert http.get("/assistants").status_code == 200
                    waits.append(time.monotonic() - began)
                large.join()
        finally:
            server.terminate()
    assert answered in ([400], [413])
    # The manual promises a second; a busy machine has its say.
    assert max(waits) < (1 if QUIET else 50)


def test_the_defaults_are_what_the_manual_says() -> None:
    limits = ServerLimits()
    assert limits.silent_seconds <= 15
    assert limits.connections < 300
