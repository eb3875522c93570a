"""Wire by fault by moment by driver by surface, with what has to hold each time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fault_server import FAULTS, MOMENTS, REFUSALS, TEXT, WIRES, Fault, FaultServer, strict

from nbassist import Assistant
from nbassist.errors import NbassistError
from nbassist.testing import Call, Say, ScriptedBackend

WHOLE = "".join(TEXT)
RAN: list[str] = []


def count(table: str) -> int:
    """Count the rows of a table."""
    RAN.append(table)
    return len(table)


@pytest.fixture(params=list(WIRES))
def server(request: pytest.FixtureRequest, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    monkeypatch.setattr("nbassist.backends.assistants.backend._POLL", 0.0)
    RAN.clear()
    return FaultServer(request.param, endpoint, wire)


def sync(assistant: Assistant, prompt: str) -> Any:
    return assistant.ask(prompt)


def run_async(assistant: Assistant, prompt: str) -> Any:
    async def main() -> Any:
        try:
            return await assistant.aask(prompt)
        finally:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            assert not rest, "no task is left behind"

    return asyncio.run(main())


drivers = pytest.mark.parametrize("ask", [sync, run_async], ids=["sync", "async"])


STAY = ("nbassist-journal", "nbassist-tools", "asyncio_")
"""Threads that a process keeps: they write the journal, run tools, and do the work of the loop that tools have."""


def sockets() -> set[str]:
    """Return what is open of this process; empty where the system does not say."""
    open_now = set()
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):  # the listing's own
            open_now.add(os.readlink(f"/proc/self/fd/{number}"))
    return {name for name in open_now if name.startswith("socket:")}


@pytest.fixture(scope="module")
def begun() -> None:
    """What a process begins once and keeps is there before anything is counted."""
    Assistant(backend=ScriptedBackend(Call("count", table="x"), Say("Done.")), tools=[count]).ask("How many?")


@pytest.fixture(autouse=True)
def nothing_left_behind(begun: None) -> Iterator[None]:
    """Once the endpoint, too, is gone, no thread and no socket is there that was not there before."""
    threads, before = set(threading.enumerate()), sockets()
    yield
    for _ in range(200):
        left = [one.name for one in set(threading.enumerate()) - threads if not one.name.startswith(STAY)]
        left += sockets() - before
        if not left:
            return
        gc.collect()
        time.sleep(0.02)  # the endpoint's own threads hear a moment later that their client has left
    raise AssertionError(f"left behind: {left}")


def told(ask: Callable[..., Any], assistant: Assistant) -> Any:
    """Ask; return the reply, or None where there is an error, which is one line."""
    try:
        reply = ask(assistant, "How many?")
    except NbassistError as error:
        said, reply = str(error), None
    else:
        said = reply.detail
    assert one_line(said)
    return reply


def one_line(text: str) -> bool:
    return len(text) <= 300 and "\n" not in text and "\x1b" not in text


def goes_on(ask: Callable[..., Any], assistant: Assistant, server: FaultServer) -> None:
    """The thread is free, and its history is one that the strictest endpoint takes."""
    again = ask(assistant, "And now?")
    assert (again.text, again.finish) == ("All is well.", "completed")
    strict(server.wire, server.endpoint)


# All of the matrix with NBASSIST_TORTURE, as `make torture` sets it; else every fault, moment and driver on some wire.
THIN = 1 if os.environ.get("NBASSIST_TORTURE") else 4
BREAKS = [(fault, moment) for fault in FAULTS for moment in MOMENTS]


@drivers
@pytest.mark.parametrize("number", range(len(BREAKS)), ids=lambda n: f"{BREAKS[n][0].name}, {BREAKS[n][1]}")
def test_a_stream_that_breaks(server: FaultServer, number: int, ask: Callable[..., Any]) -> None:
    if (number + 3 * list(WIRES).index(server.wire) + (ask is sync)) % THIN:
        # A quarter of them here, spread over wires and drivers; `make torture` has all.
        pytest.skip("in `make torture`")
    (fault, moment) = BREAKS[number]
    turn, mark = MOMENTS[moment]
    server.breaks(turn, fault, mark)
    assistant = server.speaker.assistant(count)
    reply = told(ask, assistant)
    assert len(RAN) == len(set(RAN)), "no tool runs twice"
    assert set(RAN) <= {"orders", "people"}, "nor with half of its arguments"
    if turn == 0 and moment != "after the arguments":
        assert RAN == []
    if reply is not None:
        assert reply.finish in ("incomplete", "failed", "completed")
        assert reply.finish != "completed" or reply.detail or "All is well" in reply.text or RAN
        kept = WHOLE if turn else TEXT[0]
        assert kept.startswith(reply.text) or reply.text in (WHOLE, "All is well.")
        if moment in ("the answer",):
            assert reply.text.startswith("The first half")
        # Nobody else knows the rest; a server of assistants may have completed the run, and is asked.
        if server.wire != "assistants":
            assert reply.finish in ("incomplete", "failed"), reply
            assert reply.detail
    goes_on(ask, assistant, server)


@drivers
@pytest.mark.parametrize("turn", [0, 1], ids=["waiting", "after tools"])
@pytest.mark.parametrize("fault", REFUSALS, ids=lambda fault: fault.name)
def test_a_request_that_is_refused(server: FaultServer, fault: Fault, turn: int, ask: Callable[..., Any]) -> None:
    server.breaks(turn, fault, b"")
    assistant = server.speaker.assistant(count)
    reply = told(ask, assistant)
    if turn == 0:
        assert reply is None
        assert RAN == []
    else:
        assert sorted(RAN) == ["orders", "people"]
        assert reply is None or reply.finish in ("failed", "incomplete")
    goes_on(ask, assistant, server)


INTERRUPTS = {"waiting": (0, 0), "text": (0, 2), "arguments": (0, 4), "after tools": (1, 0), "the answer": (1, 4)}


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("moment", INTERRUPTS)
def test_an_interrupt(server: FaultServer, moment: str, times: int) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        for _ in range(times):
            signal.pthread_kill(main, signal.SIGINT)

    turn, piece = INTERRUPTS[moment]
    go = server.waits(turn, piece, interrupt)
    assistant = server.speaker.assistant(count)
    reply = assistant.ask("How many?")
    go.set()
    assert reply.finish == "interrupted"
    assert (WHOLE if turn else TEXT[0]).startswith(reply.text)
    assert len(RAN) == (2 if turn else 0)
    goes_on(sync, assistant, server)


@pytest.mark.parametrize("moment", INTERRUPTS)
def test_a_cancelled_task(server: FaultServer, moment: str) -> None:
    turn, piece = INTERRUPTS[moment]
    assistant = server.speaker.assistant(count)

    async def main() -> None:
        reached, loop = asyncio.Event(), asyncio.get_running_loop()
        go = server.waits(turn, piece, lambda: loop.call_soon_threadsafe(reached.set))
        task = asyncio.create_task(assistant.aask("How many?"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert len(RAN) == (2 if turn else 0)
    goes_on(run_async, assistant, server)


IN_A_CELL = [FAULTS[0], FAULTS[5]] if THIN > 1 else [*FAULTS, *REFUSALS]


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    """A shell of IPython in this process, with the extension loaded."""
    from IPython.core.interactiveshell import InteractiveShell

    class Shell(InteractiveShell):
        """One that can be asked to end, as those of a terminal and of a kernel can."""

        def ask_exit(self) -> None:
            raise AssertionError("nobody asked to leave")

    yield Shell.instance()
    Shell.clear_instance()


@pytest.mark.parametrize("moment", ["waiting", "text", "arguments", "after tools", "the answer"])
@pytest.mark.parametrize("fault", IN_A_CELL, ids=lambda fault: fault.name)
def test_in_a_cell(
    server: FaultServer, shell: Any, fault: Fault, moment: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name, value in (("BASE_URL", server.endpoint.url), ("BACKEND", server.wire), ("MODEL", "m"), ("API_KEY", "k")):
        monkeypatch.setenv(f"NBASSIST_{name}", value)
    monkeypatch.setenv("NBASSIST_DISPLAY", "plain")
    if "nbassist" in shell.extension_manager.loaded:
        shell.run_line_magic("unload_ext", "nbassist")
    shell.run_line_magic("load_ext", "nbassist")
    turn, mark = MOMENTS[moment]
    server.breaks(turn, fault, mark)
    from nbassist import tool

    tool(count)
    name = f"{server.wire}-{fault.name}-{moment}".replace(" ", "-")
    shell.run_cell(f"%%assistant -t {name}\nHow many?")
    out = capsys.readouterr()
    assert "Traceback" not in out.out + out.err
    assert "\x1b]52" not in out.out + out.err
    (line,) = [line for line in out.out.splitlines() if re.match(r"\w+Error: ", line)]
    assert one_line(line.partition(": ")[2].partition(" (what came is in _")[0]), "one line for the person"
    assert out.err == ""
    if fault in FAULTS and moment == "the answer":
        assert "The first half" in out.out, "what came is kept"
    assert len(RAN) == len(set(RAN))
    result = shell.run_cell(f"%%assistant -t {name}\nAnd now?")
    assert result.success
    assert "All is well." in capsys.readouterr().out
    strict(server.wire, server.endpoint)


def test_many_runs_that_break_leave_no_socket(endpoint: Any, wire: Any) -> None:
    server = FaultServer("chat", endpoint, wire)
    assistant = server.speaker.assistant(count)
    RAN.clear()

    def one() -> None:
        server.breaks(0, FAULTS[0], b"The first")
        told(sync, assistant)

    one()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        one()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 3
