"""The live and the static view in a real kernel, seen by a raw client, and in nbclient."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
SETUP = """
from nbassist.display import make_view
from nbassist.core.events import *
import pathlib, time
"""
HALF = """
view = make_view("live", get_ipython())
view.apply(RunStarted("some-model"))
view.apply(TurnStarted())
view.apply(ToolCallStarted("1", "row_count"))
view.apply(ToolCallReady("1", "row_count", "{}"))
view.apply(TextDelta("The last words"))
"""
PAUSE = """
deadline = time.monotonic() + 60
while not pathlib.Path(SIGN).exists() and time.monotonic() < deadline:
    time.sleep(0.02)
"""
END = """
view.apply(TurnEnded("stop"))
view.apply(RunEnded("completed", seconds=1.0))
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


class Client:
    """A kernel, and the messages of one cell as they come."""

    def __init__(self) -> None:
        manager = import_module("jupyter_client.manager").KernelManager()
        manager.start_kernel()
        self.manager, self.client = manager, manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def execute(self, code: str, **options: Any) -> Iterator[dict[str, Any]]:
        """Run a cell; give each message of it until it has ended."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        sent = self.client.session.msg("execute_request", content | options, metadata={"deletedCells": []})
        self.client.shell_channel.send(sent)  # as notebooks do it; consoles say nothing of a cell
        request = sent["header"]["msg_id"]
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", "\n".join(content["traceback"])
            yield message
            if (
                kind == "status"
                and content["execution_state"] == "idle"
                and message["parent_header"]["msg_id"] == request
            ):
                return

    def send(self, comm_id: str, content: dict[str, Any]) -> None:
        """Send a custom message to a widget, as a browser does."""
        body = {"comm_id": comm_id, "data": {"method": "custom", "content": content}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", body))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Client]:
    client = Client()
    for _ in client.execute(SETUP):
        pass
    yield client
    client.close()


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["msg_type"] for message in messages]


def test_what_came_last_is_shown_while_the_model_pauses(kernel: Client, tmp_path: Any) -> None:
    sign = tmp_path / "go"
    seen = False
    for message in kernel.execute(HALF + PAUSE.replace("SIGN", repr(str(sign))) + END):
        if message["msg_type"] == "comm_msg" and "The last words" in json.dumps(message["content"]):
            seen = seen or not sign.exists()
            sign.touch()
    assert seen


METER = """
class Meter:
    rate, cost, thoughts = 41.6, 0.0123, [12.0]

