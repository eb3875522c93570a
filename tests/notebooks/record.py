"""Run the notebooks with the real local model, and keep their outputs and what the model wrote.

    python tests/notebooks/record.py [NOTEBOOK ...]            # with the model: new replies
    python tests/notebooks/record.py --replay [NOTEBOOK ...]   # without it: the kept replies, in today's look

The outputs go into the notebooks, the model's streams into `replies/`, and what nbassist made of them into a file
beside each notebook. The tests replay both, and compare every cell.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from nbassist.server.config import ServerConfig
from nbassist.server.engine.llama_cpp import Engine
from nbassist.server.runs.upstream import UrlUpstream
from nbassist.server.serve import serve

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent.parent / "notebooks"
REPLIES = HERE / "replies"
KEY = "key-of-the-recording"
ABOUT_ENDPOINTS = ("endpoints", "assistants_program")
"""Notebooks that need one: there is more to them than replies."""
_SECONDS = re.compile(r"\b(?:\d+ min )?\d+(?:\.\d+)? (?:ms|s)\b")


def model_server(answer: Callable[[str, bytes], bytes], model: str) -> ThreadingHTTPServer:
    """Return a Chat Completions endpoint on loopback whose streams come from `answer(path, body)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the names that http.server looks for
            self._send("application/json", json.dumps({"object": "list", "data": [{"id": model}]}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._send("text/event-stream", answer(self.path, body))

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def run(path: Path, upstream: UrlUpstream, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook against a server of its own, with nothing of the person's settings, and return it."""
    config = ServerConfig(KEY, f"sqlite:///{folder}/{path.stem}.db", upstream)
    urls: list[str] = []
    ready = threading.Event()

    def listening(url: str) -> None:
        urls.append(url)
        ready.set()

    threading.Thread(target=lambda: asyncio.run(serve(config, "127.0.0.1", 0, listening)), daemon=True).start()
    assert ready.wait(60)
    (folder / path.stem).mkdir()
    notebook = nbformat.read(path, as_version=4)
    os.environ.update(
        NBASSIST_BASE_URL=urls[0],
        NBASSIST_API_KEY=KEY,
        NBASSIST_DISPLAY="static",
        NBASSIST_EMBEDDINGS="none",  # whether the model for them is here must make no difference
        NBASSIST_BACKEND="assistants",
        NBASSIST_CONFIG_DIR=str(folder / path.stem / "config"),
        NBASSIST_DATA_DIR=str(folder / path.stem / "data"),
        IPYTHONDIR=str(folder / path.stem / "ipython"),
        NBASSIST_REPLIES=f"{path.stem}.replies.jsonl",
        # A sweep asks for what is not known yet; a single prompt, though asked before, is asked again.
        NBASSIST_CACHE="auto" if any("--over" in cell.source for cell in notebook.cells) else "refresh",
    )
    replies = path.with_suffix(".replies.jsonl")
    replies.unlink(missing_ok=True)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute()
    if path.stem in ABOUT_ENDPOINTS:
        replies.unlink(missing_ok=True)
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)  # times of this one run
        for output in cell.get("outputs", []):
            for kind, text in output.get("data", {}).items():
                output.data[kind] = _anywhere(text, urls[0], folder / path.stem / "config")
    return notebook


def _anywhere(text: str, url: str, config: Path) -> str:
    """Put in place of this run's server and folder what a reader sees who has set nothing."""
    text = text.replace(f"{url} (from NBASSIST_BASE_URL)", url).replace(url, "the embedded server")
    return text.replace("set (from NBASSIST_API_KEY)", "none").replace(str(config), "~/.config/nbassist")


def record(path: Path, engine: Engine, folder: Path) -> None:
    """Run a notebook with the model, and keep what it wrote."""
    streams: list[list[Any]] = []

    def answer(where: str, body: bytes) -> bytes:
        url = asyncio.run(engine.base_url()) + where.removeprefix("/v1")
        headers = {"content-type": "application/json", "authorization": f"Bearer {engine.api_key}"}
        found: bytes = urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
        streams.append([json.loads(line[6:]) for line in found.decode().splitlines() if line.startswith("data: {")])
        return found

    server = model_server(answer, engine.default_model)
    url = f"http://127.0.0.1:{server.server_port}/v1"
    upstream = UrlUpstream(url, default_model=engine.default_model, extra=engine.extra, tool_note=engine.tool_note)
    nbformat.write(run(path, upstream, folder), path)
    kept = REPLIES / f"{path.stem}.json"
    if streams:
        kept.write_text(json.dumps(streams, indent=1) + "\n", encoding="utf-8")
    else:
        kept.unlink(missing_ok=True)
    print(f"{path.name}: {len(streams)} streams")
    server.shutdown()


def replay(path: Path, folder: Path) -> None:
    """Run a notebook with the kept replies; how long they took when they were recorded stays as it was."""
    kept = REPLIES / f"{path.stem}.json"
    left = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []

    def answer(where: str, body: bytes) -> bytes:
        chunks = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in left.pop(0)]
        return b"".join(chunks) + b"data: [DONE]\n\n"

    model = left[0][0]["model"] if left else "none"
    server = model_server(answer, model)
    before = nbformat.read(path, as_version=4)
    after = run(path, UrlUpstream(f"http://127.0.0.1:{server.server_port}/v1", default_model=model), folder)
    for old, new in zip(before.cells, after.cells, strict=True):
        for was, now in zip(old.get("outputs", []), new.get("outputs", []), strict=False):
            for kind in ("text/html", "text/plain"):
                if kind in was.get("data", {}) and kind in now.get("data", {}):
                    now.data[kind] = _times_of(was.data[kind], now.data[kind])
    nbformat.write(after, path)
    print(f"{path.name}: {len(left)} streams left over" if left else f"{path.name}: as recorded")
    server.shutdown()


def _times_of(before: str, after: str) -> str:
    times = _SECONDS.findall(before)
    if len(times) != len(_SECONDS.findall(after)):
        return after
    return _SECONDS.sub(lambda match: times.pop(0), after)


if __name__ == "__main__":
    replaying = "--replay" in sys.argv
    chosen = [Path(name) for name in sys.argv[1:] if name != "--replay"] or sorted(NOTEBOOKS.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as temporary:
        if replaying:
            for one in chosen:
                replay(one.resolve(), Path(temporary))
        else:
            model = Engine()
            for one in chosen:
                record(one.resolve(), model, Path(temporary))
            model.close()
    os._exit(0)  # the server's thread never ends by itself
