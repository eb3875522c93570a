"""What an operator sees and sets: health, figures, logs, traces, other paths, several processes."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy.exc import OperationalError

from nbassist.server.config import ServerConfig
from nbassist.server.observe.middleware import JsonLines
from nbassist.server.runs.upstream import UrlUpstream
from nbassist.server.store.database import Database

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK, of the Assistants API

AUTHORIZED = {"Authorization": "Bearer test-token"}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


def root(server: Any, path: str, **headers: str) -> httpx2.Response:
    return httpx2.get(server.url.removesuffix("/v1") + path, headers=headers, timeout=60)


def complete(client: openai.OpenAI) -> Any:
    assistant = client.beta.assistants.create(model="m", instructions="Answer.")
    return client.beta.threads.create_and_run_poll(assistant_id=assistant.id)


def test_health_tells_an_upstream_that_is_gone(config: ServerConfig, run_server: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = UrlUpstream(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with run_server(replace(config, upstream=nowhere)) as server:
            answer = root(server, "/health")
            assert (answer.status_code, answer.json()["status"], answer.json()["upstream"]) == (
                200,
                "degraded",
                "unreachable",
            )


def test_health_tells_a_store_that_fails(
    config: ServerConfig, run_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_server(config) as server:

        async def fails(*_: Any) -> None:
            raise OperationalError("SELECT 1", {}, Exception("disk I/O error"))

        monkeypatch.setattr(Database, "read", fails)
        answer = root(server, "/health")
        assert (answer.status_code, answer.json()["status"], answer.json()["store"]) == (503, "failed", "failed")
        monkeypatch.undo()


def test_figures_for_prometheus_count_requests_runs_and_tokens(
    config: ServerConfig, run_server: Any, upstream: Any
) -> None:
    with run_server(replace(config, metrics=True)) as server:
        assert complete(server.client).status == "completed"
        upstream.refuses(400, {"error": {"message": "no"}})
        assert complete(server.client).status == "failed"
        httpx2.get(f"{server.url}/threads/thread_no", headers=AUTHORIZED, timeout=60)
        assert root(server, "/metrics").status_code == 401
        text = root(server, "/metrics", **AUTHORIZED).text
    assert 'nbassist_runs_total{status="completed"} 1.0' in text
    assert 'nbassist_runs_total{status="failed"} 1.0' in text
    assert 'nbassist_tokens_total{kind="prompt"} 10.0' in text
    assert 'nbassist_upstream_errors_total{code="invalid_prompt"} 1.0' in text
    assert 'nbassist_requests_total{method="GET",operation="threads.read",status="404"} 1.0' in text
    assert "thread_no" not in text  # a label for each id would be a series for each


def test_without_the_flag_there_are_none(config: ServerConfig, run_server: Any) -> None:
    with run_server(config) as server:
        answer = root(server, "/metrics", **AUTHORIZED)
        assert (answer.status_code, "--metrics" in answer.text) == (404, True)


def test_every_answer_has_the_headers_of_the_hosted_service(config: ServerConfig, run_server: Any) -> None:
    with run_server(config) as server:
        for path, headers in (("/threads", AUTHORIZED), ("/threads", {}), ("/threads/none", AUTHORIZED)):
            answer = httpx2.get(server.url + path, headers=headers, timeout=60)
            assert answer.headers["openai-version"] == "2020-10-01"
            assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
            assert answer.headers["openai-processing-ms"].isdigit()
        given = httpx2.get(
            f"{server.url}/threads", headers={"X-Request-ID": "from-the-proxy-7", **AUTHORIZED}, timeout=60
        )
        assert given.headers["x-request-id"] == "from-the-proxy-7"
        forged = httpx2.get(f"{server.url}/threads", headers={"X-Request-ID": "a b{}", **AUTHORIZED}, timeout=60)
        assert forged.headers["x-request-id"].startswith("req_")


def test_a_run_that_goes_on_says_when_to_look_again(
    config: ServerConfig, run_server: Any, upstream: Any, until: Any
) -> None:
    upstream.streams("begun", 600.0)
    with run_server(config) as server:
        beta = server.client.beta
        assistant = beta.assistants.create(model="m", instructions="Answer.")
        run = beta.threads.create_and_run(assistant_id=assistant.id)
        path = f"{server.url}/threads/{run.thread_id}/runs/{run.id}"
        assert 0 < int(httpx2.get(path, headers=AUTHORIZED, timeout=60).headers["openai-poll-after-ms"]) <= 1000
        beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        until(lambda: httpx2.get(path, headers=AUTHORIZED, timeout=60).json()["status"] == "cancelled")
        assert "openai-poll-after-ms" not in httpx2.get(path, headers=AUTHORIZED, timeout=60).headers


def test_a_log_of_json_has_one_object_a_line_whatever_is_in_it() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.Logger("nbassist.test")
    log.addHandler(handler)
    log.info("two\nlines %s", "ü", extra={"told": {"status": 200, "owner": None}})
    try:
        raise ValueError("x")
    except ValueError:
        log.exception("failed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["message"], first["status"], first["level"]) == ("two\nlines ü", 200, "info")
    assert "owner" not in first
    assert "ValueError: x" in second["traceback"]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What OpenTelemetry is told; a process has one provider, so it is made once."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


def test_a_run_is_a_span_around_the_span_of_its_request_and_neither_holds_text(
    config: ServerConfig, run_server: Any, upstream: Any, spans: InMemorySpanExporter
) -> None:
    with run_server(config) as server:
        run = complete(server.client)
    chat, agent = spans.get_finished_spans()
    assert (chat.name, agent.name) == ("chat m", f"invoke_agent {run.assistant_id}")
    assert chat.parent is not None
    assert chat.parent.span_id == agent.context.span_id
    told = dict(chat.attributes or {})
    assert told["gen_ai.operation.name"] == "chat"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (10, 5)
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["server.address"] == "127.0.0.1"
    assert dict(agent.attributes or {})["gen_ai.conversation.id"] == run.thread_id
    assert "Hello" not in chat.to_json() + agent.to_json()


def test_other_paths_are_handed_to_the_upstream_with_its_key(
    config: ServerConfig, run_server: Any, upstream: Any
) -> None:
    vectors = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}], "model": "e"}
    with run_server(replace(config, pass_through=True)) as server:
        upstream.refuses(200, vectors)
        made = server.client.embeddings.create(model="e", input="x", encoding_format="float")
        assert made.data[0].embedding == [1.0]
        assert upstream.headers[-1]["authorization"] == "Bearer sk-upstream-key"
        assert upstream.requests[-1]["input"] == "x"
        upstream.refuses(401, {"error": {"message": "bad key sk-upstream-key"}})
        answer = httpx2.post(f"{server.url}/responses", headers=AUTHORIZED, json={}, timeout=60)
        assert (answer.status_code, "sk-upstream-key" in answer.text) == (502, False)
        for path in ("/assistants/x/y", "/../secret", "/a/%2e%2e/b", "/a//b"):
            assert httpx2.post(server.url + path, headers=AUTHORIZED, json={}, timeout=60).status_code == 404, path
        asked = len(upstream.requests)
        for method, path in (
            ("PATCH", "/vector_stores/vs_a"),
            ("PUT", "/vector_stores"),
            ("PATCH", "/threads/thread_a"),
        ):
            answer = httpx2.request(method, server.url + path, headers=AUTHORIZED, json={"name": "mine"}, timeout=60)
            assert (answer.status_code, len(upstream.requests)) == (404, asked), path
    with run_server(config) as server:
        assert httpx2.post(f"{server.url}/embeddings", headers=AUTHORIZED, json={}, timeout=60).status_code == 404


@pytest.mark.skipif(not hasattr(os, "fork"), reason="--workers needs fork")
def test_workers_share_a_store_survive_a_kill_and_end_together(tmp_path: Path, upstream: Any, until: Any) -> None:
    command = [sys.executable, "-m", "nbassist", "serve", "--workers", "3", "--metrics", "--upstream", upstream.url]
    environ = {**os.environ, "NBASSIST_SERVE_TOKEN": "test-token", "NBASSIST_SERVE_STORE": str(tmp_path / "s.db")}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        client = openai.OpenAI(base_url=url, api_key="test-token")
        with client, ThreadPoolExecutor(8) as pool:
            runs = list(pool.map(lambda _: complete(client), range(16)))
            assert {run.status for run in runs} == {"completed"}
            [child, *_] = _children(server.pid)
            os.kill(child, signal.SIGKILL)
            until(lambda: child not in _children(server.pid) and len(_children(server.pid)) == 3)
            runs = list(pool.map(lambda _: complete(client), range(8)))
            assert {run.status for run in runs} == {"completed"}
            figures = httpx2.get(f"{url.removesuffix('/v1')}/metrics", headers=AUTHORIZED, timeout=60).text
            assert 'nbassist_runs_total{status="completed"} 24.0' in figures  # of all processes, the dead one too
        children = _children(server.pid)
    finally:
        server.terminate()
        assert server.wait(30) == 0
        server.stdout.close()
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def test_the_options_of_serve_are_variables_too(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from nbassist.cli import main, parser

    monkeypatch.setenv("NBASSIST_SERVE_PORT", "8701")
    monkeypatch.setenv("NBASSIST_SERVE_MODEL_MAP", "gpt-4*=llama3.2 *=other")
    monkeypatch.setenv("NBASSIST_SERVE_METRICS", "yes")
    options = parser().parse_args(["serve", "--port", "1"])
    assert (options.port, options.metrics) == (1, True)
    options = parser().parse_args(["serve"])
    assert (options.port, options.model_map) == (8701, ["gpt-4*=llama3.2", "*=other"])
    assert parser().parse_args(["serve", "--model-map", "a=b"]).model_map == ["a=b"]
    monkeypatch.setenv("NBASSIST_SERVE_HOSTED_TOOLS", "maybe")
    assert main(["serve"]) == 2
    assert "NBASSIST_SERVE_HOSTED_TOOLS is one of keep, ignore, refuse" in capsys.readouterr().err
