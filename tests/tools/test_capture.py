from __future__ import annotations

import asyncio
import builtins
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbassist.core.messages import ToolCall
from nbassist.tools import Tool, Toolbox, ToolResult
from nbassist.tools.capture import capturing


def texts(finished) -> list[str]:
    return [bundle["text/plain"] for bundle in finished.display]


def test_what_is_printed_and_returned_is_shown_in_order(call, capsys):
    def f() -> list[int]:
        print("one")
        print("two", file=sys.stderr)
        sys.stdout.writelines(["three", "\n"])
        return [4]

    assert texts(call(f)) == ["one\ntwo\nthree\n", "[4]"]
    assert capsys.readouterr() == ("", "")


def test_what_was_printed_before_an_error_is_kept(call):
    def f() -> None:
        print("before")
        raise ValueError

    assert texts(call(f)) == ["before\n"]


def test_everything_is_put_back():
    before = sys.stdout, sys.stderr, builtins.input
    with capturing(), capturing():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr, builtins.input) == before


def test_a_stream_that_the_tool_replaced_and_left_is_not_touched(monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    other = io.StringIO()
    with capturing():
        sys.stdout = other
    assert sys.stdout is other


def test_redirect_stdout_within_a_tool_works(call):
    import contextlib
    import io

    def f() -> str:
        buffer = io.StringIO()
        with contextlib.redirect_stdout(buffer):
            print("inside")
        print("outside")
        return buffer.getvalue()

    assert texts(call(f)) == ["outside\n", "inside\n"]


def test_threads_that_the_tool_starts_count_as_the_tool(call):
    def f() -> None:
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        with ThreadPoolExecutor() as pool:
            pool.submit(print, "from a pool").result()

    assert texts(call(f)) == ["from a thread\nfrom a pool\n"]


def test_a_thread_that_ran_before_is_not_captured(call, capsys):
    go, done = threading.Event(), threading.Event()

    def elsewhere() -> None:
        go.wait(30)
        print("not the tool")
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()

    def f() -> None:
        go.set()
        done.wait(30)

    assert texts(call(f)) == []
    thread.join()
    assert capsys.readouterr().out == "not the tool\n"


def test_tools_that_run_together_do_not_mix():
    async def f(name: str) -> None:
        for _ in range(5):
            print(name)
            await asyncio.sleep(0.001)

    def g(name: str) -> None:
        for _ in range(5):
            print(name)

    box = Toolbox([f, Tool.from_function(g, thread=True), Tool.from_function(g, name="h")])
    calls = [ToolCall(n, kind, f'{{"name": "{n}"}}') for n, kind in [("a", "f"), ("b", "f"), ("c", "g"), ("d", "h")]]
    assert [texts(finished) for finished in box.run(calls)] == [[f"{n}\n" * 5] for n in "abcd"]


def test_a_tool_that_calls_a_tool_has_its_own_panel_for_each(call):
    def inner() -> None:
        print("inner")

    def outer() -> str:
        print("before")
        [found] = Toolbox([inner]).run([ToolCall("x", "inner", "")])
        print("after")
        return texts(found)[0]

    assert texts(call(outer)) == ["before\nafter\n", "inner\n"]


def test_print_is_bounded_and_says_how_much_is_gone(call):
    def f() -> None:
        for _ in range(300):
            print("x" * 999)

    [kept, note] = texts(call(f))
    assert len(kept) == 100_000
    assert note == "[… 200,000 more characters or displays left out …]"


def test_a_progress_bar_shows_its_last_state(call):
    def f() -> None:
        for i in range(5):
            print(f"\r{i * 25}%", end="", file=sys.stderr)
        print("\ndone\x1b[0m")

    assert texts(call(f)) == ["100%\ndone\n"]


def test_logging_set_up_within_a_tool_is_captured(call):
    def f() -> None:
        handler = logging.StreamHandler()
        logging.getLogger("nbassist-test").addHandler(handler)
        logging.getLogger("nbassist-test").warning("logged")
        logging.getLogger("nbassist-test").removeHandler(handler)

    assert texts(call(f)) == ["logged\n"]


def test_writing_something_else_than_text_is_the_tools_error(call):
    def f() -> None:
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]

    assert call(f).error == "TypeError: write() argument must be str, not bytes"


