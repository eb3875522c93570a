"""The tour in a browser: the site that `make lite` builds, with Python in the page and nothing installed."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lab_harness import KERNEL_IDLE, running_chromium

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
CHAT = "/chat/completions"
# As an endpoint answers that allows any page.
ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
CELLS = "[...document.querySelectorAll('.jp-CodeCell')].map(c => c.querySelector('.jp-OutputArea')?.innerText ?? '')"
LOAD = "%load_ext nbassist\nfrom nbassist import tool\n\n@tool\ndef double(x: int) -> int:\n    'Double.'\n"
LOAD += "    return 2 * x"


class _Files(SimpleHTTPRequestHandler):
    """Any web space: files, and no header that a page would need."""

    def guess_type(self, path: Any) -> str:
        known = {".mjs": "text/javascript", ".wasm": "application/wasm"}
        return known.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("npm"):
        # `make browser` asks for Chromium alone; Debian's npm is hundreds of packages.
        pytest.skip("Pyodide is an npm package, and npm is not installed: `make lite` installs it")
    done = subprocess.run(["make", "lite"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path_factory.mktemp("lite") / "site"
    shutil.copytree(ROOT / "site" / "lite", folder)
    return folder


@pytest.fixture(scope="module")
def chromium(site: Path) -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def open_notebook(site: Path, chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a notebook with these cells in the page, and begin to run them all."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(site)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    pages = []

    def opened(name: str, *cells: str) -> Any:
        _add(site, name, *cells)
        page = chromium.new_page(viewport={"width": 1100, "height": 1000})
        pages.append(page)
        page.goto(f"http://127.0.0.1:{server.server_port}/lab/index.html?path={name}")
        page.wait_for_function(KERNEL_IDLE, timeout=240_000)
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return 1 }")
        return page

    yield opened
    for page in pages:
        page.close()
    server.shutdown()
    server.server_close()


def _add(site: Path, name: str, *cells: str) -> None:
    """Add a notebook to the site's files, as its list of them says."""
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    notebook = {"cells": [{**code, "id": f"c{n}", "source": source} for n, source in enumerate(cells)]}
    notebook |= {"metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (site / "files" / name).write_text(json.dumps(notebook), encoding="utf-8")
    contents = site / "api" / "contents" / "all.json"
    listed = json.loads(contents.read_text(encoding="utf-8"))
    like = next(one for one in listed["content"] if one["name"] == "quickstart.ipynb")
    listed["content"] += [{**like, "name": name, "path": name}]
    for one in listed["content"]:
        if (path := site / "files" / one["path"]).is_file():
            one["size"] = path.stat().st_size  # the page reads no more of a file than its list says
    contents.write_text(json.dumps(listed), encoding="utf-8")


def outputs(page: Any, cell: int, words: str, seconds: float = 90.0) -> str:
    """Wait until a cell's output has these words, and return it."""
    end = time.monotonic() + seconds
    while words not in (found := page.evaluate(CELLS))[cell]:
        assert time.monotonic() < end, f"no {words!r} in {found}"
        page.wait_for_timeout(200)
    return str(found[cell])


def test_a_reply_is_live_tools_are_called_and_the_journal_knows_it(
    open_notebook: Callable[..., Any], endpoint: Any, wire: Any
) -> None:
    go = threading.Event()
    answers = [
        wire.answer(wire.stream(wire.call("c1", "double", '{"x": 21}'), wire.delta("tool_calls"))),
        wire.answer(wire.stream(wire.delta(content="The first words"), wire.delta(content=" and the last."),
                                wire.delta("stop"))),
        wire.answer(wire.stream(wire.delta(content="awaited"), wire.delta("stop"))),
    ]  # fmt: skip
    answers[1].before = lambda number: number == 0 or go.wait(120)
    for answer in answers:
        answer.headers = ANY_PAGE
    endpoint.on("POST", CHAT, *answers)
    endpoint.on("OPTIONS", CHAT, wire.answer([]))
    endpoint.answers[("OPTIONS", CHAT)][0].headers = ANY_PAGE
    where = {"NBASSIST_BASE_URL": endpoint.url, "NBASSIST_MODEL": "m", "NBASSIST_BACKEND": "chat"}
    cells = (
        f"import os\nos.environ.update({where!r}, NBASSIST_API_KEY='k', NBASSIST_CACHE='off')",
        LOAD,
        "%%assistant\nWhat is twice 21?",
        "from nbassist import Assistant\n(await Assistant().aask('And?')).text",
        "%assistant log",
        "%assistant doctor",
    )
    page = open_notebook("live.ipynb", *cells)
    half = outputs(page, 2, "The first words")
    assert "and the last" not in half, "it stands there while it is written"
    assert "42" in half
    go.set()
    whole = outputs(page, 2, "and the last.")
    assert whole.count("double") == 1
    # Pyodide's own address can't be reached from a test: without its sanitiser there is the text, and that is said.
    assert "the sanitiser nh3 is not installed here" in whole
    assert "awaited" in outputs(page, 3, "awaited")
    assert "What is twice 21?" in outputs(page, 4, "What is twice 21?")
    assert "Emscripten" in outputs(page, 5, "Emscripten")
    asked = [body for body in endpoint.bodies(CHAT) if body]  # without the page's questions whether it may ask
    (told,) = [message for message in asked[1]["messages"] if message["role"] == "tool"]
    assert told["content"] == "42"


def test_the_tour_answers_by_its_replies_and_what_is_not_recorded_by_an_endpoint_that_is_named(
    open_notebook: Callable[..., Any], endpoint: Any, wire: Any
) -> None:
    answer = wire.answer(wire.stream(wire.delta(content="as it was"), wire.delta("stop")), headers=ANY_PAGE)
    endpoint.on("POST", CHAT, answer)
    endpoint.on("OPTIONS", CHAT, wire.answer([], headers=ANY_PAGE))
    tour = json.loads((ROOT / "notebooks" / "threads.ipynb").read_text(encoding="utf-8"))
    first = ["".join(cell["source"]) for cell in tour["cells"] if cell["cell_type"] == "code"][:3]
    assert all(cell.startswith(("%load_ext", "%%assistant")) for cell in first)
    page = open_notebook(
        "recorded.ipynb",
        *first,  # without the outputs that are saved in it
        f"import os\nos.environ.update(NBASSIST_BASE_URL={endpoint.url!r}, NBASSIST_BACKEND='chat')",
        "%%assistant -m m -t one\nWhat was said?",
        "del os.environ['NBASSIST_BASE_URL'], os.environ['NBASSIST_BACKEND']",
        "%%assistant -m m -t another\nWhat was said?",
        "%%assistant -m m\nWhat was never said?",
    )
    assert "Rex" in outputs(page, 2, "Rex")
    outputs(page, 4, "as it was")
    outputs(page, 6, "as it was")
    assert len([body for body in endpoint.bodies(CHAT) if body]) == 1
    assert "name an endpoint" in outputs(page, 7, "name an endpoint")
