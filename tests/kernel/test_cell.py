"""`%%assistant` in a real kernel, with a scripted endpoint behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def two_turns(endpoint: Any, wire: Any) -> None:
    """The model calls `row_count` on `orders`, then answers."""
    call = [wire.call("a", "row_count", '{"table": "orders"}'), wire.delta("tool_calls")]
    answer = [wire.delta(content=piece) for piece in ("There are ", "**12**", " orders.")]
    endpoint.on("POST", CHAT, wire.answer(wire.stream(*call)), wire.answer(wire.stream(*answer, wire.delta("stop"))))


def say(endpoint: Any, wire: Any, *texts: str) -> None:
    endpoint.on("POST", CHAT, *(wire.answer(wire.stream(wire.delta(content=t), wire.delta("stop"))) for t in texts))


@pytest.mark.usefixtures("two_turns")
def test_a_cell_calls_a_function_of_the_notebook_and_answers(kernel: Any, endpoint: Any) -> None:
    ran = kernel.run("%%assistant\nHow many orders?")
    assert ran.error is None
    assert "There are <strong>12</strong> orders." in ran.html
    assert re.search(r"<details(?![^>]* open).*row_count.*orders.*</details>", ran.html, re.DOTALL)
    sent = endpoint.bodies(CHAT)
    assert sent[0]["tools"][0]["function"]["description"] == "Count the rows of a table."
    assert sent[1]["messages"][-1]["content"] == "12"


@pytest.mark.usefixtures("two_turns")
def test_the_reply_is_the_result_of_the_cell_and_is_shown_once(kernel: Any) -> None:
    ran = kernel.run("%%assistant --to answer\nHow many orders?")
    assert "execute_result" not in ran.kinds
    assert kernel.run("_.text, answer is _, answer.text == Out[2].text").result == (
        "('There are **12** orders.', False, True)"
    )
    again = kernel.run("Out[2]")
    assert "<strong>12</strong>" in again.html


@pytest.mark.usefixtures("two_turns")
def test_the_live_view_gives_way_to_the_static_reply_and_its_widget_is_closed(kernel: Any) -> None:
    ran = kernel.run("%%assistant\nHow many orders?")
    first = next(m for m in ran.messages if m["msg_type"] == "display_data")
    assert WIDGET in first["content"]["data"]
    assert "text/html" in first["content"]["data"]
    (last,) = ran.displays.values()
    assert set(last) == {"text/html", "text/plain"}
    opened = {m["content"]["comm_id"] for m in ran.messages if m["msg_type"] == "comm_open"}
    closed = {m["content"]["comm_id"] for m in ran.messages if m["msg_type"] == "comm_close"}
    assert opened
    assert opened == closed


@pytest.mark.usefixtures("two_turns")
def test_the_static_display_emits_the_finished_bundle_once(start_kernel: Callable[..., Any]) -> None:
    ran = start_kernel(NBASSIST_DISPLAY="static").run("%%assistant -m m\nHow many orders?")
    outputs = [k for k in ran.kinds if k not in ("status", "execute_input")]
    assert outputs == ["display_data"]
    (bundle,) = ran.displays.values()
    assert set(bundle) == {"text/html", "text/plain"}


def test_a_redefined_function_is_the_one_that_is_called(kernel: Any, endpoint: Any, wire: Any) -> None:
    call = wire.stream(wire.call("a", "row_count", '{"table": "orders"}'), wire.delta("tool_calls"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"))))
    kernel.run("@tool\ndef row_count(table: str) -> str:\n    'Count.'\n    return 'the new one'")
    kernel.run("%%assistant\nHow many orders?")
    assert endpoint.bodies(CHAT)[1]["messages"][-1]["content"] == "the new one"


def test_expressions_are_filled_in_and_other_braces_left_alone(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "ok")
    kernel.run("%%assistant\n{{ len(orders) }} of {{people}}: {x} {{ }} {{ no python }} {'a': {1}}")
    assert endpoint.bodies(CHAT)[0]["messages"][0]["content"] == (
        "12 of [0, 1, 2]: {x} {{ }} {{ no python }} {'a': {1}}"
    )


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%assistant\n{{ order }}", "'order' is not defined in this notebook; did you mean orders?"),
        ("%%assistant\n{{ 1/0 }}", "failed: ZeroDivisionError"),
        ("%%assistant --modle x\nhi", "did you mean --model?"),
        ("%%assistant -m\nhi", "expected one argument"),
        ("%%assistant hello\nhi", "stands beside the flags"),
        ("%%assistant --to 1x\nhi", "can't be a variable's name"),
        ("%%assistant --tools nope\nhi", "no tool matches 'nope'"),
        ("%%assistant --tools a --no-tools\nhi", "contradict"),
        ("%%assistant --jobs 2\nhi", "--jobs is for many variants: say which with --vary, --over or --repeat"),
        ("%assistant explain orders --repeat 3", "%assistant explain is for one reply"),
        ("%assistant use", "%assistant use NAME, %assistant use URL, or %assistant use -t THREAD"),
        ("%assistant log --foo", "there is no flag --foo; %assistant log? lists them"),
        ('%%assistant -s "x\nhi', "a quote that is not closed"),
        ("%%assistant\n\n", "the cell is empty"),
        ("%assistant hello", "has no command 'hello'; did you mean %assistant help?"),
    ],
)
def test_a_mistake_in_the_cell_is_one_line(kernel: Any, endpoint: Any, cell: str, words: str) -> None:
    ran = kernel.run(cell)
    assert ran.error is not None
    assert len(ran.error["traceback"]) == 1
    assert words in ran.error["traceback"][0]
    assert endpoint.asked == []


def test_an_error_of_the_endpoint_is_one_line_without_the_key(kernel: Any, endpoint: Any, wire: Any) -> None:
    endpoint.json("POST", CHAT, {"error": {"message": "bad key sk-very-secret"}}, status=401)
    ran = kernel.run("%%assistant\nhi")
    assert ran.error is not None
    assert ran.error["ename"] == "AuthenticationError"
    assert len(ran.error["traceback"]) == 1
    assert "sk-very-secret" not in json.dumps(ran.error)
    assert not any(WIDGET in data for data in ran.displays.values())


def test_flags_reach_the_request(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "ok")
    kernel.run('%%assistant -m other -s "be brief" --no-tools\nhi')
    body = endpoint.bodies(CHAT)[0]
    assert body["model"] == "other"
    assert body["messages"][0] == {"role": "system", "content": "be brief"}
    assert "tools" not in body
    kernel.run("@tool\ndef other() -> int:\n    'Another.'\n    return 1")
    kernel.run("%%assistant --tools row_*\nhi")
    assert [t["function"]["name"] for t in endpoint.bodies(CHAT)[1]["tools"]] == ["row_count"]


def test_threads_are_kept_apart_by_name(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "ok")
    for cell in ("%%assistant\none", "%%assistant -t side\ntwo", "%%assistant\nthree"):
        kernel.run(cell)
    prompts = [[m["content"] for m in body["messages"] if m["role"] == "user"] for body in endpoint.bodies(CHAT)]
    assert prompts == [["one"], ["two"], ["one", "three"]]


def test_the_status_says_where_everything_stands(kernel: Any) -> None:
    shown = kernel.run("%assistant").result
    for word in ("NBASSIST_BASE_URL", "chat", "m (from NBASSIST_MODEL)", "main (0 turns)", "row_count"):
        assert word in shown
    assert "sk-very-secret" not in shown


def test_config_comes_before_the_environment(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "ok")
    kernel.run("%config NbAssist.model = 'configured'")
    kernel.run("%config NbAssist.system = 'be kind'")
    kernel.run("%%assistant\nhi")
    body = endpoint.bodies(CHAT)[0]
    assert (body["model"], body["messages"][0]["content"]) == ("configured", "be kind")


def test_reloading_the_extension_leaves_one_of_each(kernel: Any) -> None:
    assert kernel.run("%reload_ext nbassist\n%reload_ext nbassist").error is None
    assert kernel.run("[type(c).__name__ for c in get_ipython().configurables].count('NbAssist')").result == "1"


def test_an_interrupt_keeps_the_partial_text_and_the_cell_runs_again(kernel: Any, endpoint: Any, wire: Any) -> None:
    half = wire.answer(wire.stream(wire.delta(content="Half an "), wire.delta(content="answer"), wire.delta("stop")))
    whole = wire.answer(wire.stream(wire.delta(content="The whole answer"), wire.delta("stop")))
    endpoint.on("POST", CHAT, half, whole)
    shown, interrupted = Event(), Event()
    half.before = lambda piece: (shown.wait(60), interrupted.wait(60)) if piece == 1 else None

    def watch(message: dict[str, Any]) -> None:
        if "Half an" in str(message["content"]) and not shown.is_set():
            kernel.interrupt()
            shown.set()

    ran = kernel.run("%%assistant\nhi", watch=watch)
    interrupted.set()
    assert ran.error is not None
    assert ran.error["ename"] == "CellInterrupted"
    assert len(ran.error["traceback"]) == 1
    assert "Half an" in ran.html
    assert not any(WIDGET in data for data in ran.displays.values())
    assert kernel.run("_.finish, _.text").result == "('interrupted', 'Half an ')"
    assert "The whole answer" in kernel.run("%%assistant\nhi").html


@pytest.mark.parametrize(
    ("place", "cell"),
    [
        ("nbassist.magics.magic.parse", "%%assistant -m m\nhi"),
        ("nbassist.magics.magic.expand", "%%assistant --vary model=a,b\nhi"),
        ("nbassist.magics.run_cell.prepare_assistant", "%%assistant\nhi"),
        ("nbassist.magics.sweep_cell._sweep", "%%assistant --repeat 2\nhi"),
        ("nbassist.magics.commands.find", "%assistant threads"),
    ],
    ids=["the flags are read", "words are filled in", "it is set up", "a sweep is planned", "a command is found"],
)
def test_two_interrupts_while_a_magic_only_begins_are_one_line(kernel: Any, place: str, cell: str) -> None:
    module, _, name = place.rpartition(".")
    kernel.run(
        "import importlib, os, signal, time\n"
        f"module, real = importlib.import_module({module!r}), None\n"
        "def twice(*args, **named):\n"
        f"    module.{name} = real\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGINT); time.sleep(0.01)\n"
        f"real, module.{name} = module.{name}, twice\n"
        "_ = 0"
    )
    ran = kernel.run(cell)
    assert ran.error is not None
    assert ran.error["ename"] == "CellInterrupted"
    assert ran.error["traceback"] == ["Interrupted: the cell can be run again"]
    assert kernel.run("6 * 7").result == "42"


@pytest.mark.parametrize("piece", [0, 1], ids=["before its first word", "after its first word"])
def test_an_interrupt_of_what_is_awaited_does_not_wait_for_the_endpoints_next_bytes(
    kernel: Any, endpoint: Any, wire: Any, piece: int
) -> None:
    """The signal's handler asks for a cancellation, and wakes nothing: the loop would go on waiting for the network."""
    silent = wire.answer(wire.stream(wire.delta(content="Half an "), wire.delta(content="answer"), wire.delta("stop")))
    endpoint.on("POST", CHAT, silent)
    waits, heard, waited_out = Event(), Event(), Event()

    def before(number: int) -> None:
        if number == piece:
            waits.set()
            if not heard.wait(60):
                waited_out.set()

    silent.before = before
    code = f"from nbassist import Assistant\nreply = await Assistant(base_url={endpoint.url!r}, model='m').aask('go')"
    ran = kernel.run(code, interrupt_when=waits.is_set)
    heard.set()
    assert ran.error is not None
    assert ran.error["ename"] == "CancelledError"
    assert not waited_out.is_set()


