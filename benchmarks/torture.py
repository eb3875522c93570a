"""The long part: what must hold, many times over: python benchmarks/torture.py [--quick] [PART ...]

Interrupts, kills, cells, a long reply, a long thread, many clients, a full disk, a database that goes. Each part counts
what held, and fails where anything did not. With `--keep` the figures go into benchmarks/RESULTS.md, with date and
commit.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import queue
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "RESULTS.md"
PARTS: dict[str, Callable[[bool], str]] = {}


def part(function: Callable[[bool], str]) -> Callable[[bool], str]:
    """Make a function one of the parts; it returns its figures in a line, and raises where something did not hold."""
    PARTS[function.__name__.replace("_", "-")] = function
    return function


class Model:
    """A chat endpoint on loopback: says the words of the prompt's last line, or so many characters, at a pace."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:  # the name that http.server looks for
                self._send(json.dumps({"data": [{"id": "m"}]}).encode(), "application/json")

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                model.bodies.append(body)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                try:
                    for delta, finish in model.says(body["messages"]):
                        chunk = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
                        self._piece(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                    self._piece(b"data: [DONE]\n\n")
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    self.close_connection = True

            def _piece(self, data: bytes) -> None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()

            def _send(self, data: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Say nothing: a client that is killed or interrupted closes its connection as it can."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def says(self, messages: list[Any]) -> Any:
        last = messages[-1]
        text = last["content"] if isinstance(last["content"], str) else last["content"][-1].get("text", "")
        word, _, rest = text.rpartition("\n")[2].partition(" ")
        if last["role"] == "user" and word == "CALL":
            function = {"name": "slowly", "arguments": "{}"}
            call = {"index": 0, "id": f"c{time.time_ns()}", "type": "function", "function": function}
            yield {"content": "Let me see. "}, None
            time.sleep(0.05)
            yield {"tool_calls": [call]}, None
            yield {}, "tool_calls"
        elif word == "LONG":
            line = "word and word again, " * 9 + "\n\n"
            for _ in range(int(rest) // len(line)):
                yield {"content": line}, None
            yield {}, "stop"
        else:
            for n in range(8):
                time.sleep(0.03 if word == "SLOW" else 0)
                yield {"content": f"w{n} "}, None
            yield {}, "stop"


SETUP = """%load_ext nbassist
from nbassist import tool
import asyncio
@tool
async def slowly() -> int:
    "Take a while."
    await asyncio.sleep(0.2)
    return 1
"""


class Kernel:
    """A kernel that asks the model, with a folder of its own."""

    def __init__(self, model: Model, folder: str, **environ: str) -> None:
        self.environ = {
            **os.environ,
            "NBASSIST_BASE_URL": model.url,
            "NBASSIST_BACKEND": "chat",
            "NBASSIST_MODEL": "m",
            "NBASSIST_API_KEY": "k",
            "NBASSIST_DATA_DIR": folder,
            "NBASSIST_CONFIG_DIR": folder,
            "IPYTHONDIR": folder,
            "JPY_SESSION_NAME": f"{folder}/n.ipynb",
            **environ,
        }
        self.begin()

    def begin(self) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        assert not self.run(SETUP)[1]

    def run(self, code: str, at: tuple[float, ...] = (), seconds: float = 120) -> tuple[str, str, str]:
        """Run a cell, interrupt it at these seconds, and return its output, the name of its error, and its line."""
        asked, began, times = self.client.execute(code), time.monotonic(), list(at)
        out, error, line = "", "", ""
        while True:
            if times and time.monotonic() - began >= times[0]:
                times.pop(0)
                self.manager.interrupt_kernel()
            assert time.monotonic() - began < seconds, f"no end of {code[:60]!r}"
            try:
                message = self.client.get_iopub_msg(timeout=0.005 if times else 0.2)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                out += content["text"]
            elif kind in ("display_data", "update_display_data", "execute_result"):
                out += content["data"].get("text/plain", "")
            elif kind == "error":
                error, line = content["ename"], "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                return out, error, line

    def kill(self) -> None:
        os.kill(self.manager.provisioner.process.pid, signal.SIGKILL)
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def valid(messages: list[Any]) -> bool:
    """Whether every call in a history is answered, in its place, and is whole."""
    opened: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in opened:
                return False
            opened.remove(message["tool_call_id"])
        elif opened:
            return False
        for call in message.get("tool_calls") or []:
            json.loads(call["function"]["arguments"])
            opened.append(call["id"])
    return not opened


@part
def interrupts(quick: bool) -> str:
    model, raw, late, broken = Model(), 0, 0, 0
    total = 20 if quick else 200
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(model, folder)
        chance = random.Random(1)
        for n in range(total):
            first = chance.uniform(0.02, 0.6)
            at = (first, first + chance.choice((0.001, 0.004, 0.02))) if n % 2 else (first,)
            _, error, line = kernel.run("%%assistant\n" + ("CALL" if n % 3 else "SLOW"), at)
            if error == "KeyboardInterrupt" or len(line.splitlines()) > 1:
                # Where no line of ours is in it the magic was over, and IPython was ending the cell.
                raw, late = raw + ("/nbassist/" in line), late + ("/nbassist/" not in line)
            broken += bool(model.bodies) and not valid(model.bodies[-1]["messages"])
        out, error, _ = kernel.run("%%assistant\nhello")
        kernel.close()
    assert not raw, f"{raw} of {total} with a raw traceback"
    assert not broken, f"{broken} of {total} histories broken"
    assert "w7" in out, error
    after = f", {late} after the magic, in IPython's own code" if late else ""
    return (
        f"{total} interrupts, half of them double: {total - late} in one line{after}; {total} valid histories, the "
        "thread goes on"
    )


@part
def kills(quick: bool) -> str:
    model, kept, lost = Model(), 0, 0
    total = 4 if quick else 100
    chance = random.Random(2)
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(model, folder)
        for n in range(total):
            name = f"t{n}"
            kernel.run(f"%%assistant -t {name}\nfirst {n}")
            kernel.client.execute(f"%%assistant -t {name}\n" + ("CALL" if n % 2 else "SLOW"))
            time.sleep(chance.uniform(0.0, 0.5))
            kernel.kill()
            kernel.begin()
            out = kernel.run(f"%%assistant -t {name}\nagain")[0]
            history = model.bodies[-1]["messages"]
            good = "w7" in out and valid(history) and any(f"first {n}" in str(m["content"]) for m in history)
            kept += good
            lost += not good
        kernel.close()
    assert not lost, f"{lost} of {total} lost what was acknowledged, or could not go on"
    return f"{total} kills in the middle of a run: {kept} threads go on with all that was acknowledged"


@part
def cells(quick: bool) -> str:
    model = Model()
    total = 40 if quick else 500
    memory = "import resource; resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(model, folder)
        seen: list[int] = []
        for n in range(total):
            out, error, _ = kernel.run(f"%%assistant -t t{n % 14}\nhello {n}")
            assert "w7" in out, error
            if n + 1 in (total // 10, total):
                seen.append(int(kernel.run(memory)[0]))
        threads = int(kernel.run("import threading; threading.active_count()")[0])
        kernel.close()
    grown = (seen[1] - seen[0]) / 1024
    assert grown < 60 + total * 0.05, f"{grown:.0f} MB more"
    return f"{total} cells on 14 threads: {grown:.0f} MB more at the end than after a tenth of them, {threads} threads"


@part
def long_reply(quick: bool) -> str:
    model, size = Model(), 500_000 if quick else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(model, folder, NBASSIST_DISPLAY="live")
        began = time.monotonic()
        _, error, _ = kernel.run(f"%%assistant --to r\nLONG {size}", seconds=1800)
        took = time.monotonic() - began
        length = int(kernel.run("len(r.text)")[0])
        after = time.monotonic()
        kernel.run(f"%%assistant\nLONG {size}", (1.0,), seconds=1800)
        heard = time.monotonic() - after - 1.0
        kernel.close()
    assert not error, error
    assert length > 0.95 * size
    return f"a reply of {size / 1e6:g} MB in {took:.0f} s; one more was interrupted, and had ended {heard:.1f} s later"


@part
def long_thread(quick: bool) -> str:
    from nbassist import Assistant
    from nbassist.core.messages import Message, Text

    model, total = Model(), 400 if quick else 4_000
    assistant = Assistant(base_url=model.url, backend="chat", model="m", api_key="k")
    for n in range(total):
        assistant.threads["main"].messages.append(
            Message("user" if n % 2 == 0 else "assistant", (Text(f"message {n}"),))
        )
    began = time.monotonic()
    reply = assistant.ask("and now?")
    assert reply.text.startswith("w0"), reply
    assert len(model.bodies[-1]["messages"]) >= total
    return f"a thread of {total:,} messages: the next turn took {time.monotonic() - began:.2f} s"


def _server(folder: str, model: Model, store: str = "") -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "nbassist", "serve", "--upstream", model.url, "--store"]
    process = subprocess.Popen(
        [*command, store or f"sqlite:///{folder}/s.db"],
        env={**os.environ, "NBASSIST_SERVE_TOKEN": "token"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _ask(url: str, method: str, path: str, body: Any = None, seconds: float = 60) -> tuple[int, str]:
    host = url.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host, timeout=seconds)
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    try:
        connection.request(method, f"/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# In a process of its own: what is measured is the server, not the threads of the other clients and of the model here.
ANOTHER_CLIENT = """
import http.client, sys, threading, time
asked = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), asked.set()), daemon=True).start()
longest = 0.0
while not asked.wait(0.05):
    began = time.monotonic()
    connection = http.client.HTTPConnection(sys.argv[1], timeout=60)
    connection.request("GET", "/v1/assistants", headers={"Authorization": "Bearer token"})
    assert connection.getresponse().status == 200
    connection.close()
    longest = max(longest, time.monotonic() - began)
print(longest)
"""


@part
def clients(quick: bool) -> str:
    import socket

    model, total = Model(), 8 if quick else 64
    with tempfile.TemporaryDirectory() as folder:
        process, url = _server(folder, model)
        try:
            host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
            silent = [socket.create_connection((host, int(port))) for _ in range(300)]
            assistant = json.loads(_ask(url, "POST", "/assistants", {"model": "m"})[1])["id"]
            big: Any = {"messages": [{"role": "user", "content": "x"}] * 400_000}
            greedy = threading.Thread(target=lambda: _ask(url, "POST", "/threads", big))
            greedy.start()
            another = subprocess.Popen(
                [sys.executable, "-c", ANOTHER_CLIENT, f"{host}:{port}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            done: list[bool] = []

            def one() -> None:
                thread = {"messages": [{"role": "user", "content": "SLOW"}]}
                run = {"assistant_id": assistant, "stream": True, "thread": thread}
                done.append("thread.run.completed" in _ask(url, "POST", "/threads/runs", run)[1])

            workers = [threading.Thread(target=one) for _ in range(total)]
            for worker in workers:
                worker.start()
            for worker in [*workers, greedy]:
                worker.join()
            longest = float(another.communicate("")[0])
            for one_silent in silent:
                one_silent.close()
            assert done == [True] * total, f"{done.count(False)} of {total} runs did not complete"
            began = time.monotonic()
            process.terminate()
            process.wait(30)
            ended = time.monotonic() - began
        finally:
            process.kill()
    assert longest < 1, f"another client waited {longest:.2f} s"
    assert ended < 5, f"SIGTERM took {ended:.1f} s"
    return (
        f"{total} clients beside 300 silent sockets and a body of 400,000 messages: all runs complete, another request "
        f"waited at most {longest:.2f} s; SIGTERM ended the server in {ended:.1f} s"
    )


@part
def full_disk(quick: bool) -> str:
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(model, folder)
        kernel.run("%%assistant\nhello")
        # What is left of it would else be written, and warned of, between two cells, when no byte can be any more.
        written = "__import__('nbassist.journal', fromlist=['x']).default_journal().flush(60)"
        kernel.run(written)
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, {resource.RLIM_INFINITY}))"
        kernel.run(limit)
        replies, warned = 0, 0
        for n in range(3 if quick else 20):
            out, error, _ = kernel.run(f"%%assistant\nhello {n}")
            replies += "w7" in out and not error
            warned += (out + kernel.run(written)[0]).count("RuntimeWarning")
        kernel.close()
    assert replies == (3 if quick else 20)
    assert warned == 1, f"{warned} warnings"
    return f"a disk on which no byte can be written: {replies} replies of {replies}, {warned} warning"


@part
def postgres_stopped(quick: bool) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        return "PostgreSQL is not installed: not tried"
    programs, model = found[-1].parent, Model()
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        user: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
        os.chmod(folder, 0o777)
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
        data = f"{folder}/data"
        subprocess.run([programs / "initdb", "-D", data, "-U", "t", "-A", "trust", "--no-sync"], check=True, **quiet)
        command = [programs / "postgres", "-D", data, "-c", "listen_addresses=", "-c", "fsync=off", "-k", folder]

        def begin() -> subprocess.Popen[bytes]:
            started = subprocess.Popen(command, **quiet)
            for _ in range(200):
                if Path(folder, ".s.PGSQL.5432").exists():
                    time.sleep(0.5)
                    return started
                time.sleep(0.05)
            raise AssertionError("PostgreSQL did not start")

        database = begin()
        process, url = _server(folder, model, f"postgresql+psycopg://t@/postgres?host={folder}")
        try:
            assistant = json.loads(_ask(url, "POST", "/assistants", {"model": "m"})[1])["id"]
            run = {"assistant_id": assistant, "thread": {"messages": [{"role": "user", "content": "SLOW"}]}}
            _ask(url, "POST", "/threads/runs", run)
            database.send_signal(signal.SIGINT)
            database.wait(30)
            status, words = _ask(url, "GET", "/assistants")
            assert status == 503, words
            assert "Traceback" not in words
            database = begin()
            for _ in range(100):
                if _ask(url, "GET", "/assistants")[0] == 200:
                    break
                time.sleep(0.2)
            answered = _ask(url, "POST", "/threads/runs", {**run, "stream": True})[1]
            assert "thread.run.completed" in answered
        finally:
            process.kill()
            database.send_signal(signal.SIGINT)
            database.wait(30)
    return "PostgreSQL stopped in the middle of a run: 503 in one line while it was gone, and runs complete after it"


def keep(lines: list[str]) -> None:
    """Put the figures into RESULTS.md, newest first."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    head = "# What the long tests found\n\nWritten by `make torture`, the newest first.\n"
    before = RESULTS.read_text(encoding="utf-8").removeprefix(head) if RESULTS.exists() else ""
    now = datetime.date.today().isoformat()
    block = f"\n## {now}, {commit}, {os.cpu_count()} cores\n\n" + "".join(f"- {line}\n" for line in lines)
    RESULTS.write_text(head + block + before, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--keep", action="store_true", help="write the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    failed, lines = 0, []
    for name, run in PARTS.items():
        if options.parts and name not in options.parts:
            continue
        began = time.monotonic()
        try:
            line = run(options.quick)
        except AssertionError as error:
            failed += 1
            line = f"**{name} did not hold**: {error}"
        lines.append(line)
        print(f"{name} ({time.monotonic() - began:.0f} s): {line}", flush=True)
    if options.keep:
        keep(lines)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
