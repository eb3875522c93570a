"""Threads in a real kernel: re-running cells, commands, a restart, and going back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"


@pytest.fixture
def echo(endpoint: Any, wire: Any) -> Any:
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop"))))
    return endpoint


@pytest.fixture
def notebook(start_kernel: Callable[..., Any], echo: Any, tmp_path: Path) -> Any:
    """A kernel that knows its notebook, as Jupyter's server starts it."""
    return start_kernel(NBASSIST_MODEL="m", JPY_SESSION_NAME=str(tmp_path / "orders.ipynb"))


def sent(endpoint: Any) -> list[str]:
    """The prompts of the last request, oldest first."""
    return [m["content"] for m in endpoint.bodies(CHAT)[-1]["messages"] if m["role"] == "user"]


def ask(kernel: Any, prompt: str, cell: str = "", flags: str = "") -> Any:
    ran = kernel.run(f"%%assistant {flags}\n{prompt}", cell=cell)
    assert ran.error is None, ran.error
    return ran


def test_running_the_last_cell_again_replaces_its_turn_and_says_so(notebook: Any, echo: Any) -> None:
    ask(notebook, "one", "a")
    ask(notebook, "two", "b")
    ran = ask(notebook, "two, but better", "b")
    assert sent(echo) == ["one", "two, but better"]
    assert "replaces turn 2" in ran.plain


def test_running_an_earlier_cell_again_goes_on_from_there_and_keeps_what_followed(notebook: Any, echo: Any) -> None:
    ask(notebook, "one", "a")
    ask(notebook, "two", "b")
    ran = ask(notebook, "one, again", "a")
    assert sent(echo) == ["one, again"]
    assert "goes on from before turn 1" in ran.plain
    assert "main~1" in notebook.run("%assistant threads").result


def test_append_says_otherwise(notebook: Any, echo: Any) -> None:
    ask(notebook, "one", "a")
    ask(notebook, "one", "a", "--append")
    assert sent(echo) == ["one", "one"]


def test_the_journal_has_the_runs_of_a_cell_whether_they_were_appended_or_not(notebook: Any, echo: Any) -> None:
    ask(notebook, "one", "a")
    ask(notebook, "two", "b", "--append")
    ask(notebook, "three", "a", "--append")
    ask(notebook, "four", "b", "--append")
    ask(notebook, "five", "a")
    assert sent(echo) == ["five"], "the turns after that of cell a are in the thread that is kept"
    prompts = "[e.prompt for e in nbassist.journal.default_journal().entries(cell={!r})]"
    notebook.run("import nbassist.journal")
    assert notebook.run(prompts.format("a")).result == "['one', 'three', 'five']"
    assert notebook.run(prompts.format("b")).result == "['two', 'four']"


@pytest.mark.fresh_kernel
def test_run_all_on_a_fresh_kernel_gives_the_same_thread_as_by_hand(notebook: Any, echo: Any) -> None:
    cells = [("one", "a"), ("two", "b"), ("three", "c")]
    for prompt, cell in cells:
        ask(notebook, prompt, cell)
    by_hand = notebook.run("%assistant history").result
    notebook.restart()
    for prompt, cell in cells:
        ask(notebook, prompt, cell)
    assert sent(echo) == ["one", "two", "three"]
    assert notebook.run("%assistant history").result == by_hand


@pytest.mark.fresh_kernel
def test_a_thread_survives_a_restart_of_the_kernel(notebook: Any, echo: Any) -> None:
    ask(notebook, "one", "a", "-t ideas")
    notebook.restart()
    assert "ideas" in notebook.run("%assistant threads").result
    ask(notebook, "two", "b", "-t ideas")
    assert sent(echo) == ["one", "two"]


def test_a_thread_is_opened_from_another_notebook(
    notebook: Any, start_kernel: Callable[..., Any], echo: Any, tmp_path: Path
) -> None:
    ask(notebook, "one", "a")
    other = start_kernel(NBASSIST_MODEL="m", JPY_SESSION_NAME=str(tmp_path / "other.ipynb"))
    assert "orders.ipynb:main" in other.run("%assistant threads --all").result
    ask(other, "two", "x", "-t orders.ipynb:main")
    assert sent(echo) == ["one", "two"]
    ask(notebook, "three", "b")
    assert sent(echo) == ["one", "two", "three"]


