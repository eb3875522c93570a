"""A second interrupt, at any moment, finds the first being answered."""

from __future__ import annotations

import _thread
import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from nbassist import Assistant
from nbassist.core import interrupts
from nbassist.core.interrupts import Interrupts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


def press() -> bool:
    """Interrupt this process, and return whether it was raised."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return True
    return False


def test_interrupts_that_come_together_are_one_and_later_ones_are_not(clock: list[float]) -> None:
    with Interrupts():
        assert [press(), press(), press()] == [True, False, False]
        clock[0] += 1.5
        assert press(), "one that a tool took for itself can be said again"


def test_the_end_of_a_run_is_not_broken_off_unless_it_takes_too_long(clock: list[float]) -> None:
    with Interrupts():
        assert press()
        interrupts.ending()
        clock[0] += 3
        assert not press()
        clock[0] += 3
        assert press()


def test_the_one_that_comes_while_the_cell_ends_is_taken_and_then_all_is_as_it_was(clock: list[float]) -> None:
    with Interrupts():
        assert press()
    assert not press()
    clock[0] += 1.5
    assert press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with Interrupts(), Interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_next_run_is_interrupted_however_soon_it_comes(clock: list[float]) -> None:
    for _ in range(3):
        with Interrupts():
            assert press()
            interrupts.ending()
    clock[0] += 6
    assert press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


SLOW_TO_COME = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
for _ in range(20):
    time.sleep(0.01)
whole = True
"""


@pytest.mark.parametrize("importer", ["nbassist.some.module", "__main__"])
def test_an_import_of_ours_comes_to_its_end_before_an_interrupt_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, importer: str
) -> None:
    (tmp_path / "slow_to_come.py").write_text(SLOW_TO_COME)
    monkeypatch.syspath_prepend(tmp_path)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Interrupts():
        exec("import slow_to_come\nwhile True: pass", {"__name__": importer})
    assert time.monotonic() - began < 10
    module = sys.modules.pop("slow_to_come", None)
    assert getattr(module, "whole", False) == (importer != "__main__"), "the notebook's own imports are its own"


def test_an_import_that_has_no_end_is_broken_off_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "never_comes.py").write_text(SLOW_TO_COME.replace("range(20)", "iter(int, 1)"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(interrupts, "_IMPORTING", 0.2)
    with pytest.raises(KeyboardInterrupt), Interrupts():
        exec("import never_comes", {"__name__": "nbassist.some.module"})


def test_on_another_thread_nothing_is_changed() -> None:
    seen: list[Any] = []

    def enter() -> None:
        with Interrupts():
            interrupts.ending()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize("moment", range(6))
def test_two_interrupts_at_once_leave_what_came_and_a_thread_that_goes_on(
    endpoint: Any, wire: Any, moment: int
) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def twice(number: int) -> None:
        if number == moment:
            signal.pthread_kill(main, signal.SIGINT)
            signal.pthread_kill(main, signal.SIGINT)

    words = [wire.delta(content=f"word{n} ") for n in range(5)]
    pieces = [*wire.stream(*words, done=False), *wire.stream(wire.delta("stop"))]
    endpoint.on("POST", "/chat/completions", wire.answer(pieces, before=twice), wire.answer(wire.stream(*words)))
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m")
    reply = assistant.ask("first")
    assert reply.finish == "interrupted"
    assert reply.text == "".join(f"word{n} " for n in range(5))[: len(reply.text)]
    again = assistant.ask("second")
    assert again.text.startswith("word0")
    roles = [message["role"] for message in endpoint.bodies("/chat/completions")[-1]["messages"]]
    assert roles in (["user"], ["user", "assistant", "user"])


class Unbroken:
    """Something that waits, to which an interrupt comes that breaks into no system call, as on Windows.

    Attributes
    ----------
    waited_out : Event
        Set where the wait went on although the interrupt had come.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.waited_out = threading.Event()

    def interrupt(self, inside: str = "") -> None:
        """Interrupt once the main thread is inside a function of this name, and hold on until it has been heard."""
        looks = 0
        while inside and looks < 20:  # again and again: it may just have come in, and not wait yet
            frame = sys._current_frames()[threading.main_thread().ident or 0]
            looks = looks + 1 if frame.f_code.co_name == inside else 0
            time.sleep(0.01)
        _thread.interrupt_main()
        if not self.over.wait(30):
            self.waited_out.set()


@pytest.fixture
def unbroken() -> Iterator[Unbroken]:
    made = Unbroken()
    yield made
    made.over.set()


@pytest.mark.parametrize("piece", [0, 1], ids=["before its first word", "after its first word"])
def test_an_interrupt_need_not_wait_for_what_an_endpoint_says_next(
    endpoint: Any, wire: Any, unbroken: Unbroken, piece: int
) -> None:
    silent = wire.answer(wire.stream(wire.delta(content="Half "), wire.delta(content="an answer"), wire.delta("stop")))
    silent.before = lambda number: unbroken.interrupt("read") if number == piece else None
    endpoint.on("POST", "/chat/completions", silent)
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m").ask("go")
    assert not unbroken.waited_out.is_set()
    assert reply.finish == "interrupted"


def test_an_interrupt_need_not_wait_for_a_tool_that_runs_beside(endpoint: Any, wire: Any, unbroken: Unbroken) -> None:
    async def look(table: str) -> str:
        """Look."""
        await asyncio.to_thread(unbroken.interrupt)
        return "seen"

    call = wire.stream(wire.call("a", "look", '{"table": "orders"}'), wire.delta("tool_calls"))
    endpoint.on("POST", "/chat/completions", wire.answer(call))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[look]).ask("go")
    assert not unbroken.waited_out.is_set()
    assert reply.finish == "interrupted"


def test_an_interrupt_need_not_wait_for_the_next_try(unbroken: Unbroken) -> None:
    thread = threading.Timer(0.1, unbroken.interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        interrupts.sleep(40)
    assert not unbroken.waited_out.is_set()
    unbroken.over.set()
    thread.join()


def test_what_is_waited_for_in_steps_comes_as_it_is() -> None:
    future: Future[int] = Future()
    with pytest.raises(TimeoutError):
        interrupts.result_of(future, 0.01)
    future.set_result(7)
    assert interrupts.result_of(future) == interrupts.result_of(future, 0) == 7
    failed: Future[int] = Future()
    failed.set_exception(KeyError("gone"))
    with pytest.raises(KeyError):
        interrupts.result_of(failed)
