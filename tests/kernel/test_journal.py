"""The journal, the log and recorded replies, in a real kernel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


def say(endpoint: Any, wire: Any, *texts: str) -> None:
    endpoint.on("POST", CHAT, *(wire.answer(wire.stream(wire.delta(content=t), wire.delta("stop"))) for t in texts))


@pytest.fixture
def notebook(start_kernel: Callable[..., Any], endpoint: Any, wire: Any, tmp_path: Path) -> Any:
    say(endpoint, wire, "first", "second", "third")
    return start_kernel(
        NBASSIST_MODEL="m", NBASSIST_API_KEY="sk-very-secret", JPY_SESSION_NAME=str(tmp_path / "orders.ipynb")
    )


def test_every_run_of_every_cell_is_in_the_log(notebook: Any) -> None:
    notebook.run("%%assistant -p temperature=0\nHow many?", cell="a")
    notebook.run("%%assistant -t side\nAnd why?", cell="b")
    shown = notebook.run("%assistant log").result
    assert "How many?" in shown
    assert "side" in shown
    assert "And why?" not in notebook.run("%assistant log --grep many").result
    assert "How many?" in notebook.run("%assistant log --since 1h").result
    assert "first" in notebook.run("%assistant log 1").result


def test_the_versions_of_one_cells_prompt_are_listed_and_compared(notebook: Any) -> None:
    notebook.run("%%assistant\nBe brief.", cell="a")
    assert "no two runs to compare yet" in notebook.run("%assistant diff").error["evalue"]
    notebook.run("%%assistant\nElse.", cell="b")
    notebook.run("%%assistant -p temperature=1\nBe kind.", cell="a")
    shown = notebook.run("%assistant log --cell a").result
    assert "Be brief." in shown
    assert "Be kind." in shown
    assert "Else." not in shown
    last = notebook.run("%assistant diff").result
    assert last == notebook.run("%assistant diff 2 3").result
    difference = notebook.run("%assistant diff 1 3").result
    assert "Be [-brief-]{+kind+}." in difference
    assert "temperature" in difference
    notebook.run("%%assistant -p temperature=1\nBe kind.", cell="a")
    versions = notebook.run("%assistant log --cell a --diff").result
    assert versions.startswith("version 1, run 1\n\nBe brief.\n\nversion 2, run 1 → run 3")
    assert "Be [-brief-]{+kind+}." in versions
    assert "version 3" not in versions, "the same again is no version"
    assert "one cell" in notebook.run("%assistant log --diff").error["evalue"]


def test_a_kernel_that_does_not_know_its_notebook_lists_its_own_session(
    start_kernel: Callable[..., Any], endpoint: Any, wire: Any
) -> None:
    say(endpoint, wire, "said")
    for prompt in ("before", "now"):
        kernel = start_kernel(NBASSIST_MODEL="m")
        kernel.run(f"%%assistant\n{prompt}")
    shown = kernel.run("%assistant log").result
    assert "now" in shown
    assert "before" not in shown
    assert "before" in kernel.run("%assistant log --all").result


def test_off_keeps_a_run_out(notebook: Any) -> None:
    notebook.run("%%assistant --off\nA secret matter.", cell="a")
    assert "no runs" in notebook.run("%assistant log").result


def test_no_key_stands_in_the_journal(notebook: Any) -> None:
    notebook.run("import os")
    notebook.run("%%assistant -s {{x}}\nMy key is {{ os.environ['NBASSIST_API_KEY'] }}", cell="a")
    notebook.run("%assistant log")
    files = list(Path(os.environ["NBASSIST_DATA_DIR"]).rglob("*"))
    held = [file for file in files if file.is_file() and b"sk-very-secret" in file.read_bytes()]
    assert [file for file in files if file.name == "journal.db"]
    assert held == []


def test_a_failed_run_is_in_the_log_too(notebook: Any, endpoint: Any) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "no such thing"}}, status=400)
    assert notebook.run("%%assistant\nHow many?").error is not None
    assert "failed" in notebook.run("%assistant log").result


def test_cache_gives_a_reply_again_without_asking(notebook: Any, endpoint: Any) -> None:
    for _ in range(2):
        ran = notebook.run("%%assistant --cache auto\nHow many?", cell="a")
    assert "first" in ran.html
    assert len(endpoint.bodies(CHAT)) == 1
    notebook.run("%%assistant --cache refresh\nHow many?", cell="a")
    assert len(endpoint.bodies(CHAT)) == 2


def test_a_notebook_with_its_recorded_replies_runs_without_an_endpoint_or_a_key(
    notebook: Any, start_kernel: Callable[..., Any], endpoint: Any, tmp_path: Path
) -> None:
    notebook.run("%config NbAssist.replies = 'orders.replies.jsonl'")
    first = notebook.run("%%assistant --cache refresh -m m\nHow many?", cell="a")
    recorded = (tmp_path / "orders.replies.jsonl").read_text()
    assert "first" in recorded
    assert "sk-very-secret" not in recorded
    asked = len(endpoint.asked)
    offline = start_kernel(
        NBASSIST_BASE_URL="", NBASSIST_BACKEND="", NBASSIST_CACHE="replay", NBASSIST_REPLIES="orders.replies.jsonl"
    )
    again = offline.run("%%assistant -m m\nHow many?")
    assert again.error is None
    assert "first" in again.html
    assert "first" in first.html
    assert len(endpoint.asked) == asked
    missing = offline.run("%%assistant -m m\nHow much?")
    assert "no reply is recorded for 'How much?'" in missing.error["evalue"]
    assert len(missing.error["traceback"]) == 1


def test_a_journal_that_can_not_be_written_costs_no_reply_and_is_said_once(
    start_kernel: Callable[..., Any], endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    say(endpoint, wire, "said")
    kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_DATA_DIR=str(tmp_path / "blocked" / "data"))
    outputs = ""
    for _ in range(3):
        ran = kernel.run("%%assistant\nHow many?")
        assert ran.error is None
        assert "said" in ran.html
        outputs += ran.stdout
    outputs += kernel.written()
    assert outputs.count("can't be made") == 1


def test_the_log_is_read_on_the_command_line(notebook: Any) -> None:
    notebook.run("%%assistant\nHow many?", cell="a")
    notebook.run("%assistant log")

    def run(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "nbassist", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "How many?" in run("log")
    assert "How many?" in run("log", "--grep", "many")
    assert "first" in run("log", "1")
    assert json.loads(run("log", "1", "--json"))["prompt"] == "How many?"


def test_what_the_notebook_took_is_summed_by_thread_and_kind(notebook: Any, endpoint: Any, wire: Any) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 5}}
    usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20, **details}}
    counted = wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"), usage))
    zeros = {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    uncounted = wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"), zeros))
    endpoint.on("POST", CHAT, counted, counted, uncounted)
    assert "no runs" in notebook.run("%assistant usage").result
    ran = notebook.run("%%assistant --cache auto\nHow many?", cell="a")
    assert "100 tokens in (64 cached), 20 out (5 reasoning)" in ran.html
    notebook.run("%%assistant -t side --cache auto\nHow many?", cell="b")  # recorded: it took nothing
    notebook.run("%%assistant -t side\nAnd why?", cell="c")
    notebook.run("%%assistant -t side\nAnd then?", cell="d")
    rows = [line.split("  ") for line in notebook.run("%assistant usage").result.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[1] == ["main", "m", "1", "100", "64", "20", "5", "unknown"]
    assert cells[2] == ["side", "m", "2", "100 (1 of the runs unknown)", "64", "20", "5", "unknown"]
    assert cells[3] == ["in all", "3", "200 (1 of the runs unknown)", "128", "40", "10", "unknown"]
    assert "200 tokens in (128 cached), 40 out (10 reasoning) · 3 runs" in notebook.run("%assistant").result


def test_runs_have_the_numbers_of_their_notebook_whatever_other_notebooks_do(
    start_kernel: Callable[..., Any], endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    say(endpoint, wire, "a1", "a2", "b1", "b2", "b3")
    first, second = (
        start_kernel(NBASSIST_MODEL="m", JPY_SESSION_NAME=str(tmp_path / f"{name}.ipynb")) for name in ("one", "two")
    )
    for kernel, cell in ((first, "a"), (second, "a"), (first, "b"), (second, "b"), (second, "a")):
        kernel.run("%%assistant\nSay one.", cell=cell)
        kernel.written()
    listed = second.run("%assistant log").result
    assert [line.split()[0] for line in listed.splitlines()[1:4]] == ["1", "2", "3"]
    assert second.run("%assistant diff").result.startswith("run 2 → run 3")
    shown = second.run("%assistant log 1").result
    assert shown.startswith("run 1,")
    assert "a2" in shown
    assert "a1" not in shown
    assert "[-a2-] {+b3+}" in second.run("%assistant diff 1 3").result.replace("-][", "-] [").replace("-]{", "-] {")
    assert second.run("%assistant diff #1 #5").result.startswith("run 1 → run 5")
    assert "has no run 4: there are 3" in second.run("%assistant log 4").error["evalue"]
    assert "#5" in second.run("%assistant log --all").result


def later(kernel: Any, code: str) -> list[dict[str, Any]]:
    """Run a cell; return what it put in the place of displays of earlier ones."""
    ran = kernel.run(code)
    assert ran.error is None, ran.error
    return [m["content"]["data"] for m in ran.messages if m["msg_type"] == "update_display_data"]


def test_a_rating_that_is_given_later_stands_in_the_saved_form_of_its_cell(notebook: Any) -> None:
    first = notebook.run("%%assistant\nHow many?", cell="a")
    second = notebook.run("%%assistant\nAnd now?", cell="b")
    (update,) = later(notebook, "%assistant rate good")
    assert "rated good" in update["text/html"]
    assert "second" in update["text/plain"]
    assert second.plain.rstrip("]") in update["text/plain"], "all else stays as it was"
    (update,) = later(notebook, "%assistant rate 1 bad")
    assert "first" in update["text/plain"]
    assert update["text/plain"].endswith("· rated bad]")
    assert "rated" not in first.plain
    listed = notebook.run("%assistant log").result.splitlines()
    assert [line.split()[-1] for line in listed[1:]] == ["bad", "good"]
    (update,) = later(notebook, "%assistant rate 1 none")
    assert "rated" not in update["text/plain"]
    assert "has no run 9" in notebook.run("%assistant rate 9 good").error["evalue"]


def test_what_is_said_of_a_sweep_later_stands_in_its_saved_grid_once_for_each_cell(notebook: Any) -> None:
    grid = notebook.run("%%assistant --repeat 3 --to g\nSay one.", cell="a")
    shown = [id for id, data in grid.displays.items() if "nba-grid-static" in data.get("text/html", "")]
    ran = notebook.run("for n in range(3): g.rate(n, 'good' if n else 'bad')")
    updates = [m["content"] for m in ran.messages if m["msg_type"] == "update_display_data"]
    assert [u["transient"]["display_id"] for u in updates] == shown, "a loop is one change"
    assert updates[0]["data"]["text/plain"].count("[good]") == 2
    (update,) = later(notebook, "g.check(\"'first' in text\")")
    assert update["text/html"].count("✓") == 1
    assert update["text/html"].count("✗") == 2
    assert update["text/plain"].count("[good]") == 2, "what was said before stays"


def test_no_command_and_no_export_gives_a_terminal_a_control_code(
    notebook: Any, endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    """FAULTS 40: colours, a title, the clipboard and C1 codes, in all that a model and a tool say."""
    evil = "\x1b[31mred\x1b]0;title\x07\x1b]52;c;aGFjaw==\x07\x9b31m\x9d0;t\x9c\x00 end"
    notebook.run("@tool\ndef say(text: str) -> str:\n    'Say.'\n    print(text)\n    raise ValueError(text)")
    arguments = json.dumps({"text": evil})
    call = wire.stream(wire.delta(content=evil), wire.call("a", "say", arguments), wire.delta("tool_calls"))
    unknown = wire.stream(wire.call("b", f"no{evil}", arguments), wire.delta("tool_calls"))
    said = wire.stream(wire.delta(content=f"second {evil}"), wire.delta("stop"))
    broken = wire.stream(wire.delta(content="half"), {"error": {"message": evil}}, done=False)
    endpoint.on("POST", CHAT, *map(wire.answer, (call, unknown, said, said, broken)))
    for prompt in ("one", "two", "three"):
        notebook.run(f"%%assistant\n{prompt} {{{{ {evil!r} }}}}", cell=prompt)
    for command in ("log", "log 1", "log 3", "diff 1 2", "history", "threads", "usage", "tools", "export t.md"):
        ran = notebook.run(f"%assistant {command}")
        assert ran.error is None, command
        assert controls(ran.result + ran.stdout + ran.plain) == [], command
    assert "red" in notebook.run("%assistant history").result
    text = next(tmp_path.rglob("t.md")).read_text(encoding="utf-8")
    assert "red" in text
    assert controls(text) == []
    for words in (["log"], ["log", "1"], ["log", "3"], ["log", "--json"]):
        done = subprocess.run([sys.executable, "-m", "nbassist", *words], capture_output=True, text=True, check=True)
        assert "red" in done.stdout
        assert controls(done.stdout) == [], words


def controls(text: str) -> list[str]:
    return [character for character in text if re.match(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", character)]
