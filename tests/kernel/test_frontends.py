"""Frontends that can't be had here, played by their public rules: what a person sees of a reply at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.session import Session

pytestmark = pytest.mark.kernel
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Frontend:
    """What a frontend says with a request, and what it does with the messages that come.

    Parameters
    ----------
    metadata : dict, optional
        Of the request; none where it sends none.
    marks : str
        Code that leaves the marks which its kernel has.
    environ : dict
        Variables that its kernel has.
    updates, widgets, html : bool
        Whether it takes `update_display_data`, shows widgets, and prefers HTML to plain text.
    live : bool
        Whether the reply is to be seen as it is written.
    frames : bool
        Whether each output has a frame of its own, where a widget is made only for an output that shows it.
    """

    metadata: dict[str, Any] | None = None
    marks: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    updates: bool = True
    widgets: bool = True
    html: bool = True
    live: bool = True
    frames: bool = False


COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')"
CELL = "vscode-notebook-cell:/notebooks/a.ipynb#W0sZmlsZQ%3D%3D"
FRONTENDS = {
    "JupyterLab": Frontend({"cellId": "c1", "deletedCells": [], "recordTiming": False}),
    # https://github.com/microsoft/vscode-jupyter: outputs in a frame of their own; the notebook's name in a variable
    "VS Code": Frontend({"cellId": CELL}, marks="__vsc_ipynb_file__ = '/notebooks/a.ipynb'", frames=True),
    # https://github.com/googlecolab/colabtools: no cell id, each output in a frame of its own
    "Colab": Frontend({}, marks=COLAB, frames=True),
    # a server's session, and nothing of the cell
    "PyCharm": Frontend({}, environ={"JPY_SESSION_NAME": "a.ipynb"}),
    # neither a comm nor an update, and nothing that names it
    "Databricks": Frontend({"commandId": "1"}, updates=False, widgets=False, live=False),
    "Positron's console": Frontend(None, updates=False, live=False),
    # jupyter_console and qtconsole have no handler of update_display_data; Spyder's console is qtconsole
    "jupyter console": Frontend(None, updates=False, widgets=False, html=False, live=False),
    "qtconsole": Frontend(None, updates=False, widgets=False, live=False),
    # of a widget that it can't make it shows that there is one
    "euporie": Frontend(None, updates=True, widgets=False, live=False),
}


class Page:
    """What stands below a cell, by the rules of one frontend."""

    def __init__(self, rules: Frontend) -> None:
        self._rules = rules
        self._outputs: dict[str, str] = {}
        self.was_live = False
        self.kinds: list[str] = []
        self.widgets: list[bool] = []
        """Of each display and update, whether it is a widget."""

    def take(self, message: dict[str, Any]) -> None:
        content, kind = message["content"], message["msg_type"]
        self.kinds.append(kind)
        if kind in ("display_data", "update_display_data"):
            self.widgets.append(WIDGET in content["data"])
        if kind == "stream":
            self._outputs[message["header"]["msg_id"]] = content["text"]
        if kind == "display_data" or (kind == "update_display_data" and self._rules.updates):
            name = content["transient"].get("display_id", message["header"]["msg_id"])
            if kind == "display_data" or name in self._outputs:
                self._outputs[name] = self._shown(content["data"])
        if kind in ("comm_msg", "update_display_data"):
            self.was_live = self.was_live or "Half an" in json.dumps(content)

    def _shown(self, data: dict[str, Any]) -> str:
        if WIDGET in data:
            return "" if self._rules.widgets else "Widget not implemented"
        if self._rules.html and "text/html" in data:
            return str(data["text/html"])
        return str(data.get("text/plain", ""))

    @property
    def text(self) -> str:
        return "\n".join(self._outputs.values())


@pytest.fixture(params=FRONTENDS)
def rules(request: pytest.FixtureRequest) -> Frontend:
    return FRONTENDS[request.param]


@pytest.fixture
def opened(start_kernel: Callable[..., Any], rules: Frontend) -> Any:
    kernel = start_kernel(NBASSIST_MODEL="m", **rules.environ)
    if rules.marks:
        assert kernel.run(rules.marks).error is None
    yield kernel
    kernel.run("import sys\nsys.modules.pop('google.colab', None)\nglobals().pop('__vsc_ipynb_file__', None)")


def run(kernel: Any, rules: Frontend, code: str, typed: Sequence[str] = ()) -> Page:
    page = Page(rules)
    kernel.console = rules.metadata is None
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
    if kernel.console:
        request = kernel.client.execute(code)
    else:
        message = kernel.client.session.msg("execute_request", content, metadata=rules.metadata)
        kernel.client.shell_channel.send(message)
        request = message["header"]["msg_id"]
    ran = kernel.wait(request, watch=page.take, typed=typed)
    assert ran.error is None, ran.error
    assert len(ran.prompts) == len(typed)
    kernel.console = False
    return page


def test_the_reply_stands_there_once_and_nothing_of_what_was_live(opened: Any, rules: Frontend, model: Any) -> None:
    model([("row_count", {"table": "orders"})], "the whole reply")
    page = run(opened, rules, "%%assistant\nhow many?")
    assert page.text.count("the whole reply") == 1
    assert "row_count" in page.text
    for left in ("Not finished", "Widget not implemented", "LiveReply", "Loading widget"):
        assert left not in page.text


def test_what_is_live_is_sent_only_where_it_is_known_to_be_seen(opened: Any, rules: Frontend, model: Any) -> None:
    model("Half an answer")
    page = run(opened, rules, "%%assistant\nq")
    assert "Half an answer" in page.text
    assert page.was_live == rules.live


def test_no_widget_is_opened_where_none_is_known(opened: Any, rules: Frontend, model: Any) -> None:
    model("the whole reply")
    page = run(opened, rules, "%%assistant\nq")
    assert ("comm_open" in page.kinds) == rules.live
    assert "update_display_data" not in page.kinds or rules.updates


BESIDE = [FRONTENDS["jupyter console"], FRONTENDS["qtconsole"]]


@pytest.mark.parametrize("rules", BESIDE, ids=["jupyter console", "qtconsole"])
@pytest.mark.parametrize("said", ["the server's session", "VS Code's mark", "an echo"])
def test_a_console_beside_a_notebook_shows_the_reply_too(
    start_kernel: Callable[..., Any], rules: Frontend, said: str, model: Any
) -> None:
    """`jupyter console --existing`: the kernel, and with it each mark, is that of the notebook."""
    kernel = start_kernel(NBASSIST_MODEL="m", **({"JPY_SESSION_NAME": "a.ipynb"} if "server" in said else {}))
    if "VS Code" in said:
        assert kernel.run("__vsc_ipynb_file__ = '/notebooks/a.ipynb'").error is None
    if "echo" in said:
        note = "from nbassist.display.output_place import note_echo\nnote_echo(get_ipython())"
        assert kernel.run(note).error is None
    model("the whole reply", "the whole reply")
    client, kernel.client = kernel.client, kernel.manager.client()
    kernel.client.session = Session(key=client.session.key)
    kernel.client.start_channels()
    kernel.client.wait_for_ready(timeout=60)
    try:
        beside = run(kernel, rules, "%%assistant\nq")
    finally:
        kernel.client.stop_channels()
        kernel.client = client
    assert beside.text.count("the whole reply") == 1
    assert "comm_open" not in beside.kinds
    page = run(kernel, FRONTENDS["JupyterLab"], "%%assistant\nq")
    assert "comm_open" in page.kinds, "the notebook has it live, as before"


@pytest.mark.parametrize("rules", [one for one in FRONTENDS.values() if one.frames])
def test_in_a_frame_of_its_own_what_is_live_is_the_widget_and_the_end_is_none(
    opened: Any, rules: Frontend, model: Any
) -> None:
    model("the whole reply")
    page = run(opened, rules, "%%assistant\nq")
    assert page.widgets[0], "no script of another output could find its place"
    assert not page.widgets[-1]


def test_a_cell_that_is_run_again_has_its_own_turn_replaced_where_it_is_named(
    opened: Any, rules: Frontend, model: Any, endpoint: Any
) -> None:
    model("the first reply", "the second reply")
    for _ in range(2):
        run(opened, rules, "%%assistant\nthe very prompt")
    sent = json.dumps(endpoint.bodies("/chat/completions")[-1]["messages"])
    assert sent.count("the very prompt") == (1 if "cellId" in (rules.metadata or {}) else 2)


@pytest.mark.parametrize("rules", [one for one in FRONTENDS.values() if one.live])
def test_where_no_click_is_heard_approval_is_asked_in_words_below_what_is_live(
    opened: Any, rules: Frontend, model: Any
) -> None:
    """As on ipykernel 6, which Colab has: what a browser sends is read when the cell has ended."""
    setup = (
        "from nbassist.display.live import clicks\nclicks.possible = lambda kernel: False\n"
        "from nbassist import tool\n@tool(approve=True)\ndef drop(table: str) -> str:\n    'Drop.'\n    return 'gone'"
    )
    assert opened.run(setup).error is None
    model([("drop", {"table": "orders"})], "the whole reply")
    page = run(opened, rules, "%%assistant\ndrop it", typed=["y"])
    assert page.text.count("the whole reply") == 1
    assert "allowed by you" in page.text


def test_code_that_can_not_be_put_into_a_cell_below_is_in_the_reply(opened: Any, rules: Frontend, model: Any) -> None:
    model("```python\nanswer = 6 * 7\n```")
    page = run(opened, rules, "%%assistant --code\nwrite it")
    assert "answer" in page.text
    assert opened.run("'answer' in globals()").result == "False", "it is not run by itself"


@pytest.mark.parametrize("rules", [one for one in FRONTENDS.values() if not one.live])
def test_approval_is_asked_in_words_where_no_click_is_known_to_be_heard(
    opened: Any, rules: Frontend, model: Any
) -> None:
    setup = (
        "from nbassist import tool\n@tool(approve=True)\ndef drop(table: str) -> str:\n    'Drop.'\n    return 'gone'"
    )
    assert opened.run(setup).error is None
    model([("drop", {"table": "orders"})], "the whole reply")
    opened.console = True
    ran = opened.run("%%assistant\ndrop it", typed=["y"])
    opened.console = False
    assert ran.error is None
    assert len(ran.prompts) == 1
    assert "the whole reply" in ran.html


@pytest.mark.parametrize("rules", [FRONTENDS["jupyter console"], FRONTENDS["qtconsole"]])
def test_the_doctors_report_stands_alone_where_no_widget_is_known(opened: Any, rules: Frontend, endpoint: Any) -> None:
    """qtconsole closes what it doesn't know, once the cell has ended; of an object a console prints the name."""
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "m"}]})
    patience = "from nbassist.display.live import frontend_check\nfrontend_check.answered.__defaults__ = (0.2,)\n"
    opened.console = True
    ran = opened.run(f"{patience}%assistant doctor")
    for opening in [message["content"]["comm_id"] for message in ran.messages if message["msg_type"] == "comm_open"]:
        opened.client.shell_channel.send(opened.client.session.msg("comm_close", {"comm_id": opening, "data": {}}))
    assert opened.run("'the next'").result == "'the next'"
    opened.console = False
    assert "all is well" in ran.result
    assert "is not known to show what is live" in ran.result
    assert ran.plain.strip() == ""
    assert "No such comm" not in opened.aside
