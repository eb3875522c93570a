"""A notebook run from top to bottom without a person, by nbclient and by papermill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def run(endpoint: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    for name, value in (("BASE_URL", endpoint.url), ("BACKEND", "chat"), ("MODEL", "m")):
        monkeypatch.setenv(f"NBASSIST_{name}", value)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))

    def execute(*sources: str) -> Any:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
        return notebook

    return execute


SETUP = "%load_ext nbassist\nfrom nbassist import tool\n\n@tool\ndef answer() -> int:\n    'The answer.'\n    return 42"


@pytest.mark.parametrize("display", ["auto", "live", "static"])
def test_what_is_saved_is_the_static_reply_without_a_widget(
    run: Any, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch, display: str
) -> None:
    monkeypatch.setenv("NBASSIST_DISPLAY", display)
    call = wire.stream(wire.call("a", "answer", "{}"), wire.delta("tool_calls"))
    endpoint.on(
        "POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="42!"), wire.delta("stop")))
    )
    *_, output = run(SETUP, "%%assistant\nWhat is the answer?").cells[1].outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "42!" in output["data"]["text/html"]
    assert "<details" in output["data"]["text/html"]


def test_ten_assistant_cells_run_through(run: Any, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"))))
    notebook = run(SETUP, *[f"%%assistant\n{number}" for number in range(10)])
    assert all("ok" in cell.outputs[0]["data"]["text/plain"] for cell in notebook.cells[1:])
    assert [m["content"] for m in endpoint.bodies(CHAT)[-1]["messages"] if m["role"] == "user"] == list("0123456789")


def test_papermill_fills_in_its_parameters_and_saves_the_reply_once(
    run: Any, endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    pytest.importorskip("papermill", reason="the extra dev is not installed")
    call = wire.stream(wire.call("a", "answer", "{}"), wire.delta("tool_calls"))
    endpoint.on(
        "POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="42!"), wire.delta("stop")))
    )
    cells = [nbformat.v4.new_code_cell(source) for source in ("topic = 'none'", SETUP, "%%assistant\n{{ topic }}?")]
    cells[0].metadata.tags = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "before.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-p", "topic", "life"]
    done = subprocess.run([*command, "before.ipynb", "after.ipynb"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, cell = nbformat.read(tmp_path / "after.ipynb", as_version=4).cells
    *_, output = cell.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert output["data"]["text/plain"].count("42!") == 1
    assert endpoint.bodies(CHAT)[0]["messages"][-1]["content"] == "life?"


def test_papermill_stops_at_a_reply_that_failed(run: Any, endpoint: Any, tmp_path: Path) -> None:
    pytest.importorskip("papermill", reason="the extra dev is not installed")
    endpoint.json("POST", CHAT, {"error": {"message": "no"}}, status=401)
    cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, "%%assistant\nhi", "print('never')")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "before.ipynb")
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "before.ipynb", "after.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "refused" in done.stderr
    assert not nbformat.read(tmp_path / "after.ipynb", as_version=4).cells[-1].outputs


def test_a_tool_that_asks_where_no_one_can_answer_is_refused_and_the_run_goes_on(
    run: Any, endpoint: Any, wire: Any
) -> None:
    call = wire.stream(wire.call("a", "ask", "{}"), wire.delta("tool_calls"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"))))
    run(SETUP, "@tool\ndef ask() -> str:\n    'Ask.'\n    return input('who? ')", "%%assistant\ngo")
    assert "input" in endpoint.bodies(CHAT)[1]["messages"][-1]["content"].lower()


def test_an_error_stops_the_notebook_with_its_one_line(run: Any, endpoint: Any, wire: Any) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "no"}}, status=401)
    with pytest.raises(CellExecutionError, match="refused"):
        run(SETUP, "%%assistant\nhi", "never = 1")


def test_no_secret_is_in_a_saved_notebook_wherever_it_was_said(
    run: Any, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """FAULTS 31: in arguments, in what a tool prints, shows, returns and raises, in the answer and in an error."""
    secret = "correct-horse-battery-12"
    monkeypatch.setenv("SHOP_TOKEN", secret)
    monkeypatch.setenv("NBASSIST_DATA_DIR", str(tmp_path / "data"))
    calls = [wire.call(str(n), name, f'{{"token": "{secret}"}}', n) for n, name in enumerate(("login", "fail"))]
    answer = [wire.delta(content=f"used {secret[:9]}"), wire.delta(content=secret[9:]), wire.delta("stop")]
    broken = wire.stream(wire.delta(content="Half"), {"error": {"message": f"no {secret}"}}, done=False)
    turns = [wire.stream(*calls, wire.delta("tool_calls")), wire.stream(*answer), broken]
    endpoint.on("POST", CHAT, *map(wire.answer, turns))
    tools = (
        "from IPython.display import HTML, display\n"
        "@tool\ndef login(token: str) -> str:\n    'Log in.'\n    print('printed', token)\n"
        "    display(HTML(f'<b>{token}</b>'))\n    return f'returned {token}'\n"
        "@tool\ndef fail(token: str) -> str:\n    'Fail.'\n    raise ValueError(f'raised {token}')"
    )
    notebook = run(
        SETUP, tools, "%config NbAssist.on_failure = 'show'", "%%assistant\nlog in", "%%assistant\nagain",
        "%assistant log", "%assistant log 1", "%assistant history",
    )  # fmt: skip
    saved = nbformat.writes(notebook)
    for words in ("printed [SHOP_TOKEN]", "returned [SHOP_TOKEN]", "raised [SHOP_TOKEN]", "used [SHOP_TOKEN]"):
        assert words in saved
    assert "no [SHOP_TOKEN]" in saved
    assert secret not in saved
    assert secret not in str(endpoint.bodies(CHAT))
    kept = [file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file()]
    assert kept
    assert not any(secret.encode() in data for data in kept)
