"""Several servers on one store, and servers that die."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nbassist.server.config import ServerLimits

AUTHORIZED = {"Authorization": "Bearer test-token"}
STOP = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
PROGRAM = """
import asyncio, sys
from nbassist.server.config import ServerLimits, ServerConfig
from nbassist.server.serve import serve
from nbassist.server.runs.upstream import UrlUpstream

store, upstream = sys.argv[1:]
limits = ServerLimits(sweep_seconds=0.05, lease_seconds=1.0)
config = ServerConfig("test-token", store, UrlUpstream(upstream), limits)
asyncio.run(serve(config, "127.0.0.1", 0, lambda url: print(url, flush=True)))
"""


@contextmanager
def process(config: Any) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """A server in a process of its own, to be killed."""
    arguments = [sys.executable, "-c", PROGRAM, config.store_url, config.upstream.url]
    root = str(Path(__file__).parents[2])
    server = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root})
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        with httpx2.Client(base_url=url, headers=AUTHORIZED, timeout=30) as http:
            yield server, http
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def config(storeless: Any, empty_store_url: str) -> Any:
    return replace(storeless, store_url=empty_store_url)


def begin(http: httpx2.Client, **settings: Any) -> tuple[str, dict[str, Any]]:
    assistant = http.post("/assistants", json={"model": "m", "instructions": "Answer."}).json()["id"]
    thread = http.post("/threads", json={"messages": [{"role": "user", "content": "Hi"}]}).json()["id"]
    return f"/threads/{thread}", {"assistant_id": assistant, **settings}


@pytest.fixture
def two(config: Any, run_server: Any) -> Iterator[tuple[httpx2.Client, httpx2.Client]]:
    """Two servers on one store, one of which works on one run at a time."""
    narrow = replace(config, limits=replace(config.limits, active_runs=1))
    with (
        run_server(narrow) as one,
        run_server(config) as other,
        httpx2.Client(base_url=one.url, headers=AUTHORIZED, timeout=60) as first,
        httpx2.Client(base_url=other.url, headers=AUTHORIZED, timeout=60) as second,
    ):
        yield first, second


def test_two_servers_on_one_store_answer_for_one_another(two: Any, upstream: Any, until: Any) -> None:
    first, second = two
    upstream.calls(("call_a", "f", "{}"))
    upstream.says("done")
    thread, body = begin(first, tools=[{"type": "function", "function": {"name": "f"}}])
    path = f"{thread}/runs/{first.post(f'{thread}/runs', json=body).json()['id']}"
    until(lambda: second.get(path).json()["status"] == "requires_action")
    outputs = {"tool_outputs": [{"tool_call_id": "call_a", "output": "1"}], "stream": True}
    answer = second.post(f"{path}/submit_tool_outputs", json=outputs)
    assert answer.text.endswith("event: done\ndata: [DONE]\n\n")
    assert first.get(path).json()["status"] == "completed"


def test_a_run_that_one_server_works_on_is_cancelled_through_the_other(two: Any, upstream: Any, until: Any) -> None:
    first, second = two
    upstream.streams("begun", 60.0)
    thread, body = begin(first)
    path = f"{thread}/runs/{first.post(f'{thread}/runs', json=body).json()['id']}"
    until(lambda: second.get(path).json()["status"] == "in_progress")
    assert second.post(f"{path}/cancel").json()["status"] == "cancelling"
    until(lambda: second.get(path).json()["status"] == "cancelled")
    assert upstream.left.wait(20)


def test_a_server_with_room_takes_what_the_other_has_no_room_for(two: Any, upstream: Any, until: Any) -> None:
    first, second = two
    go_on = threading.Event()
    upstream.streams("one", go_on, STOP)
    upstream.streams("two", STOP)
    thread, body = begin(first)
    held = f"{thread}/runs/{first.post(f'{thread}/runs', json=body).json()['id']}"
    until(lambda: first.get(held).json()["status"] == "in_progress")
    thread, body = begin(first)
    moved = f"{thread}/runs/{first.post(f'{thread}/runs', json=body).json()['id']}"
    until(lambda: second.get(moved).json()["status"] == "completed")
    assert first.get(held).json()["status"] == "in_progress"
    go_on.set()
    until(lambda: first.get(held).json()["status"] == "completed")


def test_both_servers_at_once_lose_no_message_and_make_no_second_run(two: Any) -> None:
    first, _ = two
    thread, body = begin(first)
    statuses: list[int] = []

    def hammer(http: httpx2.Client) -> None:
        for _ in range(25):
            statuses.append(http.post(f"{thread}/messages", json={"role": "user", "content": "x"}).status_code)

    threads = [threading.Thread(target=hammer, args=[http]) for http in two]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join()
    assert statuses == [200] * 50
    assert len(first.get(f"{thread}/messages", params={"limit": 100}).json()["data"]) == 51
    made: list[int] = []
    racers = [
        threading.Thread(target=lambda http=http: made.append(http.post(f"{thread}/runs", json=body).status_code))
        for http in (*two, *two)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    runs = first.get(f"{thread}/runs").json()["data"]
    assert len(runs) == made.count(200)  # one at a time: a later one only where an earlier one was over


def test_a_killed_server_loses_no_message_and_its_run_fails_elsewhere(
    config: Any, upstream: Any, run_server: Any, until: Any
) -> None:
    upstream.streams("half a repl", 60.0)
    with process(config) as (server, http):
        thread, body = begin(http)
        path = f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}"
        until(lambda: "half a repl" in http.get(f"{thread}/messages").text)
        server.kill()
        server.wait()
    with run_server(config) as other, httpx2.Client(base_url=other.url, headers=AUTHORIZED, timeout=60) as http:
        until(lambda: http.get(path).json()["status"] == "failed")
        run = http.get(path).json()
        assert run["last_error"]["message"] == "The server that worked on this run stopped before it was done."
        partial, question = http.get(f"{thread}/messages").json()["data"]
        assert question["content"][0]["text"]["value"] == "Hi"
        assert partial["content"][0]["text"]["value"] == "half a repl"
        assert partial["incomplete_details"] == {"reason": "run_failed"}
        assert http.post(f"{thread}/messages", json={"role": "user", "content": "next"}).status_code == 200


def test_a_run_that_waits_for_outputs_outlives_the_server_that_asked_for_them(
    config: Any, upstream: Any, run_server: Any, until: Any
) -> None:
    upstream.calls(("call_a", "f", "{}"))
    upstream.says("done")
    with process(config) as (server, http):
        thread, body = begin(http, tools=[{"type": "function", "function": {"name": "f"}}])
        path = f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}"
        until(lambda: http.get(path).json()["status"] == "requires_action")
        server.kill()
        server.wait()
    with run_server(config) as other, httpx2.Client(base_url=other.url, headers=AUTHORIZED, timeout=60) as http:
        assert http.get(path).json()["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"] == "call_a"
        outputs = {"tool_outputs": [{"tool_call_id": "call_a", "output": "1"}], "stream": True}
        assert "thread.run.completed" in http.post(f"{path}/submit_tool_outputs", json=outputs).text
    assert upstream.requests[1]["messages"][-1] == {"role": "tool", "tool_call_id": "call_a", "content": "1"}


def test_a_server_killed_again_and_again_keeps_each_message_it_acknowledged(config: Any) -> None:
    acknowledged: list[str] = []
    thread = ""
    for round_ in range(3):
        with process(config) as (server, http):
            thread = thread or f"/threads/{http.post('/threads').json()['id']}"
            killer = threading.Timer(0.1, server.kill)
            try:
                for number in range(10_000):
                    if number == 2:
                        killer.start()
                    text = f"{round_}.{number}"
                    http.post(f"{thread}/messages", json={"role": "user", "content": text}).raise_for_status()
                    acknowledged.append(text)
            except httpx2.HTTPError:
                pass
            killer.join()
    with process(config) as (_, http):
        found: list[str] = []
        query: dict[str, Any] = {"limit": 100, "order": "asc"}
        while True:
            page = http.get(f"{thread}/messages", params=query).json()
            found += [message["content"][0]["text"]["value"] for message in page["data"]]
            if not page["has_more"]:
                break
            query["after"] = page["last_id"]
    assert len(acknowledged) >= 6
    assert set(acknowledged) <= set(found)
    assert found == sorted(found, key=lambda text: tuple(map(int, text.split("."))))


def test_a_stopped_server_fails_what_it_works_on_and_leaves_the_rest_to_others(
    config: Any, upstream: Any, run_server: Any, until: Any
) -> None:
    upstream.streams("begun", 60.0)
    narrow = replace(config, limits=ServerLimits(active_runs=1, sweep_seconds=0.05))
    with run_server(narrow) as server, httpx2.Client(base_url=server.url, headers=AUTHORIZED, timeout=60) as http:
        thread, body = begin(http)
        begun = f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}"
        until(lambda: "begun" in http.get(f"{thread}/messages").text)
        thread, body = begin(http)
        waiting = f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}"
    with run_server(config) as other, httpx2.Client(base_url=other.url, headers=AUTHORIZED, timeout=60) as http:
        assert http.get(begun).json()["status"] == "failed"
        until(lambda: http.get(waiting).json()["status"] == "completed")