def test_two_notebooks_on_one_thread_wait_for_each_other(
    notebook: Any, start_kernel: Callable[..., Any], endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    go, begun = threading.Event(), threading.Event()

    def slow(number: int) -> None:
        begun.set()
        assert go.wait(60)

    def let_go_once_it_waits(message: dict[str, Any]) -> None:
        if "waiting for it" in json.dumps(message["content"]):
            go.set()

    pieces = wire.stream(wire.delta(content="said"), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(pieces, before=slow), wire.answer(pieces))
    other = start_kernel(NBASSIST_MODEL="m", JPY_SESSION_NAME=str(tmp_path / "other.ipynb"))
    notebook.run("%assistant new main")  # it has to be there before another notebook can name it
    first = notebook.send("%%assistant\none", "a")
    assert begun.wait(60)
    ran = other.run("%%assistant -t orders.ipynb:main\ntwo", cell="b", watch=let_go_once_it_waits)
    assert ran.error is None
    assert notebook.wait(first).error is None
    assert sent(endpoint) == ["one", "two"]
    assert "waiting for it" in ran.plain


def test_a_cell_that_is_run_again_while_it_runs_waits_its_turn_and_replaces_its_own(
    notebook: Any, endpoint: Any, wire: Any
) -> None:
    """FAULTS 26: what is queued behind a reply runs after it, in order."""
    go, begun = threading.Event(), threading.Event()

    def slow(number: int) -> None:
        begun.set()
        assert go.wait(60)

    pieces = wire.stream(wire.delta(content="said"), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(pieces, before=slow), wire.answer(pieces))
    queued = [notebook.send("%%assistant\none", "a")]
    assert begun.wait(60)
    queued += [notebook.send(f"%%assistant\n{prompt}", cell) for prompt, cell in (("one, again", "a"), ("two", "b"))]
    go.set()
    assert [notebook.wait(request).error for request in queued] == [None] * 3
    assert sent(endpoint) == ["one, again", "two"]


def test_an_answer_that_never_came_leaves_the_turn_that_it_was_to_replace(notebook: Any, endpoint: Any) -> None:
    ask(notebook, "one", "a")
    endpoint.json("POST", CHAT, {"error": {"message": "no"}}, status=400)
    assert notebook.run("%%assistant\none, again", cell="a").error is not None
    assert "1. you: one" in notebook.run("%assistant history").result


def test_fork_undo_rename_delete_and_use_go_through_the_threads(notebook: Any, echo: Any) -> None:
    for prompt, cell in (("one", "a"), ("two", "b"), ("three", "c")):
        ask(notebook, prompt, cell)
    assert "main-2" in notebook.run("%assistant fork 2").result
    ask(notebook, "and then?", "d")
    assert sent(echo) == ["one", "two", "and then?"]
    notebook.run("%assistant undo")
    notebook.run("%assistant rename side")
    ask(notebook, "else?", "e")
    assert sent(echo) == ["one", "two", "else?"]
    notebook.run("%assistant use main")
    ask(notebook, "four", "f")
    assert sent(echo) == ["one", "two", "three", "four"]
    notebook.run("%assistant delete side")
    assert "side" not in notebook.run("%assistant threads").result


def test_history_numbers_the_turns_and_edit_puts_one_below_to_go_on_from(notebook: Any, echo: Any) -> None:
    for prompt, cell in (("one", "a"), ("two", "b"), ("three", "c")):
        ask(notebook, prompt, cell)
    assert "2. you: two" in notebook.run("%assistant history").result
    asked = notebook.client.execute("%assistant edit 2")
    reply = notebook.client.get_shell_msg(timeout=30)
    while reply["parent_header"].get("msg_id") != asked:
        reply = notebook.client.get_shell_msg(timeout=30)
    (payload,) = reply["content"]["payload"]
    assert (payload["source"], payload["text"]) == ("set_next_input", "%%assistant --turn 2\ntwo")
    ask(notebook, "two, changed", "z", "--turn 2")
    assert sent(echo) == ["one", "two, changed"]


def test_save_and_load_carry_a_thread_over(notebook: Any, echo: Any, tmp_path: Path) -> None:
    ask(notebook, "one", "a")
    notebook.run("%assistant save kept.json")
    assert (tmp_path / "kept.json").exists()
    notebook.run("%assistant delete main")
    notebook.run("%assistant load kept.json again")
    ask(notebook, "two", "b")
    assert sent(echo) == ["one", "two"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("thread", "did you mean %assistant threads?"),
        ("undo 5", "can't take back 5"),
        ("undo x", "write it as %assistant undo [N]"),
        ("history nothing", "there is no thread 'nothing'"),
        ("edit", "write it as %assistant edit N"),
        ("rename", "%assistant rename NEW"),
        ("delete", "say which thread"),
        ("use", "%assistant use NAME"),
        ("load nowhere.json", "can't load a conversation"),
    ],
)
def test_a_command_that_is_wrong_is_one_line(kernel: Any, line: str, words: str) -> None:
    ran = kernel.run(f"%assistant {line}")
    assert words in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1


def test_a_kernel_that_does_not_know_its_notebook_keeps_threads_in_memory(kernel: Any, echo: Any) -> None:
    ask(kernel, "one", "a")
    assert "in memory alone" in kernel.run("%assistant threads").result


@pytest.mark.fresh_kernel
def test_a_kernel_that_died_in_a_tool_never_runs_it_again_by_itself(
    notebook: Any, endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    """FAULTS 25: on return the history is repaired, and no tool is run again."""
    log = tmp_path / "ran.log"
    notebook.run(
        "import os, signal\n@tool\ndef last() -> str:\n    'End.'\n"
        f"    open({str(log)!r}, 'a').write('ran ')\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    call = wire.answer(wire.stream(wire.call("c1", "last", "{}"), wire.delta("tool_calls")))
    said = wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop")))
    endpoint.on("POST", CHAT, call, said)
    notebook.send("%%assistant\nEnd it.", "a")
    deadline = time.monotonic() + 30
    while notebook.manager.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    notebook.restart()
    assert log.read_text() == "ran "
    ask(notebook, "And now?", "b")
    messages = endpoint.bodies(CHAT)[-1]["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "user"]
    assert messages[2]["content"] == "not run: the session ended first"
    assert log.read_text() == "ran "
