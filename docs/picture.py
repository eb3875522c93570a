"""Take the moving picture that stands in the README: `make picture` runs this.

A real JupyterLab, a real kernel and our own server; what the local model says is what it said when the tour was
recorded (`tests/notebooks/replies`), at about the pace that it has on two cores.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "cell.webp"
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab_harness import running_chromium, running_lab  # noqa: E402

SIZE = {"width": 1090, "height": 640}  # pixels: the longest line of the notebook fits
CHUNKS_A_SECOND = 16
TYPED_A_SECOND = 30  # characters
HOLD = 4000  # milliseconds that the last picture stays
MOST = 2_000_000  # bytes
WHOLE = r"""() => {
  const cell = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].at(-1);
  return /\[\d+\]/.test(cell.querySelector('.jp-InputPrompt').textContent) && cell.querySelector('.nba-footer');
}"""
PANEL = """() => {
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
  const panel = cells.at(-1).querySelector('details.nba-call');
  if (panel) panel.open = true;
  return Boolean(panel);
}"""
TO_END = """() => {
  const cells = document.querySelectorAll('.jp-Notebook .jp-Cell');
  cells[cells.length - 1].scrollIntoView({ block: 'end' });
}"""


@contextmanager
def model() -> Iterator[str]:
    """Serve what the local model said in the quickstart, stream after stream, at its pace; yield the URL."""
    streams = json.loads((ROOT / "tests" / "notebooks" / "replies" / "quickstart.json").read_text(encoding="utf-8"))
    name = streams[0][0]["model"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._begin("application/json")
            self.wfile.write(json.dumps({"object": "list", "data": [{"id": name, "object": "model"}]}).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._begin("text/event-stream")
            with suppress(ConnectionError):  # the server leaves once it has the finish reason
                for chunk in streams.pop(0):
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                    time.sleep(1 / CHUNKS_A_SECOND)
                self.wfile.write(b"data: [DONE]\n\n")

        def _begin(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


@contextmanager
def assistants(upstream: str, folder: str) -> Iterator[dict[str, str]]:
    """Run our server before it, as the first prompt would start it; yield the settings of a kernel."""
    command = ["-m", "nbassist", "serve", "--port", "0", "--upstream", upstream, "--store", f"sqlite:///{folder}/s.db"]
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "NBASSIST_SERVE_TOKEN": "token"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    yield {"NBASSIST_BASE_URL": url, "NBASSIST_API_KEY": "token", "NBASSIST_BACKEND": "assistants"}
    process.terminate()
    process.wait(30)


class Film:
    """Pictures of the notebook, each with the time until the next."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._frames: list[tuple[float, Image.Image]] = []

    def shoot(self) -> None:
        """Add what is seen now."""
        panel = self._page.locator(".jp-NotebookPanel-notebook").first.bounding_box()
        shot = self._page.screenshot(clip=panel)
        self._frames.append((time.monotonic(), Image.open(io.BytesIO(shot)).convert("RGB")))

    def until(self, condition: str, seconds: float = 25) -> None:
        """Shoot until a condition of the page holds."""
        deadline = time.monotonic() + seconds
        while not self._page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self._page.evaluate(TO_END)
            self.shoot()
        self._page.evaluate(TO_END)
        self.shoot()

    def save(self, path: Path) -> str:
        """Write the film, without pictures that are as the one before; return its size in words."""
        kept = [self._frames[0]]
        for at, picture in self._frames[1:]:
            if picture.tobytes() != kept[-1][1].tobytes():
                kept.append((at, picture))
        times = [at for at, _ in kept]
        lasting = [max(40, round(1000 * (b - a))) for a, b in pairwise(times)] + [HOLD]
        first, *rest = (picture for _, picture in kept)
        first.save(
            path, save_all=True, append_images=rest, duration=lasting, loop=0, lossless=True, quality=80, method=4
        )
        size = path.stat().st_size
        assert size < MOST, f"{path.name} has {size:,} bytes"
        return f"{path.name}: {first.width} x {first.height}, {len(kept)} pictures, {size / 1000:.0f} KB"


def prepare(folder: str) -> list[str]:
    """Write the quickstart without its text, its two prompts left out; return these."""
    cells = [one for one in nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", 4).cells if one.cell_type == "code"]
    prompts = [one.source for one in cells if one.source.startswith("%%assistant")]
    table = next(one for one in cells if "read_csv" in one.source)
    tool = next(one for one in cells if "@tool" in one.source)
    sources = [f"%load_ext nbassist\n{table.source.rpartition(chr(10))[0]}\ntarget = 100", tool.source]
    shutil.copytree(ROOT / "notebooks" / "data", Path(folder) / "data")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": kernel}, cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
    nbformat.write(notebook, Path(folder) / "modules.ipynb")
    return prompts


def main() -> None:
    """Run the notebook as a person does, and keep what is seen."""
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as folder,
        model() as upstream,
        assistants(upstream, home) as settings,
        running_lab(Path(home), Path(folder), **settings) as lab,
        lab.setting("notebook-extension/tracker", windowingMode="none"),  # all cells stay where they are
        running_chromium() as browser,
    ):
        prompts = prepare(folder)
        page = browser.new_page(viewport=SIZE, device_scale_factor=1)
        lab.open(page, "modules.ipynb")
        lab.run_all(page)
        film = Film(page)
        for prompt in prompts:
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:insert-cell-below'); return 1 }")
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:enter-edit-mode'); return 1 }")
            page.evaluate(TO_END)
            film.shoot()
            for piece in range(0, len(prompt), 3):
                page.keyboard.insert_text(prompt[piece : piece + 3])
                time.sleep(3 / TYPED_A_SECOND)
                film.shoot()
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); return 1 }")
            film.until(WHOLE)
            time.sleep(1)
            if page.evaluate(PANEL):  # what the model sent, and what came back
                page.evaluate(TO_END)
                film.shoot()
                time.sleep(2.5)
        sys.stdout.write(film.save(TARGET) + "\n")


if __name__ == "__main__":
    main()