def test_input_where_no_one_can_answer_is_refused(call):
    def f() -> str:
        return input("Sure? ")

    assert call(f).error == "EOFError: no one can answer input() here"


@pytest.mark.parametrize("thread", [True, False])
def test_input_off_the_main_thread_is_refused(call, thread, monkeypatch):
    monkeypatch.setattr(sys.stdin.__class__, "isatty", lambda self: True, raising=False)

    def plain() -> str:
        return input()

    async def coroutine() -> str:
        return input()

    function = Tool.from_function(plain, thread=True) if thread else coroutine
    assert call(function).error == "EOFError: no one can answer input() here"


def test_input_where_a_person_sits_is_asked_and_not_captured(call, monkeypatch, capsys):
    class Terminal:
        closed = False

        def isatty(self) -> bool:
            return True

    def answer(prompt: object = "") -> str:
        print(prompt)
        return "yes"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(builtins, "input", answer)

    def f() -> str:
        return input("Sure? ")

    found = call(f)
    assert found.output == "yes"
    assert capsys.readouterr().out == "Sure? \n"


def test_without_ipython_display_objects_show_what_they_can(call):
    class Chart:
        def _repr_html_(self) -> str:
            return "<b>chart</b>"

        def __repr__(self) -> str:
            return "Chart()"

    def f() -> Chart:
        return Chart()

    assert call(f).display == ({"text/html": "<b>chart</b>", "text/plain": "Chart()"},)


def test_a_tool_result_says_what_each_of_the_two_gets(call):
    def f() -> ToolResult:
        return ToolResult("for the model", show={"for": "the person"}, images=("and more",))

    found = call(f)
    assert found.output == "for the model"
    assert texts(found) == ['{"for": "the person"}', "and more"]


@pytest.mark.kernel
def test_in_a_real_kernel_displays_stand_in_their_place_and_outside_nothing_changes():
    """A kernel, a tool that prints, displays, updates, plots nothing; what the cell itself shows is not touched."""
    from queue import Empty

    from jupyter_client.manager import start_new_kernel

    source = """
import json, asyncio
from nbassist.tools import Toolbox
from nbassist.core.messages import ToolCall
from IPython.display import display, HTML, clear_output

class Chart:
    def _repr_html_(self): return "<b>chart</b>"
    def __repr__(self): return "Chart()"

def f():
    print("one")
    handle = display(HTML("<i>two</i>"), display_id=True)
    print("three")
    handle.update(HTML("<i>2</i>"))
    return Chart()

async def g():
    display("async")

def h():
    print("gone"); clear_output(wait=True); print("stays")

def asks():
    return input("Sure?")

print("cell before")
box = Toolbox([f, g, h, asks])
found = list(box.run([ToolCall(n, n, "") for n in ("f", "g", "h", "asks")]))
print("cell after")
print("RESULT" + json.dumps([[dict(b) for b in r.display] + [r.error] for r in found]))
"""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(source, allow_stdin=False)
        texts: list[str] = []
        while True:
            try:
                message = client.get_iopub_msg(timeout=60)
            except Empty:
                pytest.fail("the kernel said nothing")
            if message["msg_type"] == "stream":
                texts.append(message["content"]["text"])
            assert message["msg_type"] != "display_data", message["content"]
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    text = "".join(texts)
    assert text.startswith("cell before\ncell after\nRESULT")
    import json

    f, g, h, asks = json.loads(text.partition("RESULT")[2])
    assert [b.get("text/html", b["text/plain"]) for b in f[:-1]] == ["one\n", "<i>2</i>", "three\n", "<b>chart</b>"]
    assert g[0] == {"text/plain": "'async'"}
    assert h[0] == {"text/plain": "stays\n"}
    assert asks[-1] == "EOFError: no one can answer input() here"
