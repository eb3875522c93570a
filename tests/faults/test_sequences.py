"""Random sequences on the real server and store: whatever comes before what, conversation and journal are right."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nbassist import Assistant
from nbassist.core.messages import ToolCall, ToolOutput
from nbassist.errors import NbassistError
from nbassist.journal import Journal
from nbassist.threads import Threads
from nbassist.threads.storage import ThreadStorage

LONG = bool(os.environ.get("NBASSIST_TORTURE"))


class Upstream:
    """A chat endpoint: `TOOL` calls one, `BROKEN` one that raises, `STOP` interrupts whoever asked in the middle."""

    def __init__(self) -> None:
        upstream = self
        self.main = threading.main_thread().ident

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                messages = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    for delta, finish in upstream.says(messages[-1]):
                        chunk = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
                        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                        self.wfile.flush()
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def says(self, last: Any) -> Any:
        text = last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]
        name = {"TOOL": "works", "BROKEN": "breaks"}.get(text) if last["role"] == "user" else None
        if name:
            function = {"name": name, "arguments": "{}"}
            yield {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}, None
            yield {}, "tool_calls"
            return
        yield {"content": "said: "}, None
        if text == "STOP":
            assert self.main is not None
            signal.pthread_kill(self.main, signal.SIGINT)
            threading.Event().wait(0.3)
        yield {"content": text}, None
        yield {}, "stop"


def works() -> int:
    """Work."""
    return 1


def breaks() -> int:
    """Break."""
    raise ValueError("broken")


class Sequences(RuleBasedStateMachine):
    """A person at a notebook, whose server and kernel die now and then."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.upstream = Upstream()
        self.server: subprocess.Popen[str] | None = None
        self.runs: list[tuple[str, str, str]] = []
        self.killed = 0
        self.start_server()
        self.start_kernel()

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self.journal.close()
            self.stop_server()
            self.upstream.server.shutdown()
            self.upstream.server.server_close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_server(self) -> None:
        command = [sys.executable, "-m", "nbassist", "serve", "--upstream", self.upstream.url, "--store"]
        self.server = subprocess.Popen(
            [*command, f"sqlite:///{self.folder}/s.db"],
            env={**os.environ, "NBASSIST_SERVE_TOKEN": "token"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.server.stdout is not None
        self.url = self.server.stdout.readline().strip()

    def stop_server(self) -> None:
        assert self.server is not None
        assert self.server.stdout is not None
        self.server.kill()
        self.server.wait(20)
        self.server.stdout.close()

    def start_kernel(self) -> None:
        self.threads = Threads(ThreadStorage(self.folder / "threads", "/n.ipynb"))
        self.journal = Journal(self.folder / "journal.db")
        self.assistant = Assistant(
            backend="assistants", base_url=self.url, api_key="token", model="m", tools=[works, breaks],
            threads=self.threads, journal=self.journal,
        )  # fmt: skip

    @rule(prompt=st.sampled_from(["hello", "TOOL", "BROKEN", "STOP"]))
    def ask(self, prompt: str) -> None:
        before = len(self.assistant.conversation.turns)
        reply = self.assistant.ask(prompt)
        self.runs.append((prompt, reply.finish, reply.text))
        if prompt == "STOP":
            assert reply.finish == "interrupted"
            assert "said: STOP".startswith(reply.text)
            return
        assert reply.finish == "completed"
        assert reply.text.startswith("said: ")
        assert len(self.assistant.conversation.turns) == before + 1
        if prompt != "hello":
            assert [bool(call.error) for call in reply.tool_calls] == [prompt == "BROKEN"]

    @precondition(lambda self: len(self.assistant.conversation.turns) > 1)
    @rule()
    def fork(self) -> None:
        self.threads.fork(1)

    @precondition(lambda self: self.assistant.conversation.turns)
    @rule()
    def undo(self) -> None:
        before = len(self.assistant.conversation.turns)
        self.threads.undo()
        assert len(self.assistant.conversation.turns) == before - 1

    @precondition(lambda self: LONG or not self.killed)
    @rule()
    def kill_server(self) -> None:
        self.killed += 1
        self.stop_server()
        with suppress(NbassistError):
            assert self.assistant.ask("while it is gone").finish == "failed"
        self.runs.append(("while it is gone", "failed", ""))
        self.start_server()
        current = self.threads.current
        self.journal.close()
        self.start_kernel()
        self.threads.use(current)

    @rule()
    def restart_kernel(self) -> None:
        current = self.threads.current
        self.journal.close()
        self.start_kernel()
        self.threads.use(current)

    @invariant()
    def every_conversation_is_valid_and_on_disk_as_it_is_here(self) -> None:
        again = Threads(ThreadStorage(self.folder / "threads", "/n.ipynb"))
        for name in self.threads.names():
            opened: list[str] = []
            for message in self.threads[name].messages:
                for part in message.parts:
                    if isinstance(part, ToolCall):
                        opened.append(part.id)
                    elif isinstance(part, ToolOutput):
                        opened.remove(part.call_id)
                assert message.role != "user" or not opened
            assert not opened
            if name in again.names():
                assert again[name].to_dict()["messages"] == self.threads[name].to_dict()["messages"]

    @invariant()
    def the_journal_has_every_run_as_it_was_told(self) -> None:
        assert [(one.prompt, one.finish, one.text) for one in self.journal.entries()] == self.runs


# One process of the server for each example, so few of them, unless there is time.
TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    max_examples=15 if LONG else 2,
    stateful_step_count=25 if LONG else 8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A sequence that fails takes minutes to make shorter, and says what it did as it is.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
