"""Clicks while the cell runs, by a raw client of real kernels: ipykernel 7.1, 7.3 and the one that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = [pytest.mark.kernel, pytest.mark.since("ipykernel", "7.1")]
SETUP = """
import asyncio, time
from nbassist.display import make_view
from nbassist.core.events import *
import nbassist.display.live.view as live

live._PATIENCE = {patience}  # seconds for the browser, which a busy machine may hold up

ASKED = ApprovalAsked("1", "drop", '{{"table": "orders"}}')

def begin():
    view = make_view("live", get_ipython())
    for event in (RunStarted("m"), TurnStarted(), TextDelta("The first words"), ToolCallStarted("1", "drop"),
                  ToolCallReady("1", "drop", ASKED.arguments), TurnEnded("tool_calls")):
        view.apply(event)
    return view

def end(view, finish="completed"):
    view.apply(RunEnded(finish))
"""
ASK = """
view = begin()
view.apply(ASKED)
answer = view.ask(ASKED)
view.apply(answer or ApprovalAnswered("1", "refused", "no buttons"))
end(view)
print(answer)
"""
STOP = """
view = begin()
try:
    time.sleep(30)
except KeyboardInterrupt:
    end(view, "interrupted")
    print("stopped while it slept")
"""
STOP_AWAITED = """
view = begin()
try:
    await asyncio.sleep(30)
except asyncio.CancelledError:
    end(view, "interrupted")
    print("cancelled while it slept")
