"""A sweep through the Batch API, on the real wire of a scripted server: submitted, followed and collected."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.backends.batches import BatchState
from nbassist.errors import BackendError, UsageError
from nbassist.journal import Journal
from nbassist.sweep import Sweep
from nbassist.sweep.batch import run_batch


def chat_body(line: dict[str, Any]) -> dict[str, Any]:
    said = f"said {line['body']['messages'][-1]['content']}"
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "c", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage}


def responses_body(line: dict[str, Any]) -> dict[str, Any]:
    said = f"said {line['body']['input'][-1]['content']}"
    content = [{"type": "output_text", "text": said, "annotations": []}]
    item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content}
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    return {"id": "r", "object": "response", "status": "completed", "model": "m-1", "output": [item], "usage": usage}


class Service:
    """The files and batches of an endpoint; a batch is done at its third look, in an order of its own."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks = 0
        self.refuse = ""
        self.hold = False
        self.cut: Callable[[], None] = lambda: None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/files":
                    assert b'name="purpose"\r\n\r\nbatch' in data
                    start = data.index(b"{", data.index(b'filename="requests.jsonl"'))
                    service.files["file-in"] = data[start : data.index(b"\r\n--", start)]
                    return self._json({"id": "file-in", "object": "file", "purpose": "batch"})
                body = json.loads(data)
                assert (self.path, body["completion_window"]) == ("/v1/batches", "24h")
                batch = {"id": f"batch_{len(service.batches)}", "status": "validating", **body}
                service.batches[batch["id"]] = batch
                self._json(batch)

            def do_GET(self) -> None:
                if self.path.startswith("/v1/batches/"):
                    return self._json(service.look(self.path.rpartition("/")[2]))
                self._send(service.files[self.path.split("/")[3]])

            def _json(self, body: Any) -> None:
                self._send(json.dumps(body).encode())

            def _send(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files["file-in"].splitlines() if line]

    def look(self, batch_id: str) -> dict[str, Any]:
        self.looks += 1
        self.cut()
        batch = self.batches[batch_id]
        total = len(self.lines)
        if self.hold or self.looks < 3:
            return {**batch, "status": "in_progress", "request_counts": {"completed": 1, "failed": 0, "total": total}}
        made = responses_body if batch["endpoint"] == "/v1/responses" else chat_body
        out, wrong = [], []
        for line in reversed(self.lines):
            if self.refuse and self.refuse in json.dumps(line["body"]):
                error = {"status_code": 400, "body": {"error": {"message": "too long for the model"}}}
                wrong.append({"custom_id": line["custom_id"], "response": error, "error": None})
            else:
                answer = {"status_code": 200, "body": made(line)}
                out.append({"custom_id": line["custom_id"], "response": answer, "error": None})
        self.files["file-out"] = "\n".join(map(json.dumps, out)).encode()
        self.files["file-wrong"] = "\n".join(map(json.dumps, wrong)).encode()
        files = {"output_file_id": "file-out", "error_file_id": "file-wrong" if wrong else None}
        return {**batch, "status": "completed", **files}


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def sweep(service: Service, journal: Journal) -> Callable[..., Sweep]:
    def make(backend: str = "chat", **options: Any) -> Sweep:
        assistant = Assistant(
            backend=backend, base_url=service.url, api_key="k", model=options.pop("model", "m"), journal=journal
        )
        return Sweep(assistant, "{{ item }}?", **{"over": ["x", "y", "z"], **options})

    return make


@pytest.mark.parametrize("backend", ["chat", "responses"])
def test_a_batch_is_submitted_followed_and_collected(
    service: Service, sweep: Any, journal: Journal, backend: str
) -> None:
    told: list[BatchState] = []
    runs = run_batch(sweep(backend), told=told.append, wait=0.01)
    assert [run.text for run in runs] == ["said x?", "said y?", "said z?"]
    assert [state.status for state in told] == ["in_progress", "in_progress", "completed"]
    assert (told[0].done, told[0].total) == (1, 3)
    assert {line["url"] for line in service.lines} == {"/v1/chat/completions" if backend == "chat" else "/v1/responses"}
    assert all("stream" not in line["body"] for line in service.lines)
    assert runs[0].reply.usage.input_tokens == 7  # type: ignore[union-attr]
    assert len(journal.entries()) == 3
    assert len(service.batches) == 1


def test_only_what_is_not_known_is_in_the_batch(service: Service, sweep: Any) -> None:
    run_batch(sweep(over=["x"]), wait=0.01)
    service.looks = 0
    runs = run_batch(sweep(over=["x", "y"]), wait=0.01)
    assert [line["body"]["messages"][-1]["content"] for line in service.lines] == ["y?"]
    assert [run.text for run in runs] == ["said x?", "said y?"]
    run_batch(sweep(over=["x", "y"]), wait=0.01)
    assert len(service.batches) == 2, "where all is known no batch is begun"


def test_a_batch_that_is_left_is_gone_on_with_by_another_process(service: Service, sweep: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    def told(state: BatchState) -> None:
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_batch(sweep(), told=told, wait=0.01)
    runs = run_batch(sweep(), wait=0.01)  # nothing of the first is left but what is on disk
    assert [run.ok for run in runs] == [True] * 3
    assert len(service.batches) == 1


def test_what_fails_in_a_batch_is_an_error_of_its_run_alone(service: Service, sweep: Any) -> None:
    service.refuse = "y?"
    runs = run_batch(sweep(), wait=0.01)
    assert [run.error for run in runs] == ["", "too long for the model", ""]
    assert [run.text for run in runs] == ["said x?", "", "said z?"]


def test_a_batch_that_can_not_be_is_one_line(service: Service, sweep: Any, tmp_path: Path) -> None:
    for options, words in (
        ({"backend": "assistants"}, "not assistants"),
        ({"model": ""}, "give it with -m"),
        ({"tools": [print_it]}, "tools can't be called"),
        ({"vary": {"profile": ["a"]}}, "profiles can't be varied"),
    ):
        with pytest.raises(UsageError, match=words):
            run_batch(sweep(**options))
    assert not service.batches


def test_a_batch_that_expired_says_so(service: Service, sweep: Any) -> None:
    service.look = lambda batch_id: {"status": "expired"}  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="batch_0 expired"):
        run_batch(sweep(), wait=0.01)


def print_it() -> str:
    "Print."
    return ""
