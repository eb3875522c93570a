"""A request that is sent anew, since the answer to it was lost, makes nothing twice: by `Idempotency-Key`."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from nbassist import Assistant
from nbassist.backends.assistants.backend import AssistantsBackend

from .conftest import TOKEN

THREAD = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def assistant(http: httpx2.Client) -> str:
    return str(http.post("/assistants", json={"model": "m"}).json()["id"])


def post(http: httpx2.Client, path: str, body: Any, key: str) -> Any:
    answer = http.post(path, json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    return answer


def test_a_run_is_made_once(http: httpx2.Client, assistant: str) -> None:
    body = {"assistant_id": assistant, "thread": THREAD}
    runs = [post(http, "/threads/runs", body, "one").json() for _ in range(2)]
    assert len({run["id"] for run in runs}) == len({run["thread_id"] for run in runs}) == 1
    others = [
        post(http, "/threads/runs", body, "two"),
        post(http, "/threads/runs", {**body, "instructions": "Other."}, "one"),
        http.post("/threads/runs", json=body),
    ]
    assert len({run.json()["id"] for run in others} | {runs[0]["id"]}) == 4


def test_what_comes_with_a_run_is_added_once(http: httpx2.Client, assistant: str, until: Any) -> None:
    thread = http.post("/threads").json()["id"]
    body = {"assistant_id": assistant, "additional_messages": [{"role": "user", "content": "Hi"}]}
    first = post(http, f"/threads/{thread}/runs", body, "one").json()
    until(lambda: http.get(f"/threads/{thread}/runs/{first['id']}").json()["status"] == "completed")
    again = post(http, f"/threads/{thread}/runs", body, "one").json()
    assert (again["id"], again["status"]) == (first["id"], "completed")
    assert [m["role"] for m in http.get(f"/threads/{thread}/messages").json()["data"]] == ["assistant", "user"]


def test_messages_and_threads_are_made_once(http: httpx2.Client) -> None:
    thread, same = (post(http, "/threads", THREAD, "one").json() for _ in range(2))
    assert thread == same
    message = {"role": "user", "content": "More"}
    first, again = (post(http, f"/threads/{thread['id']}/messages", message, "one").json() for _ in range(2))
    assert first == again
    assert len(http.get(f"/threads/{thread['id']}/messages").json()["data"]) == 2


@pytest.mark.parametrize("ended", [True, False])
def test_a_stream_that_was_lost_is_told_to_its_end(
    http: httpx2.Client, upstream: Any, assistant: str, until: Any, ended: bool
) -> None:
    go_on = threading.Event()
    upstream.streams("Hello", go_on, " there")
    body = {"assistant_id": assistant, "stream": True, "thread": THREAD}
    with http.stream("POST", "/threads/runs", json=body, headers={"Idempotency-Key": "one"}) as first:
        events = first.iter_lines()
        assert any("Hello" in line for line in events)
    if ended:
        go_on.set()
        run = json.loads(
            post(http, "/threads/runs", {**body, "stream": True}, "one").text.split("data: ")[2].split("\n")[0]
        )
        until(lambda: http.get(f"/threads/{run['thread_id']}/runs/{run['id']}").json()["status"] == "completed")
    with http.stream("POST", "/threads/runs", json=body, headers={"Idempotency-Key": "one"}) as again:
        lines = again.iter_lines()
        names = [next(line for line in lines if line.startswith("event: ")).removeprefix("event: ")]
        go_on.set()
        rest = [line for line in lines if line]
    names += [line.removeprefix("event: ") for line in rest if line.startswith("event: ")]
    assert names == [
        "thread.created",
        "thread.run.created",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
        "done",
    ]
    assert any("Hello there" in line for line in rest)
    assert len(upstream.requests) == 1


@contextmanager
def losing_answers(url: str, path: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A way to a server on which the answer to the first request of `path` is lost: it arrives, and then a reset comes.

    Gives the base URL, and the requests of that path.
    """
    to, asked = (urlsplit(url).hostname, urlsplit(url).port), list[bytes]()

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def whole_request(client: socket.socket) -> bytes:
        head, piece = b"", client.recv(65536)
        while piece:  # head and body may come apart, and the server answers to both
            head += piece
            found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if b"\r\n\r\n" in head and len(head.partition(b"\r\n\r\n")[2]) >= int(found[1] if found else 0):
                break
            piece = client.recv(65536)
        return head

    def serve(client: socket.socket) -> None:
        with closing(client), closing(socket.create_connection(to)) as server, suppress(OSError):
            while head := whole_request(client):
                server.sendall(head)
                if path in head:
                    asked.append(head)
                    if len(asked) == 1:
                        assert server.recv(65536)  # it has answered, and so it has begun
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    back = threading.Thread(target=carry, args=(server, client))
                    back.start()
                    carry(client, server)
                    back.join()
                    return
                client.sendall(server.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", asked
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def test_our_own_client_sends_anew_and_makes_no_second_run(http: httpx2.Client, upstream: Any, assistant: str) -> None:
    before = len(http.get("/threads", params={"limit": 100}).json()["data"])
    with losing_answers(str(http.base_url), b"/threads/runs ") as (url, asked):
        backend = AssistantsBackend(url, TOKEN, assistant)
        reply = Assistant(backend=backend, model="m").ask("Hi")
    assert reply.text == "Hello there"
    assert len(asked) == 2
    assert len(http.get("/threads", params={"limit": 100}).json()["data"]) == before + 1
    assert len(upstream.requests) == 1
