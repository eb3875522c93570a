"""A reply that broke off, or can't be read, fails its cell after what came is shown: Run All stops there."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))
from pathological import TEXTS

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture(params=["cut", "error", "shape"])
def broken(request: pytest.FixtureRequest, endpoint: Any, wire: Any) -> tuple[str, str, str]:
    """Script an endpoint that fails after its first text; return the flags of the cell, the text and the error."""
    first = wire.delta(content="The first half")
    if request.param == "cut":
        endpoint.on("POST", CHAT, wire.answer(wire.stream(first, done=False), cut=True))
        return "", "The first half", "the stream was cut"
    if request.param == "error":
        endpoint.on("POST", CHAT, wire.answer(wire.stream(first, {"error": {"message": "engine died"}}, done=False)))
        return "", "The first half", "engine died"
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="no JSON"), wire.delta("stop"))))
    return "--as json ", "no JSON", "the shape that was asked for"


def test_it_raises_one_line_after_what_came_is_shown(kernel: Any, broken: tuple[str, str, str]) -> None:
    flags, text, error = broken
    ran = kernel.run(f"%%assistant {flags}--to kept\nq", cell="a")
    assert text in ran.plain
    assert error in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1
    assert kernel.run("_.text, kept.text").result == f"('{text}', '{text}')"


def test_a_person_may_have_it_shown_alone(kernel: Any, broken: tuple[str, str, str]) -> None:
    flags, text, _ = broken
    kernel.run("%config NbAssist.on_failure = 'show'")
    ran = kernel.run(f"%%assistant {flags}\nq", cell="a")
    assert ran.error is None
    assert text in ran.plain


def test_a_reply_at_its_limit_of_tokens_is_no_failure(kernel: Any, endpoint: Any, wire: Any) -> None:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="Long"), wire.delta("length"))))
    assert kernel.run("%%assistant\nq").error is None


def test_a_notebook_that_is_run_whole_stops_there(
    endpoint: Any, wire: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    for name, value in {"BASE_URL": endpoint.url, "BACKEND": "chat", "MODEL": "m", "API_KEY": "k"}.items():
        monkeypatch.setenv(f"NBASSIST_{name}", value)
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="The first half"), done=False), cut=True))
    cells = ["%load_ext nbassist", "%%assistant\nq", "after = 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="the stream was cut"):
        nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "The first half" in str(notebook.cells[1].outputs)
    assert notebook.cells[2].execution_count is None


@pytest.mark.parametrize("fault", ["cut", "error event", "no JSON", "refused", "empty", "an interrupt"])
def test_a_live_reply_that_fails_leaves_no_widget_and_no_thread(
    kernel: Any, endpoint: Any, wire: Any, fault: str
) -> None:
    first = wire.stream(wire.delta(content="The first half"), done=False)
    go = Event()
    answers = {
        "cut": wire.answer(first, cut=True),
        "error event": wire.answer([*first, b'data: {"error": {"message": "engine died"}}\n\n']),
        "no JSON": wire.answer([*first, b"data: {oops\n\n"]),
        "refused": wire.answer([b'{"error": {"message": "no"}}'], 400, "application/json"),
        "empty": wire.answer(),
        "an interrupt": wire.answer([*first, *first], before=lambda number: go.wait(60) if number else None),
    }
    endpoint.on("POST", CHAT, answers[fault])

    def interrupt(message: dict[str, Any]) -> None:
        if fault == "an interrupt" and "The first half" in str(message["content"]) and not go.is_set():
            kernel.interrupt()
            go.set()

    ran = kernel.run("%%assistant\nq", cell="a", watch=interrupt)
    assert len(ran.error["traceback"]) == 1
    opened, closed = (
        {m["content"]["comm_id"] for m in ran.messages if m["msg_type"] == kind} for kind in ("comm_open", "comm_close")
    )
    assert opened
    assert opened == closed
    left = "import threading\n[t.name for t in threading.enumerate() if t.name.startswith('nbassist-view')]"
    assert kernel.run(left).result == "[]"


@pytest.mark.parametrize("name", ["quotes nested", "definitions, and references to them", "scripts without end"])
def test_an_interrupt_is_heard_whatever_is_rendered(kernel: Any, endpoint: Any, wire: Any, name: str) -> None:
    text = TEXTS[name](40_000)
    pieces = wire.stream(*(wire.delta(content=text[at : at + 64]) for at in range(0, len(text), 64)), done=False)
    heard, waited_out, begun = Event(), Event(), Event()

    def before(number: int) -> None:
        if number == 40:
            begun.set()
        if number == len(pieces) - 1 and not heard.wait(60):
            waited_out.set()

    endpoint.on("POST", CHAT, wire.answer(pieces, before=before))
    ran = kernel.run("%%assistant --to kept\nq", cell="a", interrupt_when=begun.is_set)
    heard.set()
    assert ran.error["ename"] == "CellInterrupted"
    assert not waited_out.is_set()
    assert kernel.run(f"{text!r}.startswith(kept.text) and len(kept.text) > 1_000").result == "True"
