"""The whole of it once with the real local model: no key, no server, nothing set; the kernel starts its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from nbassist.server.engine.model import locate

pytestmark = pytest.mark.model
QUICKSTART = Path(__file__).parent.parent.parent / "notebooks" / "quickstart.ipynb"


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this test's server apart from the developer's; the model file is shared."""
    locate()  # where it is missing this fails with the command to run; -m 'not model' goes without
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.mark.usefixtures("own_server")
def test_the_quickstart_calls_the_function_and_answers_from_its_output() -> None:
    notebook = nbformat.read(QUICKSTART, as_version=4)
    asked = "%%assistant --to reply\nWhich 3 modules have the most functions?"
    sources = [c.source for c in notebook.cells[:7] if c.cell_type == "code" and "%%assistant" not in c.source]
    check = "import json; print(json.dumps([reply.finish, [c.output for c in reply.tool_calls], reply.text]))"
    sources += [asked, check]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    played: Any = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(played, timeout=600, resources={"metadata": {"path": str(QUICKSTART.parent)}}).execute()
    said = played.cells[-1].outputs[0]["text"]
    assert said.startswith('["completed"')
    assert "tkinter" in said.split("]")[0], "the tool's output went to the model"
    answer = said.rsplit('", "', 1)[-1]
    for module in ("tkinter", "asyncio", "distutils"):
        assert module in answer
    assert "widget-view" not in str(played.cells[-2].outputs)
    assert os.environ.get("NBASSIST_BASE_URL") is None
