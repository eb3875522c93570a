"""A server on loopback that plays one provider: it speaks as that does, and refuses what that refuses, in its words."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """One thing that a provider holds a request to.

    Parameters
    ----------
    name : str
        As it stands at the head of the table.
    look : callable
        Takes the body and what the provider said before, and yields each fault, an empty text for each thing that is as
        it has to be.
    refuses : bool
        Whether the provider refuses a request for it; else a fault is counted alone: the model loses what it thought.
    """

    name: str
    look: Callable[[Json, list[Said]], Iterator[str]]
    refuses: bool = True


@dataclass
class Said:
    """What a provider said in one turn, to be known again when it comes back.

    Parameters
    ----------
    text : str
        The answer; empty beside calls.
    calls : tuple of str
        The ids of its calls.
    state : dict
        What has to stand in the message that comes back, beside text and calls.
    beside : dict
        What has to stand beside each call that comes back, by its id.
    """

    text: str = ""
    calls: tuple[str, ...] = ()
    state: Json = field(default_factory=dict)
    beside: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One provider as it is played.

    Parameters
    ----------
    name : str
        As it stands in the table.
    path : str
        Where it is asked, behind `/v1`.
    backend : str
        The protocol.
    row : str
        The row of nbassist's table of providers that fits it; empty where there is none.
    model : str
        One that tells nothing of itself, so that only the row does.
    rules : tuple of Rule
        What it refuses otherwise.
    speak : callable
        Takes the number of the turn, the body, and whether calls are to be made; returns the bytes of the
        answer and what was said.
    refuse : callable
        Takes a fault, returns a status and the body that tells it.
    malformed : bool
        Whether its models write arguments now and then that are no JSON.
    """

    name: str
    path: str
    backend: str
    row: str
    rules: tuple[Rule, ...]
    speak: Callable[[int, Json, bool], tuple[list[bytes], Said]]
    refuse: Callable[[str], tuple[int, Any]]
    model: str = "m"


class Stage:
    """Plays a part until it is closed; `held` and `broken` count by the names of the rules."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.held: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.faults: list[str] = []
        self.refused = 0
        self.said: list[Said] = []
        self.requests: list[Json] = []
        stage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, pieces = stage.answer(self.path, body)
                kind = "text/event-stream" if status == 200 else "application/json"
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                if not isinstance(sys.exception(), ConnectionError):  # the client let its connection go
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, path: str, body: Json) -> tuple[int, list[bytes]]:
        """Look at a request; answer it, or refuse it for the first fault."""
        self.requests.append(body)
        faults = []
        for rule in self.part.rules:
            for fault in rule.look(body, self.said):
                (self.broken if fault else self.held)[rule.name] += 1
                faults += [fault] if fault and rule.refuses else []
        if not path.endswith(self.part.path):
            faults.append(f"there is nothing at {path}")
        if faults:
            self.refused += 1
            self.faults += faults
            status, answer = self.part.refuse(faults[0])
            return status, [json.dumps(answer).encode()]
        pieces, said = self.part.speak(len(self.said), body, _wants_calls(body))
        self.said.append(said)
        return 200, pieces

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _wants_calls(body: Json) -> bool:
    """Whether this is the first request of a cell with tools: the model then calls them, and else it answers."""
    history = body.get("messages") or body.get("input") or [{}]
    return bool(body.get("tools")) and body.get("tool_choice") != "none" and history[-1].get("role") == "user"


def sse(chunks: Iterable[Json]) -> list[bytes]:
    """Return the bytes of a Chat Completions stream."""
    return [*(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks), b"data: [DONE]\n\n"]


def named(events: Iterable[Json]) -> list[bytes]:
    """Return the bytes of a Responses stream."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def delta(finish: str | None = None, **content: Any) -> Json:
    """Return one chunk of Chat Completions."""
    choice = {"index": 0, "delta": content, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
