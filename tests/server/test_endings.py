"""How runs end when they don't just complete, and that the thread is free afterwards."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, text

from nbassist.server.config import ServerLimits

TOOL = {"type": "function", "function": {"name": "f"}}


def begin(http: httpx2.Client, **settings: Any) -> tuple[str, dict[str, Any]]:
    """Make an assistant and a thread with one message; return the thread's path and the body of a run."""
    assistant = http.post("/assistants", json={"model": "m"}).json()["id"]
    thread = http.post("/threads", json={"messages": [{"role": "user", "content": "Hi"}]}).json()["id"]
    return f"/threads/{thread}", {"assistant_id": assistant, **settings}


def stream(http: httpx2.Client, description: Any, path: str, body: Any) -> list[tuple[str, Any]]:
    response = http.post(path, json={**body, "stream": True})
    assert response.status_code == 200, response.text
    found: list[tuple[str, Any]] = description.check_stream(response.text)
    assert found.pop() == ("done", "[DONE]")
    return found


def names(events: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in events if not name.endswith((".created", ".in_progress", ".queued", ".delta"))]


def is_free(http: httpx2.Client, thread: str) -> bool:
    return http.post(f"{thread}/messages", json={"role": "user", "content": "next"}).status_code == 200


def message_of(events: list[tuple[str, Any]]) -> Any:
    return next(data for name, data in events if name in ("thread.message.completed", "thread.message.incomplete"))


def test_a_cancelled_stream_keeps_its_text_and_tells_each_end(
    http: httpx2.Client, upstream: Any, description: Any, until: Any
) -> None:
    upstream.streams("Hel", "lo", 30.0, "never")
    thread, body = begin(http)
    found: list[tuple[str, Any]] = []
    listener = threading.Thread(target=lambda: found.extend(stream(http, description, f"{thread}/runs", body)))
    listener.start()
    until(lambda: '"Hello"' in http.get(f"{thread}/messages").text)
    run = http.get(f"{thread}/runs").json()["data"][0]
    blocked = http.post(f"{thread}/messages", json={"role": "user", "content": "x"})
    assert blocked.status_code == 400
    thread_id = thread.removeprefix("/threads/")
    assert blocked.json()["error"] == {
        "message": f"Can't add messages to {thread_id} while a run {run['id']} is active.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    second = http.post(f"{thread}/runs", json=body).json()["error"]["message"]
    assert second == f"Thread {thread_id} already has an active run {run['id']}."
    assert http.post(f"{thread}/runs/{run['id']}/cancel").json()["status"] == "cancelling"
    listener.join()
    assert names(found) == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    assert message_of(found)["incomplete_details"] == {"reason": "run_cancelled"}
    assert message_of(found)["content"][0]["text"]["value"] == "Hello"
    assert upstream.left.wait(20)
    assert is_free(http, thread)
    again = http.post(f"{thread}/runs/{run['id']}/cancel").json()["error"]["message"]
    assert again == "Cannot cancel run with status 'cancelled'"


def test_a_run_that_waits_for_outputs_can_be_cancelled(http: httpx2.Client, upstream: Any, until: Any) -> None:
    upstream.calls(("call_a", "f", "{}"))
    thread, body = begin(http, tools=[TOOL])
    run = http.post(f"{thread}/runs", json=body).json()["id"]
    path = f"{thread}/runs/{run}"
    until(lambda: http.get(path).json()["status"] == "requires_action")
    assert http.post(f"{path}/cancel").json()["required_action"] is None
    until(lambda: http.get(path).json()["status"] == "cancelled")
    assert http.get(f"{path}/steps").json()["data"][0]["status"] == "cancelled"
    assert is_free(http, thread)
    late = http.post(f"{path}/submit_tool_outputs", json={"tool_outputs": []}).json()["error"]["message"]
    assert late == 'Runs in status "cancelled" do not accept tool outputs.'


def test_outputs_have_to_answer_each_call_once(http: httpx2.Client, upstream: Any, until: Any) -> None:
    upstream.calls(("call_a", "f", "{}"), ("call_b", "f", "{}"))
    thread, body = begin(http, tools=[TOOL])
    path = f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}"
    until(lambda: http.get(path).json()["status"] == "requires_action")
    for given in (["call_a"], ["call_a", "call_a"], ["call_a", "call_b", "call_c"], []):
        outputs = [{"tool_call_id": call, "output": "1"} for call in given]
        refused = http.post(f"{path}/submit_tool_outputs", json={"tool_outputs": outputs}).json()["error"]["message"]
        assert refused == f"Expected tool outputs for call_ids ['call_a', 'call_b'], got {given}"
    outputs = [{"tool_call_id": call, "output": "1"} for call in ("call_b", "call_a")]
    assert http.post(f"{path}/submit_tool_outputs", json={"tool_outputs": outputs}).json()["status"] == "queued"
    until(lambda: http.get(path).json()["status"] == "completed")