"""
WITHOUT_LOSS = """
kernel = get_ipython().kernel
kernel.shell_channel_thread.manager._shell_socket = kernel.shell_stream
"""
"""Before 7.4 ipykernel sends replies past the stream that reads requests, and some request in a few hundred is then
never read (ipython/ipykernel#1554). This sends them as 7.4 does: the kernels are here for what they do with clicks."""
READY, FORM = "Running drop", "data-question"  # in what the view shows, when the cell waits for a click
WIDGET = "application/vnd.jupyter.widget-view+json"


def _install(version: str, folder: Path) -> None:
    """Install one version of ipykernel, and nothing else, into a folder of its own."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", str(folder), f"ipykernel=={version}.*"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"ipykernel {version} can't be installed: {done.stderr.strip()[-200:]}"


@pytest.fixture(scope="module", params=["7.1", "7.3", "installed"])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from jupyter_client.manager import KernelManager

    folder = tmp_path_factory.mktemp("ipython")
    environ = {**os.environ, "IPYTHONDIR": str(folder)}
    if request.param != "installed":
        target = Path(request.config.cache.mkdir("ipykernel-" + request.param))
        if not (target / "ipykernel").is_dir():
            _install(request.param, target)
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")]))
    manager = KernelManager()
    manager.start_kernel(env=environ, cwd=str(folder))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    if request.param != "installed":
        (version,) = [text for text in run(client, "import ipykernel\nprint(ipykernel.__version__)") if text]
        assert version.startswith(request.param + ".")
        run(client, WITHOUT_LOSS)
    run(client, SETUP.format(patience=60.0))
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


@pytest.fixture(params=["main shell", "subshell"])
def subshell(request: pytest.FixtureRequest, kernel: Any) -> str:
    """The subshell that messages of widgets are sent to, as a frontend may choose; empty for the main one."""
    if request.param == "main shell":
        return ""
    kernel.control_channel.send(kernel.session.msg("create_subshell_request"))
    return str(kernel.control_channel.get_msg(timeout=30)["content"]["subshell_id"])


def send(client: Any, comm: str, content: dict[str, Any], subshell: str = "", session: Any = None) -> None:
    """Send a message to a widget, as a browser does."""
    message = client.session.msg("comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": content}})
    if subshell:
        message["header"]["subshell_id"] = subshell
    if session is None:
        client.shell_channel.send(message)
    else:
        session.send(client.shell_channel.socket, message)


def run(client: Any, code: str, clicks: list[dict[str, Any]] | None = None, **how: Any) -> list[str]:
    """Run a cell; send `clicks` when its widget shows that it is there. Return what it printed, line by line."""
    request, printed = client.execute(code), ""
    waiting = list(clicks or ())
    while True:
        message = client.get_iopub_msg(timeout=60)
        content, kind = message["content"], message["msg_type"]
        if kind == "display_data" and WIDGET in content["data"]:
            send(client, content["data"][WIDGET]["model_id"], {"kind": "sync"}, how.get("subshell", ""))
        elif kind == "comm_msg" and waiting and (READY if waiting[0]["kind"] == "stop" else FORM) in str(content):
            for click in waiting:
                send(client, content["comm_id"], click, **how)
            waiting.clear()
        elif kind == "stream" and content["name"] == "stdout":
            printed += content["text"]
        elif kind == "error":
            raise AssertionError("\n".join(content["traceback"]))
        elif (
            kind == "status"
            and content["execution_state"] == "idle"
            and message["parent_header"].get("msg_id") == request
        ):
            return printed.splitlines()


def answer(decision: str, question: int = 1, **more: str) -> dict[str, Any]:
    return {"kind": "answer", "question": question, "decision": decision, **more}


def test_a_click_answers_a_question_while_the_cell_waits_for_it(kernel: Any, subshell: str) -> None:
    clicks = [answer("always", 7), answer("no such"), answer("refused", comment="keep them"), answer("allowed")]
    assert run(kernel, ASK, clicks, subshell=subshell) == [
        "ApprovalAnswered(call_id='1', decision='refused', comment='keep them', arguments='')"
    ], "the first that answers this very question counts"


def test_a_click_on_stop_interrupts_a_cell_that_sleeps(kernel: Any, subshell: str) -> None:
    assert run(kernel, STOP, [{"kind": "stop"}], subshell=subshell) == ["stopped while it slept"]
    assert run(kernel, "print('and the next cell runs')") == ["and the next cell runs"]


def test_a_click_on_stop_cancels_a_cell_that_awaits(kernel: Any, subshell: str) -> None:
    assert run(kernel, STOP_AWAITED, [{"kind": "stop"}], subshell=subshell) == ["cancelled while it slept"]


def test_stop_cancels_a_task_that_outlives_its_cell_and_leaves_the_next_cell_alone(kernel: Any) -> None:
    code = "async def later():\n" + "".join(f"    {line}\n" for line in STOP_AWAITED.strip().splitlines())
    code = code.replace("print(", "seen.append(")
    run(kernel, "seen = []\n" + code + "task = asyncio.get_running_loop().create_task(later())")
    heard = "tap = __import__('nbassist.display.live.clicks', fromlist=['tap'])\n(heard,) = tap._taps.values()\n"
    slept = "heard({'kind': 'stop'})\ntime.sleep(0.2)\nawait asyncio.gather(task)\nprint(seen)"
    assert run(kernel, heard + slept) == ["['cancelled while it slept']"]


def test_an_interrupt_ends_a_question(kernel: Any) -> None:
    code = "view = begin()\ntry:\n    view.ask(ASKED)\nexcept KeyboardInterrupt:\n"
    code += "    end(view, 'interrupted')\n    print('interrupted')"
    assert run(kernel, code, [answer("stopped"), {"kind": "stop"}]) == ["interrupted"]


def test_a_message_that_is_not_signed_with_the_key_of_the_kernel_is_not_heard(kernel: Any) -> None:
    forger = Session(key=b"not the key")
    forged = [answer("allowed")]
    code = ASK.replace("view.ask(ASKED)", "(hurry(), view.ask(ASKED))[1]")
    hurry = "import threading, _thread\ndef hurry(): threading.Timer(2, _thread.interrupt_main).start()\n"
    code = hurry + "try:\n" + "".join(f"    {line}\n" for line in code.strip().splitlines())
    code += "except KeyboardInterrupt:\n    end(view)\n    print('no one was heard')"
    assert run(kernel, code, forged, session=forger) == ["no one was heard"]


def test_where_no_browser_listens_or_no_tap_can_be_there_are_no_buttons(kernel: Any) -> None:
    request = kernel.execute(f"live._PATIENCE = 0.1\n{ASK}live._PATIENCE = 60.0")
    printed = ""
    while True:
        message = kernel.get_iopub_msg(timeout=60)
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed += message["content"]["text"]
        elif message["content"].get("execution_state") == "idle" and message["parent_header"]["msg_id"] == request:
            break
    assert printed == "None\n"
    code = (
        "from nbassist.display.live import clicks as tap\nwas, tap.possible = tap.possible, lambda kernel: False\n"
        + ASK
    )
    code += "tap.possible = was\nprint(view._whole()['stop'])"
    assert run(kernel, code) == ["None", "False"]


def test_nothing_waits_for_a_click_in_nbclient() -> None:
    notebook = new_notebook(cells=[new_code_cell(SETUP.format(patience=3.0)), new_code_cell(ASK)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = notebook.cells[1].outputs
    printed = next(one for one in outputs if one["output_type"] == "stream")
    shown = [one for one in outputs if one["output_type"] == "display_data"][-1]
    assert printed["text"] == "None\n"
    assert "refused" in shown["data"]["text/plain"]
    assert set(shown["data"]) == {"text/html", "text/plain"}
