"""An endpoint of Chat Completions for other programs: it calls the first tool it is offered, once, and answers.

python scripted_upstream.py        prints its base URL, and serves until it is ended
"""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def arguments_for(schema: dict[str, Any]) -> dict[str, Any]:
    """Values for what a tool requires, by the types that its schema says."""
    samples: dict[str, Any] = {"string": "orders", "integer": 2, "number": 2.5, "boolean": True}
    wanted = schema.get("required") or list(schema.get("properties", {}))
    return {name: samples.get(schema["properties"][name].get("type", "string"), "orders") for name in wanted}


CODE = """import csv
from base64 import b64decode
from glob import glob
from IPython.display import Image, display

rows = sum(len(list(csv.DictReader(open(name)))) for name in glob("/mnt/data/*.csv"))
open("/mnt/data/count.txt", "w").write(str(rows))
display(Image(data=b64decode("iVBORw0KGgo="), format="png"))
print(f"orders has {rows} rows")"""
"""What it has the interpreter run: a table read, a file written, a picture shown, something printed."""
HOSTED = {"file_search": {"query": "How many rows has orders?"}, "code_interpreter": {"code": CODE}}
"""What it asks of the server's own tools."""


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The delta of the whole reply: a call where tools are offered and none was called since the person spoke.

    Of the server's own tools each is called, once; what was found is cited, and what was written is linked to.
    """
    roles = [message["role"] for message in body["messages"]]
    since = (
        body["messages"][max(index for index, role in enumerate(roles) if role == "user") :] if "user" in roles else []
    )
    outputs = [message["content"] for message in since if message["role"] == "tool"]
    offered = [tool["function"] for tool in body.get("tools") or ()]
    wanted = [function for function in offered if function["name"] in HOSTED] or offered[:1]
    if len(outputs) < len(wanted):
        function = wanted[len(outputs)]
        given = HOSTED.get(function["name"]) or arguments_for(function.get("parameters") or {})
        if "code" in given and "Draw nothing." in json.dumps(body["messages"]):
            given = {"code": "\n".join(line for line in CODE.splitlines() if not line.startswith("display("))}
        call = {"index": 0, "id": f"call_{len(roles)}", "type": "function"}
        return {"tool_calls": [{**call, "function": {"name": function["name"], "arguments": json.dumps(given)}}]}
    return {"content": " ".join(map(_said_of, outputs)) or "Hello from the upstream."}


def _said_of(output: str) -> str:
    """What is said of one output: of a search the passage it found, of code what it printed."""
    if found := re.search("(【[^】]*】)[^\n]*\n(.*)", output.partition("as it stands here.")[2]):
        return f"The file said: {found[2]}{found[1]}"
    if "sandbox:" in output:
        return f"The code said: {output.partition(chr(10))[0]} [count](sandbox:/mnt/data/count.txt)"
    return f"The tool said: {output}"


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