def test_a_run_that_nobody_answers_expires(http: httpx2.Client, upstream: Any, config: Any, until: Any) -> None:
    upstream.calls(("call_a", "f", "{}"))
    thread, body = begin(http, tools=[TOOL])
    path = f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}"
    until(lambda: http.get(path).json()["status"] == "requires_action")
    engine = create_engine(config.store_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET expires_at = expires_at - 601"))
    engine.dispose()
    until(lambda: http.get(path).json()["status"] == "expired")
    step = http.get(f"{path}/steps").json()["data"][0]
    assert step["status"] == "expired"
    assert step["expired_at"] is not None
    assert is_free(http, thread)


def test_a_stream_of_a_run_that_takes_too_long_ends_as_expired(
    config: Any, upstream: Any, run_server: Any, description: Any
) -> None:
    upstream.streams("so far", 60.0)
    headers = {"Authorization": "Bearer test-token"}
    with (
        run_server(replace(config, limits=ServerLimits(run_seconds=4))) as short,
        httpx2.Client(base_url=short.url, headers=headers, timeout=60) as http,
    ):
        thread, body = begin(http)
        found = stream(http, description, f"{thread}/runs", body)
        assert names(found) == ["thread.message.incomplete", "thread.run.step.expired", "thread.run.expired"]
        assert message_of(found)["content"][0]["text"]["value"] == "so far"
        assert is_free(http, thread)


def test_a_reply_at_its_limit_of_tokens_is_incomplete(http: httpx2.Client, upstream: Any, description: Any) -> None:
    upstream.says("cut of", finish="length")
    thread, body = begin(http, max_completion_tokens=256)
    found = stream(http, description, f"{thread}/runs", body)
    assert upstream.requests[0]["max_tokens"] == 256
    # As it was seen: the event says completed, the status incomplete.
    assert names(found) == ["thread.message.incomplete", "thread.run.step.completed", "thread.run.completed"]
    run = found[-1][1]
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_completion_tokens"})
    assert message_of(found)["incomplete_details"] == {"reason": "max_tokens"}
    assert run["usage"]["total_tokens"] == 15


def test_a_run_that_read_its_limit_of_tokens_is_incomplete(
    http: httpx2.Client, upstream: Any, description: Any
) -> None:
    upstream.calls(("call_a", "f", "{}"), usage=(300, 7))
    thread, body = begin(http, tools=[TOOL], max_prompt_tokens=256)
    run = stream(http, description, f"{thread}/runs", body)[-1][1]
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_prompt_tokens"})
    assert is_free(http, thread)


def test_a_filtered_reply_is_told_as_such(http: httpx2.Client, upstream: Any, description: Any) -> None:
    upstream.says("no", finish="content_filter")
    thread, body = begin(http)
    found = stream(http, description, f"{thread}/runs", body)
    assert message_of(found)["incomplete_details"] == {"reason": "content_filter"}
    assert found[-1][1]["last_error"]["code"] == "invalid_prompt"


FAILURES: list[tuple[str, tuple[Any, ...], dict[str, Any], str, str]] = [
    ("refuses", (400, {"error": {"message": "bad request"}}), {}, "invalid_prompt", "400: bad request"),
    ("refuses", (401, {"error": {"message": "wrong key sk-upstream-key"}}), {}, "server_error", "key (401)"),
    ("refuses", (500, {"error": "sk-upstream-key boom"}), {}, "server_error", "500: [key] boom"),
    (
        "refuses",
        (429, {"error": {"message": "slow down", "code": "insufficient_quota"}}),
        {},
        "rate_limit_exceeded",
        "",
    ),
    ("refuses", (200, "<html>hello</html>"), {}, "server_error", "in place of a stream"),
    ("streams", (b"data: {no json\n\n",), {}, "server_error", "no Chat Completions"),
    ("streams", ("begun", b'data: {"error": {"message": "engine gone"}}\n\n'), {}, "server_error", "engine gone"),
    ("streams", ("begun", b'data: {"error": {"message": "no sk-upstream-key"}}\n\n'), {}, "server_error", "no [key]"),
    ("streams", ("begun", b"data: \xff\xfe\n\n"), {}, "server_error", ""),
    ("streams", ("begun",), {"cut": True}, "server_error", ""),
]


def test_a_failing_upstream_fails_the_run_and_tells_no_key(
    http: httpx2.Client, upstream: Any, description: Any
) -> None:
    for kind, arguments, named, code, words in FAILURES:
        getattr(upstream, kind)(*arguments, **named)
        thread, body = begin(http)
        found = stream(http, description, f"{thread}/runs", body)
        name, run = found[-1]
        assert (name, run["last_error"]["code"]) == ("thread.run.failed", code), (arguments, run)
        assert words in run["last_error"]["message"], run["last_error"]
        assert "sk-upstream" not in str(found)
        if "begun" in arguments:
            assert message_of(found)["content"][0]["text"]["value"] == "begun"
            assert message_of(found)["incomplete_details"] == {"reason": "run_failed"}
        assert is_free(http, thread)


def test_an_upstream_that_is_not_there_fails_the_run(config: Any, run_server: Any, description: Any) -> None:
    gone = replace(config, upstream=replace(config.upstream, url="http://127.0.0.1:9/v1"))
    headers = {"Authorization": "Bearer test-token"}
    with run_server(gone) as server, httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        thread, body = begin(http)
        run = stream(http, description, f"{thread}/runs", body)[-1][1]
        assert run["last_error"] == {
            "code": "server_error",
            "message": "The upstream does not answer: is it running?",
        }
        assert http.get("/models").status_code == 502
        assert http.post("/chat/completions", json={"messages": []}).status_code == 502


def test_a_busy_upstream_is_asked_again(http: httpx2.Client, upstream: Any, description: Any) -> None:
    upstream.refuses(429, {"error": {"message": "slow down"}}, **{"retry-after": "0"})
    upstream.refuses(503, {"error": {"message": "Loading model"}})
    upstream.says("at last")
    thread, body = begin(http)
    assert stream(http, description, f"{thread}/runs", body)[-1][1]["status"] == "completed"
    assert len(upstream.requests) == 3


def test_a_history_too_long_for_the_model_is_shortened(http: httpx2.Client, upstream: Any, description: Any) -> None:
    thread, body = begin(http)
    for number in range(7):
        http.post(f"{thread}/messages", json={"role": "user", "content": f"message {number}"})
    for _ in range(2):
        upstream.refuses(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
    upstream.says("short enough")
    assert stream(http, description, f"{thread}/runs", body)[-1][1]["status"] == "completed"
    assert [len(request["messages"]) for request in upstream.requests] == [8, 4, 2]
    assert upstream.requests[2]["messages"][-1]["content"] == "message 6"


def test_one_connection_to_the_upstream_serves_one_run_after_the_other(
    config: Any, run_server: Any, upstream: Any, description: Any
) -> None:
    headers = {"Authorization": "Bearer test-token"}
    with run_server(config) as server, httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        thread, body = begin(http)
        for _ in range(5):
            assert stream(http, description, f"{thread}/runs", body)[-1][1]["status"] == "completed"
    assert len(upstream.requests) == 5
    assert len(upstream.connections) == 1


def test_an_upstream_that_does_not_hang_up_does_not_hold_up_the_run(
    http: httpx2.Client, upstream: Any, description: Any
) -> None:
    stop = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    upstream.streams("all said", stop, 600.0)
    thread, body = begin(http)
    assert stream(http, description, f"{thread}/runs", body)[-1][1]["status"] == "completed"
    assert upstream.left.wait(20)


def test_an_empty_reply_is_an_empty_message(http: httpx2.Client, upstream: Any, description: Any) -> None:
    upstream.says()
    thread, body = begin(http)
    found = stream(http, description, f"{thread}/runs", body)
    assert message_of(found)["content"] == [{"type": "text", "text": {"value": "", "annotations": []}}]
    assert found[-1][1]["status"] == "completed"


def test_text_before_calls_is_a_message_of_its_own(http: httpx2.Client, upstream: Any, description: Any) -> None:
    upstream.calls(("call_a", "f", '{"a": 1}'), text="Let me look.")
    upstream.says("Done.")
    thread, body = begin(http, tools=[TOOL])
    first = stream(http, description, f"{thread}/runs", body)
    assert names(first) == ["thread.message.completed", "thread.run.step.completed", "thread.run.requires_action"]
    path = f"{thread}/runs/{first[-1][1]['id']}/submit_tool_outputs"
    outputs = {"tool_outputs": [{"tool_call_id": "call_a", "output": "found"}]}
    run = stream(http, description, path, outputs)[-1][1]
    assert run["usage"]["total_tokens"] == 27 + 15
    sent = upstream.requests[1]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["content"] == "Let me look."
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'


def test_a_client_that_leaves_does_not_end_the_run(http: httpx2.Client, upstream: Any, until: Any) -> None:
    go_on = threading.Event()
    upstream.streams("first ", go_on, "second")
    thread, body = begin(http)
    with http.stream("POST", f"{thread}/runs", json={**body, "stream": True}) as response:
        for line in response.iter_lines():
            if "first" in line:
                break
    go_on.set()
    run = http.get(f"{thread}/runs").json()["data"][0]["id"]
    until(lambda: http.get(f"{thread}/runs/{run}").json()["status"] == "completed")
    said = http.get(f"{thread}/messages").json()["data"][0]["content"][0]["text"]["value"]
    assert said == "first second"


def test_a_deleted_thread_ends_its_run(http: httpx2.Client, upstream: Any) -> None:
    go_on = threading.Event()
    upstream.streams("first ", go_on, "second")
    thread, body = begin(http)
    with http.stream("POST", f"{thread}/runs", json={**body, "stream": True}) as response:
        lines = response.iter_lines()
        assert any("first" in line for line in lines)
        assert http.delete(thread).status_code == 200
        go_on.set()
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert http.get(thread).status_code == 404


def test_more_runs_than_the_server_works_on_wait_their_turn(
    storeless: Any, upstream: Any, run_server: Any, until: Any, tmp_path: Path
) -> None:
    go_on = threading.Event()
    for _ in range(3):
        upstream.streams("x", go_on, b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n')
    alone = f"sqlite:///{tmp_path / 'alone.db'}"
    narrow = replace(storeless, store_url=alone, limits=ServerLimits(active_runs=1, sweep_seconds=0.05))
    headers = {"Authorization": "Bearer test-token"}
    with run_server(narrow) as server, httpx2.Client(base_url=server.url, headers=headers, timeout=60) as http:
        paths = []
        for _ in range(3):
            thread, body = begin(http)
            paths.append(f"{thread}/runs/{http.post(f'{thread}/runs', json=body).json()['id']}")
        until(lambda: http.get(paths[0]).json()["status"] == "in_progress")
        assert [http.get(path).json()["status"] for path in paths[1:]] == ["queued", "queued"]
        go_on.set()
        for path in paths:
            until(lambda path=path: http.get(path).json()["status"] == "completed")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}, "none"])
def test_the_settings_of_a_run_reach_the_upstream(
    http: httpx2.Client, upstream: Any, description: Any, choice: Any
) -> None:
    schema = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    settings = {
        "model": "other",
        "instructions": "Be brief.",
        "additional_instructions": "Be kind.",
        "additional_messages": [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "More"}],
        "tools": [TOOL],
        "tool_choice": choice,
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_schema", "json_schema": schema},
        "truncation_strategy": {"type": "last_messages", "last_messages": 2},
        "reasoning_effort": "low",
        "metadata": {"k": "v"},
    }
    thread, body = begin(http, **settings)
    run = stream(http, description, f"{thread}/runs", body)[-1][1]
    sent = upstream.requests[0]
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief.\nBe kind."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "More"},
    ]
    for name in ("model", "parallel_tool_calls", "temperature", "top_p", "response_format", "tool_choice"):
        assert sent[name] == settings[name]
        assert run[name] == settings[name]
    assert sent["tools"][0]["function"]["name"] == "f"
    assert sent["reasoning_effort"] == "low"
    assert run["metadata"] == {"k": "v"}
