from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from nbassist.core.events import ToolFinished
from nbassist.core.messages import ToolCall
from nbassist.errors import ToolError
from nbassist.tools import Approvals, Tool, Toolbox
from nbassist.tools.stream_redirects import _Stream


def calls(*pairs: tuple[str, dict[str, Any] | str]) -> list[ToolCall]:
    return [
        ToolCall(f"call_{i}", name, arguments if isinstance(arguments, str) else json.dumps(arguments))
        for i, (name, arguments) in enumerate(pairs)
    ]


def answers(
    box: Toolbox, *pairs: tuple[str, dict[str, Any] | str], approvals: Approvals | None = None
) -> list[ToolFinished]:
    return [event for event in box.run(calls(*pairs), approvals) if isinstance(event, ToolFinished)]


async def aanswers(box: Toolbox, *pairs: tuple[str, dict[str, Any] | str]) -> list[ToolFinished]:
    return [finished async for finished in box.arun(calls(*pairs))]


def echo(text: str) -> str:
    return text


def where() -> str:
    return threading.current_thread().name


async def meet(barrier: str = "") -> str:
    return threading.current_thread().name


# --- what is answered


def test_one_answer_for_each_call_in_their_order():
    found = answers(Toolbox([echo]), ("echo", {"text": "a"}), ("echo", {"text": "b"}), ("echo", {"text": "a"}))
    assert [(f.call_id, f.name, f.output, f.error) for f in found] == [
        ("call_0", "echo", "a", None),
        ("call_1", "echo", "b", None),
        ("call_2", "echo", "a", None),
    ]


def test_wrong_arguments_are_listed_and_nothing_runs():
    ran = []

    def f(a: int, b: int) -> None:
        ran.append(a)

    [found] = answers(Toolbox([f]), ("f", {"a": "x", "c": 1}))
    assert found.output == (
        "The tool was not run, its arguments are wrong:\n"
        '- a: should be a valid integer, unable to parse string as an integer (got "x")\n'
        "- missing: b (integer, required)\n"
        "- unknown: c (known: a, b)"
    )
    assert found.error is not None
    assert ran == []


def test_arguments_of_all_calls_are_read_before_the_first_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    order = []

    class Watched(str):
        pass

    def f(a: str) -> None:
        order.append(f"ran {a}")

    tool = Tool.from_function(f)
    box = Toolbox([tool])
    prepare = box._prepare

    def noted(call: ToolCall, *more: Any) -> Any:
        order.append(f"read {call.id}")
        return prepare(call, *more)

    monkeypatch.setattr(box, "_prepare", noted)
    answers(box, ("f", {"a": "1"}), ("f", {"a": "2"}))
    assert order == ["read call_0", "read call_1", "ran 1", "ran 2"]


