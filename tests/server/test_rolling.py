"""Two servers on one store behind nginx: killed, and restarted one after the other, with streams in flight."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

pytestmark = [
    pytest.mark.proxy,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK, of the Assistants API
]
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Fleet:
    """Two servers, and nginx before them with the configuration that is shipped."""

    def __init__(self, folder: Path, upstream: str, until: Any) -> None:
        self.folder, self.upstream, self.until = folder, upstream, until
        self.ports = [free_port(), free_port()]
        self.servers: dict[int, subprocess.Popen[bytes]] = {}
        for port in self.ports:
            self.start(port)
        self.port = free_port()
        self.nginx = subprocess.Popen([shutil.which("nginx") or "", "-p", str(folder), "-c", self._configuration()])
        until(self._answers)
        self.client = openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="given", max_retries=4)

    def start(self, port: int) -> None:
        command = [sys.executable, "-m", "nbassist", "serve", "--port", str(port), "--upstream", self.upstream]
        command += ["--store", str(self.folder / "store.db"), "--proxy", "127.0.0.1"]
        self.servers[port] = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env={**os.environ, "NBASSIST_SERVE_TOKEN": "given"}
        )
        self.until(lambda: _is_healthy(port), seconds=60)

    def end(self, port: int, how: signal.Signals) -> None:
        self.servers[port].send_signal(how)
        self.servers[port].wait(30)

    def close(self) -> None:
        self.client.close()
        for process in (*self.servers.values(), self.nginx):
            process.terminate()
        for process in (*self.servers.values(), self.nginx):
            process.wait(30)

    def _answers(self) -> bool:
        assert self.nginx.poll() is None
        return _is_healthy(self.port)

    def _configuration(self) -> str:
        text = CONFIGURATION.read_text()
        for name, port in zip(("one", "two"), self.ports, strict=True):
            text = text.replace(f"server {name}:8700", f"server 127.0.0.1:{port}")
        text = text.replace("listen 8700", f"listen 127.0.0.1:{self.port}")
        assert not re.search(r"\b8700\b", text)
        own = f"daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        paths += f"client_body_temp_path {self.folder}/body; access_log off;"
        text = own + text.replace("http {", f"http {{ {paths}")
        path = self.folder / "nginx.conf"
        path.write_text(text)
        return str(path)


def _is_healthy(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
def fleet(tmp_path: Path, upstream: Any, until: Any) -> Iterator[Fleet]:
    assert shutil.which("nginx"), "nginx is not installed: `make proxy` does it, and -m 'not proxy' goes without"
    found = Fleet(tmp_path, upstream.url, until)
    yield found
    found.close()


def test_a_rolling_restart_loses_no_thread_and_tells_each_stream_its_end(fleet: Fleet, upstream: Any) -> None:
    upstream.otherwise = [*upstream.otherwise[:1], 0.3, *upstream.otherwise[1:]]
    beta = fleet.client.beta
    assistant = beta.assistants.create(model="m", instructions="Answer.").id
    ended: list[str] = []
    threads: list[str] = []
    done = threading.Event()

    def talk() -> None:
        while not done.is_set():
            thread = beta.threads.create(messages=[{"role": "user", "content": "Hi"}]).id
            threads.append(thread)
            with beta.threads.runs.create(thread_id=thread, assistant_id=assistant, stream=True) as stream:
                names = [event.event for event in stream]
            ended.append(names[-1])

    talkers = [threading.Thread(target=talk) for _ in range(6)]
    for talker in talkers:
        talker.start()
    for port in fleet.ports:
        fleet.until(lambda before=len(ended): len(ended) > before + 6, seconds=60)
        fleet.end(port, signal.SIGTERM)
        fleet.start(port)
    done.set()
    for talker in talkers:
        talker.join(60)
    # Nothing but whole streams: each was answered, or told that its run has failed.
    assert set(ended) <= {"thread.run.completed", "thread.run.failed"}
    assert ended.count("thread.run.completed") > 12
    assert len(ended) == len(threads)
    upstream.otherwise = upstream.otherwise[:1] + upstream.otherwise[2:]
    for thread in threads[-12:]:
        beta.threads.messages.create(thread, role="user", content="Still there?")
        assert beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant).status == "completed"


def test_after_a_kill_the_other_server_ends_the_run_and_its_thread_goes_on(fleet: Fleet, upstream: Any) -> None:
    upstream.streams("begun", 600.0)
    upstream.streams("begun", 600.0)
    beta = fleet.client.beta
    assistant = beta.assistants.create(model="m", instructions="Answer.").id
    runs = []
    for port in fleet.ports:
        thread = beta.threads.create(messages=[{"role": "user", "content": "Hi"}]).id
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="given") as client:
            runs.append(client.beta.threads.runs.create(thread_id=thread, assistant_id=assistant))
    fleet.until(lambda: len(upstream.requests) == 2)
    killed, other = fleet.ports
    fleet.end(killed, signal.SIGKILL)

    def statuses() -> set[str]:
        return {beta.threads.runs.retrieve(run.id, thread_id=run.thread_id).status for run in runs}

    fleet.until(lambda: "failed" in statuses(), seconds=60)
    fleet.end(other, signal.SIGTERM)
    fleet.start(killed)
    fleet.until(lambda: statuses() == {"failed"}, seconds=60)
    for run in runs:
        beta.threads.messages.create(run.thread_id, role="user", content="Again?")
        again = beta.threads.runs.create_and_poll(thread_id=run.thread_id, assistant_id=assistant)
        assert again.status == "completed"
