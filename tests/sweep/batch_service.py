"""The files and batches of an endpoint on loopback, as OpenAI's Batch API has them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def chat_body(line: dict[str, Any]) -> dict[str, Any]:
    said = f"said {line['body']['messages'][-1]['content']}"
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "c", "object": "chat.completion", "model": line["body"]["model"], "choices": [choice], "usage": usage}


def responses_body(line: dict[str, Any]) -> dict[str, Any]:
    said = f"said {line['body']['input'][-1]['content']}"
    content = [{"type": "output_text", "text": said, "annotations": []}]
    item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": content}
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    return {
        "id": "r",
        "object": "response",
        "status": "completed",
        "model": line["body"]["model"],
        "output": [item],
        "usage": usage,
    }


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

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