def test_an_unknown_tool_is_answered_with_the_known_ones():
    [found] = answers(Toolbox([echo, where]), ("ecko", {}))
    assert found.output == "There is no tool 'ecko'; known tools: echo, where (did you mean echo?)."
    [found] = answers(Toolbox(), ("multi_tool_use.parallel", {}))
    assert found.output == "There is no tool 'multi_tool_use.parallel'; no tools are known."


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such table"), "ValueError: no such table"),
        (KeyError("orders"), "KeyError: 'orders'"),
        (SystemExit(3), "SystemExit: 3; the tool tried to end the kernel, which goes on"),
        (GeneratorExit(), "GeneratorExit"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_tool_that_raises_tells_the_model_briefly_and_the_person_all(error, line):
    def f() -> None:
        raise error

    [found, after] = answers(Toolbox([f, echo]), ("f", ""), ("echo", {"text": "goes on"}))
    assert found.output == line
    assert found.error == line
    assert found.traceback.startswith("Traceback (most recent call last):")
    assert "raise error" in found.traceback
    assert "nbassist/tools" not in found.traceback
    assert after.output == "goes on"


def test_an_error_whose_message_raises_or_is_endless():
    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def bad() -> None:
        raise Bad

    def long() -> None:
        raise ValueError("x" * 1_000_000)

    [first, second] = answers(Toolbox([bad, long]), ("bad", ""), ("long", ""))
    assert first.output == "Bad"
    assert len(second.output) <= 2_000
    assert len(second.error or "") <= 300


def test_positional_only_keyword_only_and_defaults():
    marker = object()

    def f(a: int, b: int = 2, /, c: int = 3, *, d: object = marker) -> list[Any]:
        return [a, b, c, d is marker]

    [one, two] = answers(Toolbox([f]), ("f", {"a": 1}), ("f", {"a": 1, "b": 5, "c": 6}))
    assert one.output == "[1, 2, 3, true]"
    assert two.output == "[1, 5, 6, true]"


def test_a_generator_is_read_while_it_is_captured():
    def f():
        for i in range(3):
            print(i)
            yield i

    [found] = answers(Toolbox([f]), ("f", ""))
    assert found.output == "[0, 1, 2]"
    assert found.display[0] == {"text/plain": "0\n1\n2\n"}


def test_the_result_has_a_limit():
    def f() -> list[int]:
        return list(range(100_000))

    box = Toolbox([f], limit=500)
    [found] = answers(box, ("f", ""))
    assert len(found.output) <= 500
    json.loads(found.output)


def test_a_tool_that_is_redefined_is_called_anew_by_the_next_toolbox():
    def f() -> int:
        return 1

    first = Toolbox([f])

    def f() -> int:  # type: ignore[no-redef]
        return 2

    assert answers(Toolbox([*first, f]), ("f", ""))[0].output == "2"


# --- where it runs


def test_plain_functions_run_on_the_calling_thread_one_after_another():
    running = []

    def f(n: int) -> str:
        assert not running
        running.append(n)
        time.sleep(0.01)
        running.remove(n)
        return threading.current_thread().name

    found = answers(Toolbox([f]), ("f", {"n": 1}), ("f", {"n": 2}))
    assert {f.output for f in found} == {threading.current_thread().name}


def test_coroutines_run_together_on_one_loop_away_from_the_caller():
    met = []

    async def f() -> str:
        met.append(asyncio.get_running_loop())
        while len(met) < 3:
            await asyncio.sleep(0.001)
        return threading.current_thread().name

    found = answers(Toolbox([f]), ("f", ""), ("f", ""), ("f", ""))
    assert {f.output for f in found} == {"nbassist-tools"}
    assert len(set(map(id, met))) == 1


def test_functions_marked_thread_run_beside_one_another():
    barrier = threading.Barrier(3, timeout=30)

    def f() -> str:
        barrier.wait()
        return threading.current_thread().name

    found = answers(Toolbox([Tool.from_function(f, thread=True)]), ("f", ""), ("f", ""), ("f", ""))
    assert {f.output for f in found} == {"nbassist-tool"}


def test_a_call_given_up_while_it_prints_does_not_spoil_the_next_panel():
    let_go = threading.Event()

    def f() -> None:
        print("so far")
        let_go.wait(60)

    def g() -> None:
        print("shown")

    [given_up] = answers(Toolbox([Tool.from_function(f, thread=True, timeout=0.5)]), ("f", ""))
    assert given_up.display == ({"text/plain": "so far\n"},)
    assert not isinstance(sys.stdout, _Stream)
    assert answers(Toolbox([g]), ("g", ""))[0].display == ({"text/plain": "shown\n"},)
    let_go.set()


def test_a_plain_function_runs_while_a_coroutine_waits():
    done = threading.Event()

    async def slow() -> str:
        while not done.is_set():
            await asyncio.sleep(0.001)
        return "slow"

    def quick() -> str:
        done.set()
        return "quick"

    found = answers(Toolbox([slow, quick]), ("slow", ""), ("quick", ""))
    # the coroutine's answer comes first, and it was let go by a call that is answered after it
    assert [f.output for f in found] == ["slow", "quick"]


def test_run_works_inside_a_running_loop_as_in_a_kernel_cell():
    async def tool() -> str:
        await asyncio.sleep(0.001)
        return "done"

    async def cell() -> str:
        return answers(Toolbox([tool]), ("tool", ""))[0].output

    assert asyncio.run(cell()) == "done"


def test_a_coroutine_tool_that_runs_a_toolbox_itself_does_not_deadlock():
    async def inner() -> str:
        await asyncio.sleep(0.001)
        return "inner"

    async def outer() -> str:
        return answers(Toolbox([inner]), ("inner", ""))[0].output

    assert answers(Toolbox([outer]), ("outer", ""))[0].output == "inner"


def test_async_tools_that_raise_anything_leave_the_loop_alive():
    async def leave() -> None:
        raise SystemExit(1)

    async def interrupt() -> None:
        raise KeyboardInterrupt

    async def fine() -> str:
        return "fine"

    box = Toolbox([leave, interrupt, fine])
    found = answers(box, ("leave", ""), ("interrupt", ""))
    assert [f.output for f in found] == [
        "SystemExit: 1; the tool tried to end the kernel, which goes on",
        "KeyboardInterrupt",
    ]
    assert answers(box, ("fine", ""))[0].output == "fine"


def test_async_generators_and_functions_that_return_an_awaitable():
    async def many():
        for i in range(3):
            yield i

    def later():
        async def value() -> int:
            return 5

        return value()

    found = answers(Toolbox([many, later]), ("many", ""), ("later", ""))
    assert [f.output for f in found] == ["[0, 1, 2]", "5"]


def test_arun_answers_in_order_with_coroutines_on_the_running_loop():
    async def loop_is(here: int) -> bool:
        return id(asyncio.get_running_loop()) == here

    async def main() -> list[ToolFinished]:
        here = id(asyncio.get_running_loop())
        threaded = Tool.from_function(where, name="threaded", thread=True)
        box = Toolbox([loop_is, where, threaded])
        return await aanswers(
            box, ("loop_is", {"here": here}), ("where", ""), ("threaded", ""), ("nope", ""), ("where", "{")
        )

    found = asyncio.run(main())
    assert [f.output for f in found[:3]] == ["true", "MainThread", "nbassist-tool"]
    assert [f.error is None for f in found] == [True, True, True, False, False]


# --- what takes too long, and interrupts


def test_a_time_limit_breaks_into_a_blocking_call_on_the_main_thread():
    def f() -> None:
        with contextlib.suppress(Exception):  # a tool that swallows everything
            time.sleep(600)

    [found] = answers(Toolbox([Tool.from_function(f, timeout=0.05)]), ("f", ""))
    assert found.output == "TimeoutError: f took longer than 0.05 seconds"
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_time_limit_cancels_a_coroutine():
    cancelled = threading.Event()

    async def f() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()

    [found] = answers(Toolbox([Tool.from_function(f, timeout=0.05)]), ("f", ""))
    assert found.error == "TimeoutError: f took longer than 0.05 seconds"
    assert cancelled.is_set()


def test_a_coroutines_own_timeout_error_is_its_own():
    async def f() -> None:
        raise TimeoutError("the database")

    [found] = answers(Toolbox([Tool.from_function(f, timeout=60)]), ("f", ""))
    assert found.error == "TimeoutError: the database"


def test_a_time_limit_gives_up_on_a_thread_and_says_so():
    let_go = threading.Event()

    def f() -> None:
        let_go.wait(60)

    [found] = answers(Toolbox([Tool.from_function(f, thread=True, timeout=0.05)]), ("f", ""))
    let_go.set()
    assert found.error is not None
    assert found.error.endswith("it could not be stopped and may still run")


def test_a_time_limit_holds_off_the_main_thread_too():
    let_go = threading.Event()

    def f() -> None:
        let_go.wait(60)

    found: list[ToolFinished] = []
    box = Toolbox([Tool.from_function(f, timeout=0.05)])
    thread = threading.Thread(target=lambda: found.extend(answers(box, ("f", ""))))
    thread.start()
    thread.join(60)
    let_go.set()
    assert found[0].error is not None


def test_a_keyboard_interrupt_passes_on_and_cancels_what_runs_elsewhere():
    cancelled = threading.Event()
    started = threading.Event()

    async def waits() -> None:
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()

    def stopped() -> None:
        assert started.wait(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers(Toolbox([waits, stopped]), ("stopped", ""), ("waits", ""))
    assert cancelled.wait(30)


def test_a_keyboard_interrupt_while_a_coroutine_is_waited_for():
    started = threading.Event()
    cancelled = threading.Event()

    async def waits() -> None:
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()

    def interrupt() -> None:
        started.wait(30)
        time.sleep(0.1)  # until the main thread waits
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        answers(Toolbox([waits]), ("waits", ""))
    thread.join()
    assert cancelled.wait(30)


def test_answers_that_stand_when_the_interrupt_comes_are_given_before_it():
    def quick() -> str:
        return "quick"

    async def waits() -> None:
        await asyncio.sleep(600)

    def stopped() -> None:
        raise KeyboardInterrupt

    answering = Toolbox([quick, waits, stopped]).run(calls(("waits", ""), ("quick", ""), ("stopped", "")))
    assert next(answering).name == "quick"
    with pytest.raises(KeyboardInterrupt):
        next(answering)


def test_leaving_arun_early_cancels_what_runs():
    started, cancelled = threading.Event(), threading.Event()

    async def waits() -> None:
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()

    async def main() -> None:
        task = asyncio.ensure_future(aanswers(Toolbox([waits]), ("waits", "")))
        while not started.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert cancelled.wait(60)


# --- the box


def risky(path: str) -> str:
    return f"removed {path}"


def test_selecting_by_names_and_globs():
    box = Toolbox([echo, where, risky])
    assert [tool.name for tool in box.select(["w*", "echo"])] == ["where", "echo"]
    assert [tool.name for tool in box.select("r*")] == ["risky"]
    assert len(box.select([])) == 0
    with pytest.raises(ToolError, match=r"no tool matches 'ecko'; known tools: echo, where, risky \(did you mean echo"):
        box.select(["ecko"])


def test_specs_in_the_order_of_the_tools():
    assert [spec.name for spec in Toolbox([where, echo]).specs] == ["where", "echo"]
    assert Toolbox().specs == ()


def test_threads_are_used_again_and_there_is_one_for_each_call_that_runs() -> None:
    ready = threading.Barrier(4, timeout=60)
    seen: set[int] = set()

    def meet() -> str:
        """Wait for the others."""
        ready.wait()
        seen.add(threading.get_ident())
        return "met"

    box = Toolbox([Tool.from_function(meet, thread=True)])
    for _ in range(3):
        calls = [ToolCall(str(number), "meet", "{}") for number in range(4)]
        assert [finished.output for finished in box.run(calls)] == ["met"] * 4
    assert len(seen) <= 8, "a thread that is done takes the next call"


def test_on_a_running_loop_too_a_tool_that_cancels_itself_has_failed_and_the_others_answer():
    async def gives_up() -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(60)

    async def fine() -> str:
        await asyncio.sleep(0)
        return "fine"

    async def ask():
        box = Toolbox([gives_up, fine])
        calls = [ToolCall("call_0", "gives_up", ""), ToolCall("call_1", "fine", "")]
        return [event async for event in box.arun(calls)]

    first, second = asyncio.run(ask())
    assert first.output == "CancelledError: gives_up was cancelled from within"
    assert second.output == "fine"


def test_a_tool_that_cancels_itself_has_failed_and_the_others_answer():
    async def gives_up() -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(60)

    def gives_back() -> Any:
        async def cancelled() -> None:
            raise asyncio.CancelledError

        return cancelled()

    async def fine() -> str:
        await asyncio.sleep(0)
        return "fine"

    calls = [ToolCall(str(n), name, "") for n, name in enumerate(("gives_up", "fine", "gives_back"))]
    first, second, third = Toolbox([gives_up, fine, gives_back]).run(calls)
    assert first.output == "CancelledError: gives_up was cancelled from within"
    assert second.output == "fine"
    assert "CancelledError" in third.output


def test_who_waits_for_tools_may_still_cancel_them():
    async def endless() -> None:
        await asyncio.sleep(60)

    async def ask():
        events = Toolbox([endless]).arun([ToolCall("call_0", "endless", "")])
        task = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())


def test_a_coroutine_or_a_task_that_an_async_function_returns_is_awaited():
    async def inner() -> str:
        return "done"

    async def coroutine() -> Any:
        """Give a coroutine."""
        return inner()

    async def task() -> Any:
        """Give a task."""
        return asyncio.create_task(inner())

    def plain() -> Any:
        """Give a coroutine that gives one."""
        return coroutine()

    found = answers(Toolbox([coroutine, task, plain]), ("coroutine", {}), ("task", {}), ("plain", {}))
    assert [f.output for f in found] == ["done"] * 3