view = make_view("live", get_ipython())
view.metered(Meter())
view.apply(RunStarted("some-model"))
view.apply(TurnStarted())
view.apply(ReasoningDelta("hm"))
view.apply(TextDelta("The first words"))
"""


def test_tokens_a_second_and_money_so_far_are_sent_while_the_model_writes(kernel: Client, tmp_path: Any) -> None:
    sign, seen = tmp_path / "go", []
    ended = END.replace("seconds=1.0", "Usage(100, 50, known=True), writing=2.0, thoughts=(12.0,), cost=0.02")
    for message in kernel.execute(METER + PAUSE.replace("SIGN", repr(str(sign))) + ended):
        said = json.dumps(message["content"])
        if message["msg_type"] == "comm_msg" and '"meter": "42 tokens/s \\u00b7 $0.012"' in said:
            seen.append("meter")
        if "Thought for 12.0 s" in said and not sign.exists():
            seen.append("thought")
        if {*seen} == {"meter", "thought"}:
            sign.touch()
        last = said if message["msg_type"] == "update_display_data" else ""
        if last:
            assert "100 tokens in, 50 out \\u00b7 25 tokens/s \\u00b7 $0.020" in last
            assert "Thought for 12.0 s" in last
    assert {*seen} == {"meter", "thought"}


def test_the_widget_gives_way_to_the_static_reply(kernel: Client) -> None:
    messages = list(kernel.execute(HALF + END))
    shown = next(m for m in messages if m["msg_type"] == "display_data")["content"]
    assert set(shown["data"]) == {"text/html", "text/plain", WIDGET}
    assert "Not finished" in shown["data"]["text/plain"]
    update = next(m for m in messages if m["msg_type"] == "update_display_data")["content"]
    assert set(update["data"]) == {"text/html", "text/plain"}
    assert update["transient"]["display_id"] == shown["transient"]["display_id"]
    assert "The last words" in update["data"]["text/html"]
    opened, closed = (
        [m["content"]["comm_id"] for m in messages if m["msg_type"] == kind] for kind in ("comm_open", "comm_close")
    )
    assert sorted(opened) == sorted(closed)  # with its layout, nothing of the widget stays in the kernel
    assert kinds(messages).index("update_display_data") < kinds(messages).index("comm_close")


JUPYTER = "import os\nos.environ['JPY_SESSION_NAME'] = 'some.ipynb'\n"
ELSEWHERE = [
    "os.environ['JPY_SESSION_NAME'] = 'some.ipynb-jvsc-' + 32 * '0'",
    "del os.environ['JPY_SESSION_NAME']",
    "__vsc_ipynb_file__ = 'some.ipynb'",
    "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')",
]
BACK = "\nos.environ.pop('JPY_SESSION_NAME', None)\nglobals().pop('__vsc_ipynb_file__', None)\nimport sys\n"
BACK += "sys.modules.pop('google.colab', None)"


def test_on_a_jupyter_server_the_file_holds_the_text_that_came_and_no_widget_while_the_reply_is_written(
    kernel: Client, tmp_path: Any
) -> None:
    sign, forms = tmp_path / "go", []
    for message in kernel.execute(JUPYTER + HALF + PAUSE.replace("SIGN", repr(str(sign))) + END + BACK):
        if message["msg_type"] in ("display_data", "update_display_data"):
            data = message["content"]["data"]
            assert set(data) == {"text/html", "text/plain"}
            forms.append(data)
            if "The last words" in data["text/html"]:
                sign.touch()
    first, second, last = forms
    assert "Not finished" in first["text/html"]
    assert "The last words" in second["text/plain"]
    assert "Not finished · some-model" in second["text/html"]
    assert "data-s=" not in second["text/html"]
    name = second["text/html"].partition('class="nbassist ')[2].partition('"')[0]
    assert name in first["text/html"]
    assert name not in last["text/html"], "the live page goes by this"
    assert "Not finished" not in last["text/html"]


@pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=["VS Code on a server", "no server", "VS Code", "Colab"])
def test_where_outputs_stand_in_frames_of_their_own_the_widget_is_the_output(kernel: Client, elsewhere: str) -> None:
    messages = list(kernel.execute(JUPYTER + elsewhere + HALF + END + BACK))
    assert WIDGET in next(m for m in messages if m["msg_type"] == "display_data")["content"]["data"]


def test_forms_of_the_file_cost_less_than_half_of_what_the_page_costs(kernel: Client) -> None:
    play = "view._refreshes._credit = 0.0\nimport nbassist.display.static.reply as standing\nstanding._EVERY = 0.1\n"
    play += "for n in range(800):\n    view.apply(TextDelta(f'a **word** {n}, '))\n    time.sleep(0.0025)\n"
    messages = list(kernel.execute(JUPYTER + HALF + play + END + BACK))
    forms = [len(json.dumps(m["content"])) for m in messages if m["msg_type"] == "update_display_data"][:-1]
    patches = [len(json.dumps(m["content"])) + 700 for m in messages if m["msg_type"] == "comm_msg"]
    assert forms
    # Whether one is due is asked by the size of the one before it: the last may go beyond by what it has grown, which
    # is much where the machine is slow and they are few.
    grown = forms[-1] - (forms[-2] if len(forms) > 1 else 0)
    assert sum(forms) - grown < sum(patches) / 2


@pytest.mark.since("ipywidgets", "8")  # before it they are counted elsewhere
def test_no_widget_and_no_thread_is_left_in_the_kernel(kernel: Client) -> None:
    code = HALF + END + "import ipywidgets, threading\n"
    code += "assert not [w for w in ipywidgets.widgets.widget._instances.values() if 'Live' in type(w).__name__]\n"
    code += "assert not [t for t in threading.enumerate() if t.name == 'nbassist-view']\n"
    code += "from nbassist.display.live.clicks import _taps\nassert not _taps"
    for _ in kernel.execute(code):
        pass


def test_a_browser_that_begins_late_gets_the_whole_while_the_cell_runs(kernel: Client, tmp_path: Any) -> None:
    sign, comm, answered = tmp_path / "go", "", False
    for message in kernel.execute(HALF + PAUSE.replace("SIGN", repr(str(sign))) + END):
        content = message["content"]
        if message["msg_type"] == "display_data":
            comm = content["data"][WIDGET]["model_id"]
            kernel.send(comm, {"kind": "sync"})
        if message["msg_type"] == "comm_msg" and content["data"].get("content", {}).get("kind") == "sync":
            whole = content["data"]["content"]
            if "The last words" in json.dumps(whole):
                answered = not sign.exists()
                sign.touch()
            else:
                kernel.send(comm, {"kind": "sync"})
    assert answered


@pytest.mark.since("ipykernel", "7.1")
def test_panels_that_the_reader_opened_stay_open(kernel: Client, tmp_path: Any) -> None:
    sign, bundle = tmp_path / "go", {}
    wait = "\nwhile not view._toggled and time.monotonic() < deadline:\n    time.sleep(0.02)\n"
    for message in kernel.execute(HALF + PAUSE.replace("SIGN", repr(str(sign))) + wait + END):
        if message["msg_type"] == "display_data":
            comm = message["content"]["data"][WIDGET]["model_id"]
            kernel.send(comm, {"kind": "toggle", "panel": "c0", "open": True})
            sign.touch()
        if message["msg_type"] == "update_display_data":
            bundle = message["content"]["data"]
    assert '<details class="nba-panel nba-call"' in bundle["text/html"]
    assert ' open=""><summary' in bundle["text/html"]


def test_patches_are_few_and_numbered_without_a_gap(kernel: Client) -> None:
    play = "for n in range(400):\n    view.apply(TextDelta(f'word{n} '))\n    time.sleep(0.0025)\n"
    messages = list(kernel.execute(HALF + play + END))
    sent = [m for m in messages if m["msg_type"] == "comm_msg" and "kind" in m["content"]["data"]["content"]]
    numbers = [m["content"]["data"]["content"]["n"] for m in sent]
    assert numbers == list(range(1, len(numbers) + 1))
    took = (sent[-1]["header"]["date"] - sent[0]["header"]["date"]).total_seconds()
    assert len(numbers) < 25 * took + 10, "at most 25 a second"
    assert len(numbers) < 300, "far fewer than there are pieces"


def test_an_interrupted_run_keeps_what_came(kernel: Client) -> None:
    code = HALF + "view.apply(RunEnded('interrupted', detail='interrupted by the keyboard'))\nview.close()\n"
    updates = [m["content"]["data"] for m in kernel.execute(code) if m["msg_type"] == "update_display_data"]
    assert len(updates) == 1
    assert "The last words" in updates[0]["text/plain"]
    assert "Interrupted" in updates[0]["text/plain"]


def test_a_run_that_broke_off_is_closed_by_hand(kernel: Client) -> None:
    updates = [
        m["content"]["data"] for m in kernel.execute(HALF + "view.close()") if m["msg_type"] == "update_display_data"
    ]
    assert "Not finished" in updates[0]["text/plain"]


def test_static_emits_the_reply_once_without_widget_and_update(kernel: Client) -> None:
    messages = list(kernel.execute(HALF.replace('"live"', '"static"') + END))
    assert [kind for kind in kinds(messages) if kind not in ("status", "execute_input")] == ["display_data"]


def test_none_shows_nothing(kernel: Client) -> None:
    messages = list(kernel.execute(HALF.replace('"live"', '"none"') + END + "view.close()"))
    assert set(kinds(messages)) == {"status", "execute_input"}


@pytest.mark.parametrize(("answers", "opened"), [(True, True), (False, False)])
def test_auto_is_live_only_where_a_person_can_answer(kernel: Client, answers: bool, opened: bool) -> None:
    messages = list(kernel.execute(HALF.replace('"live"', '"auto"') + END, allow_stdin=answers))
    assert ("comm_open" in kinds(messages)) is opened


@pytest.mark.parametrize("kind", ["auto", "live"])
def test_nbclient_saves_the_static_reply(kind: str) -> None:
    nbclient = import_module("nbclient")
    nbformat = import_module("nbformat")
    source = SETUP + HALF.replace('"live"', repr(kind)) + END
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    *before, output = notebook.cells[0].outputs
    assert [one["data"] for one in before] == ([{"text/plain": ""}] if kind == "live" else [])
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "The last words" in output["data"]["text/html"]
    assert ("widgets" in notebook.metadata) is (kind == "live")


def test_the_saved_reply_reads_well_in_exports(tmp_path: Any, run: Callable[..., list[Any]]) -> None:
    nbconvert = import_module("nbconvert")
    nbformat = import_module("nbformat")
    from nbassist.display.static.reply import bundle

    output = nbformat.v4.new_output("display_data", data=bundle(run("See `x`:\n\n```python\ny = 1\n```\n")))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%%assistant\nhi", outputs=[output])])
    html, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    markdown, _ = nbconvert.MarkdownExporter().from_notebook_node(notebook)
    for text in (html, markdown):
        assert "<details" in text
        assert "row_count" in text
        assert "<script>window" not in text


def test_importing_the_display_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, nbassist.display, nbassist.display.view\n"
    code += "heavy = {'anywidget', 'ipywidgets', 'markdown_it', 'nh3', 'pygments', 'IPython', 'latex2mathml'}\n"
    code += "print(sorted(heavy & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
