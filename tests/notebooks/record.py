"""Run the notebooks with the real local model, and keep their outputs and what the model wrote.

    python tests/notebooks/record.py [NOTEBOOK ...]

The outputs go into the notebooks, the model's streams into `replies/`; the tests replay those and compare every cell.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from nbassist.local.config import ServerConfig
from nbassist.local.engine import Engine
from nbassist.local.serve import serve
from nbassist.local.upstream import UrlUpstream

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent.parent / "notebooks"


def recording_proxy(engine: Engine, streams: list[list[Any]]) -> ThreadingHTTPServer:
    """Return a server that passes requests on to the engine and keeps the chunks of each stream."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server looks for
            body = self.rfile.read(int(self.headers["content-length"]))
            url = asyncio.run(engine.base_url()) + self.path.removeprefix("/v1")
            headers = {"content-type": "application/json", "authorization": f"Bearer {engine.api_key}"}
            answer = urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
            lines = answer.decode().splitlines()
            streams.append([json.loads(line[6:]) for line in lines if line.startswith("data: {")])
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def record(path: Path, engine: Engine, folder: Path) -> None:
    streams: list[list[Any]] = []
    proxy = recording_proxy(engine, streams)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    upstream = UrlUpstream(
        f"http://127.0.0.1:{proxy.server_port}/v1",
        default_model=engine.default_model,
        extra=engine.extra,
        tool_note=engine.tool_note,
    )
    config = ServerConfig("token", f"sqlite:///{folder}/{path.stem}.db", upstream)
    urls: list[str] = []
    ready = threading.Event()

    def listening(url: str) -> None:
        urls.append(url)
        ready.set()

    threading.Thread(target=lambda: asyncio.run(serve(config, "127.0.0.1", 0, listening)), daemon=True).start()
    assert ready.wait(60)
    os.environ.update(NBASSIST_BASE_URL=urls[0], NBASSIST_API_KEY="token", NBASSIST_DISPLAY="static")
    os.environ["NBASSIST_BACKEND"] = "assistants"
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)  # times of this one run
    nbformat.write(notebook, path)
    (HERE / "replies" / f"{path.stem}.json").write_text(json.dumps(streams, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(streams)} streams")
    proxy.shutdown()


if __name__ == "__main__":
    engine = Engine()
    with tempfile.TemporaryDirectory() as folder:
        for path in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
            record(path.resolve(), engine, Path(folder))
    engine.close()
    os._exit(0)  # the server's thread never ends by itself