def test_what_a_tool_prints_stands_in_its_panel_and_not_in_the_cell(kernel: Any, endpoint: Any, wire: Any) -> None:
    call = wire.stream(wire.call("a", "talk", "{}"), wire.delta("tool_calls"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"))))
    kernel.run("@tool\ndef talk() -> int:\n    'Talk.'\n    print('from inside')\n    return 1")
    ran = kernel.run("%%assistant\ngo")
    assert "from inside" not in ran.stdout
    assert "from inside" in ran.html


def test_a_tool_that_fails_is_shown_and_the_run_goes_on(kernel: Any, endpoint: Any, wire: Any) -> None:
    call = wire.stream(wire.call("a", "fail", "{}"), wire.delta("tool_calls"))
    endpoint.on("POST", CHAT, wire.answer(call), wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop"))))
    kernel.run("@tool\ndef fail() -> int:\n    'Fail.'\n    raise SystemExit('out')")
    ran = kernel.run("%%assistant\ngo")
    assert ran.error is None
    assert "SystemExit" in ran.html
    assert "SystemExit" in endpoint.bodies(CHAT)[1]["messages"][-1]["content"]


def test_a_cell_inside_a_tool_is_allowed_or_refused_but_never_a_deadlock(kernel: Any, endpoint: Any, wire: Any) -> None:
    call = wire.stream(wire.call("a", "nested", "{}"), wire.delta("tool_calls"))
    ok = wire.answer(wire.stream(wire.delta(content="ok"), wire.delta("stop")))
    endpoint.on("POST", CHAT, wire.answer(call), ok)
    kernel.run(
        "@tool\ndef nested() -> str:\n    'Ask again.'\n"
        "    return get_ipython().run_cell_magic('assistant', '-t inner --no-tools', 'hi').text"
    )
    ran = kernel.run("%%assistant\ngo")
    assert ran.error is None
    assert "ok" in ran.html
