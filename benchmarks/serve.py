"""The embedded server beside its bare upstream: time to the first delta, and runs (or replies) a second.

    python benchmarks/serve.py [--quick] [--store URL] [--tokens N]

The upstream is a scripted one in a process of its own, which streams as fast as it is read; the server runs in another.
So the difference between the two rows of a number of clients is what the server adds: HTTP, the store, the events.
Each client keeps its connection and sends one request after the other; what it reads is a whole stream each time.
The rows of a number of clients are measured in turn, five times, and what is shown is the middle one of the five, and
of their ratios: a machine that others use is faster at one moment than at the next.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

TOKEN = "benchmark"
ROUNDS = 5
UPSTREAM = """
import asyncio, json, sys
import uvicorn

tokens = int(sys.argv[1])
chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
delta = {**chunk, "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
end = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
usage = {**chunk, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": tokens}}
event = lambda body: b"data: " + json.dumps(body).encode() + b"\\n\\n"
piece, last = event(delta), event(end) + event(usage) + b"data: [DONE]\\n\\n"

async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(tokens):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": last})

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}/v1", flush=True)

Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off")).run()
"""
SERVER = """
import asyncio, sys
from nbassist.server.config import ServerLimits, ServerConfig
from nbassist.server.serve import loop_factory, serve
from nbassist.server.runs.upstream import UrlUpstream

config = ServerConfig(sys.argv[1], sys.argv[2], UrlUpstream(sys.argv[3]), ServerLimits(active_runs=256))
with asyncio.Runner(loop_factory=loop_factory()) as runner:
    runner.run(serve(config, "127.0.0.1", 0, lambda url: print(url, flush=True)))
"""


def start(program: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a program; return it and the URL on its first line."""
    command = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def read_stream(http: httpx2.AsyncClient, path: str, body: Any, sign: str) -> float:
    """Read a stream to its end; return the seconds until the first piece with `sign` in it."""
    began, first = time.perf_counter(), 0.0
    async with http.stream("POST", path, json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not first and sign in line:
                first = time.perf_counter() - began
    return first


async def measure(clients: int, seconds: float, once: Callable[[], Awaitable[float]]) -> dict[str, float]:
    """Have so many clients call `once` again and again; return the rate and the times to the first delta."""
    await asyncio.gather(*(once() for _ in range(clients)))  # connections and caches
    firsts: list[float] = []
    began = time.perf_counter()

    async def client() -> None:
        while time.perf_counter() - began < seconds:
            firsts.append(await once())

    await asyncio.gather(*(client() for _ in range(clients)))
    took = time.perf_counter() - began
    firsts.sort()
    return {
        "per_second": round(len(firsts) / took, 1),
        "first_delta_ms_median": round(statistics.median(firsts) * 1000, 1),
        "first_delta_ms_p95": round(firsts[int(len(firsts) * 0.95)] * 1000, 1),
        "count": len(firsts),
    }


async def compare(upstream: str, server: str, clients: list[int], seconds: float) -> list[dict[str, Any]]:
    """Measure all ways in turn, for each number of clients, and set each beside the upstream alone."""
    rows: list[dict[str, Any]] = []
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=256)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(timeout=120, limits=limits, headers=headers) as http:
        made = await http.post(f"{server}/assistants", json={"model": "m"})
        assistant = made.json()["id"]
        chat = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        thread = {"messages": [{"role": "user", "content": "Hi"}]}
        run = {"assistant_id": assistant, "stream": True, "thread": thread}
        ways: dict[str, tuple[str, Any, str]] = {
            "upstream alone": (f"{upstream}/chat/completions", chat, '"word '),
            "passed through": (f"{server}/chat/completions", chat, '"word '),
            "runs": (f"{server}/threads/runs", run, "thread.message.delta"),
        }
        for number in clients:
            rounds: list[dict[str, dict[str, float]]] = []
            for _ in range(ROUNDS):
                rounds.append({})
                for name, asked in ways.items():
                    rounds[-1][name] = await measure(
                        number, seconds / ROUNDS, lambda asked=asked: read_stream(http, *asked)
                    )
            rows += [summary(number, name, rounds) for name in ways]
            print(*map(line, rows[-len(ways) :]), sep="\n", flush=True)
    return rows


def summary(clients: int, way: str, rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Return the medians of the rounds of one way, and of its ratios to the upstream alone in the same round."""
    row: dict[str, Any] = {"clients": clients, "way": way}
    for name in ("per_second", "first_delta_ms_median", "first_delta_ms_p95"):
        row[name] = statistics.median(each[way][name] for each in rounds)
        ratios = [each[way][name] / each["upstream alone"][name] for each in rounds]
        row[f"{name}_to_upstream"] = round(statistics.median(ratios), 3)
    return {**row, "count": sum(each[way]["count"] for each in rounds)}


def line(row: dict[str, Any]) -> str:
    """Return a row as it is printed."""
    return (
        f"{row['clients']:>3} clients  {row['way']:<15} {row['per_second']:>7.1f} a second "
        f"({row['per_second_to_upstream']:>4.0%})   first delta {row['first_delta_ms_median']:>7.1f} ms "
        f"({row['first_delta_ms_median_to_upstream']:.1f} times; 95%: {row['first_delta_ms_p95']:.1f} ms)"
    )


def main() -> None:
    """Run the benchmark, print a table, and as the last line the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seconds for each row in place of fifteen")
    parser.add_argument("--store", default="", help="URL of the store; a new SQLite file by default")
    parser.add_argument("--tokens", type=int, default=100, help="deltas in each reply")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = options.store or f"sqlite:///{folder}/store.db"
        processes = []
        try:
            model, upstream = start(UPSTREAM, str(options.tokens))
            processes.append(model)
            ours, server = start(SERVER, TOKEN, store, upstream)
            processes.append(ours)
            rows = asyncio.run(compare(upstream, server, [1, 16, 64], 2.0 if options.quick else 15.0))
        finally:
            for process in processes:
                process.terminate()
                process.wait()
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
