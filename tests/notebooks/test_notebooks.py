"""Each notebook, run from top to bottom against our own server, every output compared with what is saved in it.

The model's streams are replayed from `replies/`: they are what the local model wrote when `record.py` ran.
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
    command = f"-m pytest -q -p no:cacheprovider -c {os.devnull} --rootdir {tmp_path} --nbval".split()
    done = subprocess.run(
        [sys.executable, *command, str(path), "--nbval-sanitize-with", str(NOTEBOOKS / "sanitize.cfg")],
        env={
            **os.environ,
            "NBASSIST_BASE_URL": server,
            "NBASSIST_API_KEY": KEY,
            "NBASSIST_BACKEND": "assistants",
            "NBASSIST_DISPLAY": "static",
            "IPYTHONDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(endpoint.bodies("/chat/completions")) == len(streams)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_saved_output_holds_an_error_or_a_widget(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
