"""Each notebook, run from top to bottom against our own server, every output compared with what is saved in it.

The model's streams are replayed from `replies/`: they are what the local model wrote when `record.py` ran. A second
time each notebook runs from the replies that are recorded beside it, without a server, an endpoint or a key.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytestmark = pytest.mark.notebooks
HERE = Path(__file__).parent
KEY = "key-of-the-recording"
NOTEBOOKS = HERE.parent.parent / "notebooks"


# What these are about is an endpoint itself: which models it has, and how a program of old speaks to it.
ENDPOINT = {NOTEBOOKS / "endpoints.ipynb", NOTEBOOKS / "assistants_program.ipynb"}
RULES = ((HERE, "replayed.cfg"), (NOTEBOOKS, "sanitize.cfg"))


def nbval(path: Path, rules: Path, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a notebook and compare each cell's outputs with those saved in it."""
    command = f"-m pytest -q -p no:cacheprovider -c {os.devnull} --rootdir {folder} --nbval".split()
    return subprocess.run(
        [sys.executable, *command, str(path), "--nbval-sanitize-with", str(rules)],
        env={
            **os.environ,
            "NBASSIST_DISPLAY": "static",
            "NBASSIST_EMBEDDINGS": "none",
            "IPYTHONDIR": str(folder),
            "PYTEST_ADDOPTS": "",  # a cell shows what pytest says
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def server(endpoint: Any, tmp_path: Path) -> Iterator[str]:
    """A server as the person would start it, with the scripted endpoint in the model's place."""
    command = ["-m", "nbassist", "serve", "--port", "0", "--upstream"]
    process = subprocess.Popen(
        [sys.executable, *command, endpoint.url, "--store", f"sqlite:///{tmp_path}/store.db"],
        env={**os.environ, "NBASSIST_SERVE_TOKEN": KEY},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_cell_gives_what_is_saved(path: Path, server: str, endpoint: Any, wire: Any, tmp_path: Path) -> None:
    kept = HERE / "replies" / f"{path.stem}.json"
    streams = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []  # none: it asks no model
    model = streams[0][0]["model"] if streams else "none"
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": model, "object": "model"}]})
    endpoint.on("POST", "/chat/completions", *(wire.answer(wire.stream(*stream)) for stream in streams))
    done = nbval(
        path,
        NOTEBOOKS / "sanitize.cfg",
        tmp_path,
        NBASSIST_BASE_URL=server,
        NBASSIST_API_KEY=KEY,
        NBASSIST_BACKEND="assistants",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(endpoint.bodies("/chat/completions")) == len(streams)


@pytest.mark.parametrize("path", sorted(set(NOTEBOOKS.glob("*.ipynb")) - ENDPOINT), ids=lambda path: path.stem)
def test_every_cell_gives_the_same_from_the_replies_beside_it(path: Path, tmp_path: Path) -> None:
    rules = tmp_path / "sanitize.cfg"
    rules.write_text("\n".join((folder / name).read_text() for folder, name in RULES))
    replies = path.with_suffix(".replies.jsonl")
    assert replies.exists() or not asks(path)
    before = replies.read_bytes() if replies.exists() else b""
    done = nbval(path, rules, tmp_path, NBASSIST_CACHE="replay", NBASSIST_REPLIES=replies.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (replies.read_bytes() if replies.exists() else b"") == before


def asks(path: Path) -> bool:
    """Whether a model was asked when the notebook was recorded."""
    return (HERE / "replies" / f"{path.stem}.json").exists()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_saved_output_holds_an_error_or_a_widget(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
