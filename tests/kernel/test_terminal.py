"""`%%assistant` in terminal IPython: in a pseudo-terminal as a person types it, and piped as a script sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pexpect
import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"
PROMPT = re.compile(r"In \[\d+\]: ")


def environ(endpoint: Any, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "IPYTHONDIR": str(folder),
        "NBASSIST_BASE_URL": endpoint.url,
        "NBASSIST_BACKEND": "chat",
        "NBASSIST_MODEL": "m",
    }


@pytest.fixture
def terminal(endpoint: Any, tmp_path: Path) -> Iterator[Any]:
    spawned = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--no-banner", "--simple-prompt", "--no-confirm-exit"],
        env=environ(endpoint, tmp_path),
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 200),
    )
    spawned.expect(PROMPT)
    spawned.sendline("%load_ext nbassist")
    spawned.expect(PROMPT)
    yield spawned
    spawned.close(force=True)


def cell(terminal: Any, *lines: str) -> None:
    """Type a cell; IPython takes a cell magic after two empty lines, a function after one."""
    end = ("", "") if lines[0].startswith("%%") else ("",)
    for line in (*lines, *end):
        terminal.sendline(line)


def test_the_reply_streams_with_its_calls_and_becomes_the_result(terminal: Any, endpoint: Any, wire: Any) -> None:
    call = wire.stream(wire.call("a", "double", '{"number": 21}'), wire.delta("tool_calls"))
    answer = wire.stream(wire.delta(content="It is "), wire.delta(content="42."), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(answer))
    terminal.sendline("from nbassist import tool")
    terminal.expect(PROMPT)
    cell(terminal, "@tool", "def double(number: int) -> int:", "    'Double.'", "    return 2 * number")
    terminal.expect(PROMPT)
    cell(terminal, "%%assistant", "Double 21.")
    terminal.expect(r"double\(number=21\)")
    terminal.expect(r"It is 42\.")
    terminal.expect(PROMPT)
    assert "Out[" not in terminal.before, "a bare Out[n]: was left"
    terminal.sendline("print(len(_.tool_calls), _.text)")
    terminal.expect(r"1 It is 42\.")


def test_ctrl_c_in_the_middle_leaves_the_text_and_a_cell_that_runs_again(
    terminal: Any, endpoint: Any, wire: Any
) -> None:
    half = wire.answer(wire.stream(wire.delta(content="Half an "), wire.delta(content="answer"), wire.delta("stop")))
    whole = wire.answer(wire.stream(wire.delta(content="The whole answer"), wire.delta("stop")))
    endpoint.on("POST", CHAT, half, whole)
    released = Event()
    half.before = lambda piece: released.wait(30) if piece == 1 else None
    cell(terminal, "%%assistant", "hi")
    terminal.expect("Half an")
    terminal.sendintr()
    terminal.expect("Interrupted")
    released.set()
    terminal.expect(PROMPT)
    assert "Traceback" not in terminal.before
    cell(terminal, "%%assistant", "hi")
    terminal.expect("The whole answer")


def test_what_the_model_writes_never_controls_the_terminal(terminal: Any, endpoint: Any, wire: Any) -> None:
    evil = "red \x1b[31mtext\x1b]0;title\x07 \x9b31m end"
    endpoint.on("POST", CHAT, wire.answer(wire.stream(wire.delta(content=evil), wire.delta("stop"))))
    cell(terminal, "%%assistant", "hi")
    terminal.expect("end")
    assert "\x1b[31m" not in terminal.before
    assert "\x1b]0" not in terminal.before
    assert "\x9b" not in terminal.before


def test_approval_is_asked_in_words_and_what_is_hidden_is_escaped(terminal: Any, endpoint: Any, wire: Any) -> None:
    call = wire.stream(wire.call("a", "remove", '{"path": "x\\u001b[2Jy"}'), wire.delta("tool_calls"))
    answer = wire.stream(wire.delta(content="Done."), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(answer))
    terminal.sendline("from nbassist import tool")
    terminal.expect(PROMPT)
    cell(terminal, "@tool(approve=True)", "def remove(path: str) -> str:", "    'Remove.'", "    return 'removed'")
    terminal.expect(PROMPT)
    cell(terminal, "%%assistant", "go")
    terminal.expect(r"The model wants to call remove\s+path = \"x\\u001b\[2Jy\"")
    assert "\x1b[2J" not in terminal.before
    terminal.expect(r"\[e\]dit the arguments: ")
    terminal.sendline("n not this one")
    terminal.expect("Done")
    assert endpoint.bodies(CHAT)[1]["messages"][-1]["content"] == "This call was not allowed: not this one"


@pytest.mark.since("ipython", "8")  # before it IPython writes the title of the window
def test_piped_output_has_no_control_codes(endpoint: Any, wire: Any, tmp_path: Path) -> None:
    answer = wire.stream(wire.delta(content="# Title\n\n**bold** text"), wire.delta("stop"))
    endpoint.on("POST", CHAT, wire.answer(answer))
    code = "%load_ext nbassist\nget_ipython().run_cell_magic('assistant', '', 'hi')\n"
    script = tmp_path / "script.ipy"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", str(script)],
        env=environ(endpoint, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "bold" in done.stdout, done.stderr
    assert "\x1b" not in done.stdout


def test_what_a_tool_prints_stands_in_the_terminal_while_it_runs(
    terminal: Any, endpoint: Any, wire: Any, tmp_path: Path
) -> None:
    call = wire.stream(wire.call("a", "work", "{}"), wire.delta("tool_calls"))
    endpoint.on(
        "POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="Done."), wire.delta("stop")))
    )
    sign = tmp_path / "seen"
    terminal.sendline("from nbassist import tool; import pathlib, time")
    terminal.expect(PROMPT)
    wait = f"    while not pathlib.Path({str(sign)!r}).exists(): time.sleep(0.02)"
    cell(terminal, "@tool", "def work() -> int:", "    'Work.'", "    print('half', 'way')", wait, "    return 3")
    terminal.expect(PROMPT)
    cell(terminal, "%%assistant", "Work.")
    terminal.expect(r"● work\(\)")
    terminal.expect("half way")
    sign.touch()
    terminal.expect(r"✓ work\(\)")
    terminal.expect(r"Done\.")
    terminal.expect(PROMPT)
    assert "half way" not in terminal.before
