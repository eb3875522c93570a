"""Wherever the output of a cell goes, the reply goes: an `Output`, a callback, `%%capture`, a console."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
WIDGET = "application/vnd.jupyter.widget-view+json"
ASK = "_ = get_ipython().run_cell_magic('assistant', '', 'q')"
SWEEP = "_ = get_ipython().run_cell_magic('assistant', '--vary temperature=0,1', 'q')"
OUTPUT = "import ipywidgets\nout = ipywidgets.Output()\n"
WAYS = {
    "with an Output": OUTPUT + "with out:\n    {ask}",
    "capture of an Output": OUTPUT + "@out.capture()\ndef show():\n    {ask}\nshow()",
    "interact": OUTPUT + "def show(x):\n    {ask}\nipywidgets.interact(show, x=1)",
}


@pytest.fixture(autouse=True)
def answered(model: Any) -> None:
    model("the whole reply")


def firsts(ran: Any) -> list[dict[str, Any]]:
    """What is displayed where the update of a display is passed over."""
    return [m["content"]["data"] for m in ran.messages if m["msg_type"] == "display_data"]


@pytest.mark.parametrize("ask", [ASK, SWEEP], ids=["reply", "sweep"])
@pytest.mark.parametrize("code", WAYS.values(), ids=WAYS)
def test_in_an_output_widget_the_static_form_is_a_display_of_its_own(kernel: Any, code: str, ask: str) -> None:
    ran = kernel.run(code.format(ask=ask), cell="a")
    assert ran.error is None
    live, *_ = (data for data in firsts(ran) if WIDGET in data and "interactive" not in data["text/plain"])
    whole = [data for data in firsts(ran) if "the whole reply" in data.get("text/html", "")]
    assert len(whole) == 1
    assert WIDGET not in whole[0]
    opened = {m["content"]["comm_id"] for m in ran.messages if m["msg_type"] == "comm_close"}
    assert live[WIDGET]["model_id"] in opened, "what is live there is closed, and leaves nothing"


@pytest.mark.parametrize("ask", [ASK, SWEEP], ids=["reply", "sweep"])
def test_a_console_that_passes_over_updates_shows_the_reply_when_it_is_whole(kernel: Any, ask: str) -> None:
    kernel.console = True
    ran = kernel.run(ask)
    texts = [data["text/plain"] for data in firsts(ran)]
    assert sum("the whole reply" in text for text in texts) == 1
    assert not any("Not finished" in text for text in texts)


def test_in_a_cell_of_a_notebook_it_stands_once(kernel: Any) -> None:
    ran = kernel.run("%%assistant\nq", cell="a")
    assert len(ran.displays) == 1
    assert "the whole reply" in ran.plain


@pytest.mark.parametrize("display", ["", "live"])
@pytest.mark.parametrize("code", ["%%capture kept\n" + ASK, "%%capture kept\n%%assistant\nq"])
def test_what_is_captured_is_one_display(start_kernel: Any, code: str, display: str) -> None:
    kernel = start_kernel(NBASSIST_MODEL="m", **({"NBASSIST_DISPLAY": display} if display else {}))
    ran = kernel.run(code, cell="a")
    assert ran.displays == {}
    assert kernel.run("[one.data['text/plain'].partition('\\n')[0] for one in kept.outputs]").result == (
        "['the whole reply']"
    )
    assert "the whole reply" in kernel.run("kept.show()", cell="b").plain


def test_a_sweep_that_is_captured_is_one_display(kernel: Any) -> None:
    kernel.run("%%capture kept\n" + SWEEP, cell="a")
    assert kernel.run("[type(one).__name__ for one in kept.outputs]").result == "['RichOutput']"
    assert "the whole reply" in kernel.run("kept.show()", cell="b").plain


def test_a_callback_of_a_button_shows_the_reply_where_its_prints_go(kernel: Any) -> None:
    kernel.run(f"import ipywidgets\nbutton = ipywidgets.Button()\ndef clicked(_):\n    {ASK}\nbutton.on_click(clicked)")
    comm = kernel.run("button.model_id").result.strip("'")
    body = {"comm_id": comm, "data": {"method": "custom", "content": {"event": "click"}}}
    message = kernel.client.session.msg("comm_msg", body)
    kernel.client.shell_channel.send(message)
    shown, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline and not shown:
        try:
            came = kernel.client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if came["parent_header"].get("msg_id") == message["header"]["msg_id"] and came["msg_type"] == "display_data":
            shown.append(came["content"]["data"])
    assert "the whole reply" in shown[0]["text/html"]
    assert WIDGET not in shown[0]


def test_a_reply_inside_of_a_tool_stands_in_its_panel(kernel: Any, model: Any) -> None:
    kernel.run(
        "@tool\ndef inner() -> str:\n    'Ask in another thread.'\n"
        "    _ = get_ipython().run_cell_magic('assistant', '-t other', 'q')\n    return 'asked'"
    )
    model([("inner", {})], "the reply within", "the whole reply")
    ran = kernel.run("%%assistant\nq", cell="a")
    assert len(ran.displays) == 1
    assert "the reply within" in ran.html
