"""An endpoint of Chat Completions for other programs: it calls the first tool it is offered, once, and answers.

python scripted_upstream.py        prints its base URL, and serves until it is ended
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def arguments_for(schema: dict[str, Any]) -> dict[str, Any]:
    """Values for what a tool requires, by the types that its schema says."""
    samples: dict[str, Any] = {"string": "orders", "integer": 2, "number": 2.5, "boolean": True}
    wanted = schema.get("required") or list(schema.get("properties", {}))
    return {name: samples.get(schema["properties"][name].get("type", "string"), "orders") for name in wanted}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The delta of the whole reply: a call where tools are offered and none was called since the person spoke."""
    roles = [message["role"] for message in body["messages"]]
    since = (
        body["messages"][max(index for index, role in enumerate(roles) if role == "user") :] if "user" in roles else []
    )
    outputs = [message["content"] for message in since if message["role"] == "tool"]
    if body.get("tools") and not outputs:
        function = body["tools"][0]["function"]
        arguments = json.dumps(arguments_for(function.get("parameters") or {}))
        call = {"index": 0, "id": f"call_{len(roles)}", "type": "function"}
        return {"tool_calls": [{**call, "function": {"name": function["name"], "arguments": arguments}}]}
    return {"content": f"The tool said: {outputs[-1]}" if outputs else "Hello from the upstream."}


class Handler(BaseHTTPRequestHandler):
    """Lists one model, and streams."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(
            json.dumps({"object": "list", "data": [{"id": "house", "object": "model"}]}).encode(), "application/json"
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        delta = answer(body)
        reason = "tool_calls" if "tool_calls" in delta else "stop"
        chunks = [
            {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            {**chunk, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}},
        ]
        events = "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"
        self._send(events.encode(), "text/event-stream")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()
