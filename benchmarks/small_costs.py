"""What a cell costs beside what the model takes: python benchmarks/small_costs.py [--quick]

Ours, a bare loop over the SDK with `print`, and chatlas, each in a kernel of its own, asking the same endpoint on
loopback, which writes 1,000 tokens at about 1,000 a second. All clocks are the machine's one monotonic clock. Printed
are medians: from sending the cell to the request's arrival (the first cell of a new kernel at once, with all imports;
the first cell of one that rested for two seconds after its set-up; later ones), from the first token's being sent until
a message with it leaves the kernel, and the kernel's processor time for the whole cell. One kernel for each side comes
before those that count: Python keeps what it compiles.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

from jupyter_client.manager import KernelManager

TOKENS = 1_000
RESTED = 2.0
"""Seconds between the set-up and the first cell, as a person takes to write a prompt."""
FIRST = "firstword"
PROMPT = "Count."
SIDES = {
    "nbassist": ("%load_ext nbassist", f"%%assistant\n{PROMPT}"),
    "bare SDK loop": (
        "",
        "import openai\n"
        f"asked = openai.OpenAI().chat.completions.create(model='m', stream=True, messages=[{{'role': 'user',"
        f" 'content': '{PROMPT}'}}])\n"
        "for chunk in asked:\n"
        "    if chunk.choices and chunk.choices[0].delta.content:\n"
        "        print(chunk.choices[0].delta.content, end='', flush=True)",
    ),
    "chatlas": (
        "",
        "from chatlas import ChatOpenAICompletions\n"
        "chat = ChatOpenAICompletions(base_url=os.environ['OPENAI_BASE_URL'], api_key='x', model='m')\n"
        f"_ = chat.chat('{PROMPT}')",
    ),
}


class Endpoint:
    """Writes the same reply to each request, and keeps when each came and when its first token was sent."""

    def __init__(self) -> None:
        self.came: list[float] = []
        self.sent: list[float] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_POST(self) -> None:  # the name that http.server looks for
                endpoint.came.append(time.monotonic())
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                self.wfile.flush()
                time.sleep(0.05)
                for number in range(TOKENS):
                    if number == 0:
                        endpoint.sent.append(time.monotonic())
                    elif number % 10 == 0:
                        time.sleep(0.01)
                    self._chunk({"content": FIRST if number == 0 else f" word{number}"})
                self._chunk({}, "stop")
                self.wfile.write(b"data: [DONE]\n\n")

            def _chunk(self, delta: dict[str, str], finish: str | None = None) -> None:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
                self.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Kernel:
    """A kernel whose messages are timed as they leave it."""

    def __init__(self, url: str, folder: str) -> None:
        self.manager = KernelManager()
        names = {"NBASSIST_BASE_URL": url, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "x"}
        names |= {"NBASSIST_BACKEND": "chat", "NBASSIST_MODEL": "m"}
        # As Jupyter Server says of a notebook: in a frontend that is not known a reply comes once, when it is whole.
        names |= {"JPY_SESSION_NAME": f"{folder}/notebook.ipynb"}
        names |= dict.fromkeys(("NBASSIST_DATA_DIR", "NBASSIST_CONFIG_DIR", "IPYTHONDIR"), folder)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.manager.start_kernel(env={**inherited, **names}, stderr=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run("import os, time")

    def run(self, code: str) -> tuple[float, float, str]:
        """Run a cell; return when it was sent, when the first word was seen (0 for never), and what was printed."""
        began = time.monotonic()
        request = self.client.execute(code)
        seen, printed = 0.0, ""
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=60)
            except queue.Empty as error:
                raise SystemExit(f"the kernel says nothing more: {code}") from error
            content = message["content"]
            if message["msg_type"] == "error":
                raise SystemExit(f"{code}\n{content['ename']}: {content['evalue']}")
            if not seen and message["msg_type"] != "execute_input" and FIRST in json.dumps(content, default=str):
                seen = time.monotonic()
            if message["msg_type"] == "stream":
                printed += content["text"]
            idle = message["msg_type"] == "status" and content["execution_state"] == "idle"
            if idle and message["parent_header"].get("msg_id") == request:
                return began, seen, printed

    def processor_seconds(self) -> float:
        """Return the processor time of the kernel so far, all threads together."""
        return float(self.run("print(time.process_time())")[2])

    def close(self) -> None:
        """Shut it down."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def measure(side: str, rounds: int, kernels: int) -> dict[str, float]:
    """Return the figures of one side, in milliseconds."""
    endpoint = Endpoint()
    setup, cell = SIDES[side]
    cold: dict[float, list[float]] = {0.0: [], RESTED: []}
    found: dict[str, list[float]] = {"request": [], "visible": [], "kernel": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        turns = [(number, rest) for number in range(kernels + 1) for rest in cold]
        for number, rest in turns:
            kernel = Kernel(f"http://127.0.0.1:{endpoint.server.server_port}/v1", folder)
            if setup:
                kernel.run(setup)
            time.sleep(rest)
            first = kernel.run(cell)[0]
            cold[rest].append(endpoint.came[-1] - first)
            if (number, rest) != turns[-1]:
                kernel.close()
        for _ in range(rounds):
            before = kernel.processor_seconds()
            began, seen, _ = kernel.run(cell)
            found["kernel"].append(kernel.processor_seconds() - before)
            found["request"].append(endpoint.came[-1] - began)
            found["visible"].append(seen - endpoint.sent[-1])
        kernel.close()
    endpoint.server.shutdown()
    found["first"], found["rested"] = cold[0.0][1:], cold[RESTED][1:]
    return {name: statistics.median(values) * 1000 for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 cells and 3 kernels in place of 11 and 7")
    rounds, kernels = (3, 3) if parser.parse_args().quick else (11, 7)
    for heads in (
        ("milliseconds, medians", "first cell", "after 2 s", "later cell", "first", "kernel"),
        ("", "to request", "to request", "to request", "visible", "1,000 tok."),
    ):
        print(f"{heads[0]:<32}" + "".join(f"{head:>12}" for head in heads[1:]))
    for side in SIDES:
        if side == "chatlas" and find_spec("chatlas") is None:
            print(f"{side:<32}  not installed")
            continue
        found = measure(side, rounds, kernels)
        print(
            f"{side:<32}"
            + "".join(f"{found[name]:12.1f}" for name in ("first", "rested", "request", "visible", "kernel"))
        )


if __name__ == "__main__":
    main()
