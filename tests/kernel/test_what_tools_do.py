"""Whatever a tool does, the kernel and the run live, and the model is told what happened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
SETUP = "import asyncio, os, subprocess, sys, time\n"


@pytest.fixture
def call(kernel: Any, model: Any, told: Any) -> Any:
    """Define a tool with this body, have the model call it, and return what it is told and the cell."""

    def calling(body: str, *, head: str = "def", before: str = "") -> tuple[str, Any]:
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        ran = kernel.run(f"{SETUP}{before}\n@tool\n{head} act():\n    'Act.'\n{lines}")
        assert ran.error is None, ran.error
        model([("act", {})], "the run went on")
        ran = kernel.run("%%assistant\nAct.", cell="a")
        assert ran.error is None, ran.error
        assert "the run went on" in ran.plain
        assert kernel.run("1 + 1").result == "2"
        return told()[-1], ran

    return calling


@pytest.mark.parametrize("body", ["exit()", "quit()", "sys.exit(3)", "raise SystemExit", "os._exit(1)", "os.abort()"])
@pytest.mark.parametrize("head", ["def", "async def"])
def test_a_tool_that_would_end_the_kernel_ends_its_call(call: Any, body: str, head: str) -> None:
    output, _ = call(f"{body}\nreturn 'after'", head=head)
    assert output.startswith("SystemExit")
    assert "the tool tried to end the kernel, which goes on" in output


ENDS = ["exit()", "import os; os._exit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]


@pytest.mark.parametrize("code", ENDS)
def test_a_models_code_can_not_end_the_kernel(kernel: Any, model: Any, told: Any, code: str) -> None:
    kernel.run("%assistant tools add python\n%config NbAssist.approval = 'allow'")
    model([("python", {"code": code})], "the run went on")
    assert "the run went on" in kernel.run("%%assistant\nEnd it.").plain
    assert "tried to end the kernel" in told()[-1]
    assert kernel.run("1 + 1").result == "2"


@pytest.mark.fresh_kernel
def test_a_process_that_a_tool_forks_may_end_itself(call: Any) -> None:
    output, _ = call("pid = os.fork()\nif not pid:\n    os._exit(7)\nreturn os.waitpid(pid, 0)[1]")
    assert output == str(7 << 8)


CANCELLED = {
    "raised": "raise asyncio.CancelledError('by itself')",
    "its own task": "asyncio.current_task().cancel()\nawait asyncio.sleep(60)",
    "a task it waits for": "task = asyncio.ensure_future(asyncio.sleep(60))\ntask.cancel()\nawait task",
    "a scope of anyio": "import anyio\nraise anyio.get_cancelled_exc_class()('by its scope')",
}


@pytest.mark.parametrize("body", CANCELLED.values(), ids=CANCELLED)
def test_a_tool_that_is_cancelled_from_within_has_failed(call: Any, body: str) -> None:
    output, ran = call(body, head="async def")
    assert output.startswith("CancelledError")
    assert "failed" in ran.html


def test_what_a_scope_of_anyio_gives_up_is_no_failure(call: Any) -> None:
    body = "import anyio\nwith anyio.move_on_after(0.01):\n    await anyio.sleep(60)\nreturn 'given up'"
    assert call(body, head="async def")[0] == "given up"


@pytest.mark.parametrize("scope", ["move_on_after", "fail_after"])
def test_a_tool_that_gives_up_on_its_own_mcp_server_goes_on_or_has_failed(call: Any, scope: str) -> None:
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    server = Path(__file__).parent.parent / "tools" / "mcp_server.py"
    body = (
        "import anyio, mcp\n"
        f"process = mcp.StdioServerParameters(command=sys.executable, args=[{str(server)!r}])\n"
        "async with mcp.Client(mcp.stdio_client(process, errlog=open(os.devnull, 'w'))) as client:\n"
        f"    with anyio.{scope}(0.5):\n"
        "        await client.call_tool('slow', {})\n"
        "    return (await client.call_tool('price', {'item': 'pen'})).content[0].text"
    )
    output, _ = call(body, head="async def")
    assert output == "1.5" if scope == "move_on_after" else "TimeoutError" in output


def test_errors_of_a_group_and_notes_are_told(call: Any) -> None:
    body = (
        "async def fails(n):\n    error = ValueError(f'number {n}')\n    error.add_note(f'note {n}')\n    raise error\n"
        "async with asyncio.TaskGroup() as group:\n    group.create_task(fails(1))\n    group.create_task(fails(2))"
    )
    output, ran = call(body, head="async def")
    assert "ValueError: number 1 (note 1)" in output
    assert "number 2" in output
    assert "note 2" in ran.html


SHOWS = {
    "a repr that raises": ("def __repr__(self): raise ValueError('no')", "whose repr raised ValueError"),
    "a repr that takes long": ("def __repr__(self): time.sleep(600)", "whose repr takes longer than 1.5 s"),
    "html that raises": ("def _repr_html_(self): raise ValueError('no html')", "Thing object"),
    "html that takes long": ("def _repr_html_(self): time.sleep(600)", "Thing object"),
}


@pytest.mark.parametrize(("body", "words"), SHOWS.values(), ids=SHOWS)
@pytest.mark.parametrize("head", ["def", "async def"])
def test_a_result_that_can_not_show_itself_is_named(call: Any, body: str, words: str, head: str) -> None:
    patience = "import nbassist.tools.execute as execute\nexecute._SECONDS = 1.5\n" if "600" in body else ""
    output, ran = call("return Thing()", head=head, before=f"{patience}class Thing:\n    {body}\n")
    assert words in output
    assert "error" not in ran.kinds, "the failure stands in the panel, and is no error of the cell"


@pytest.mark.parametrize("method", ["__repr__", "_repr_html_"])
def test_cells_show_their_errors_while_a_display_that_took_too_long_still_goes_on(
    call: Any, kernel: Any, method: str
) -> None:
    body = f"import nbassist.tools.execute as execute\nexecute._SECONDS = 0.5\nclass Thing:\n    def {method}(self):"
    call("return Thing()", before=f"{body} time.sleep(60)\n")
    assert kernel.run("1 / 0").error["ename"] == "ZeroDivisionError"
    assert "unknown" in kernel.run("%%assistant --unknown\nq").error["evalue"]


WEB = """
import http.server, threading
class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"heard")
    def log_message(self, *args): pass
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
threading.Thread(target=web.serve_forever, daemon=True).start()
import httpx2
client = httpx2.AsyncClient()
address = f"http://127.0.0.1:{web.server_port}/"
"""
CLIENTS = {
    "a future": ("made = asyncio.get_event_loop().create_future()", "await made"),
    "a client with a connection": (f"{WEB}await client.get(address)", "return (await client.get(address)).text"),
}


@pytest.mark.parametrize(("before", "body"), CLIENTS.values(), ids=CLIENTS)
def test_a_client_of_another_loop_is_named_with_the_way_out(call: Any, before: str, body: str) -> None:
    output, _ = call(body, head="async def", before=before)
    assert "belongs to another event loop" in output
    assert "aask" in output


def test_a_client_that_has_no_connection_yet_is_used_by_an_async_tool(call: Any) -> None:
    assert call("return (await client.get(address)).text", head="async def", before=WEB)[0] == "heard"


def test_with_await_a_tool_uses_the_clients_of_the_notebook(kernel: Any, model: Any, told: Any) -> None:
    kernel.run(f"{WEB}await client.get(address)")
    kernel.run("@tool\nasync def fetch():\n    'Fetch.'\n    return (await client.get(address)).text")
    model([("fetch", {})], "done")
    ran = kernel.run(
        "from nbassist import Assistant\nreply = await Assistant(tools=[fetch]).aask('Fetch.')\nreply.text"
    )
    assert ran.error is None, ran.error
    assert told() == ["heard"]


def test_a_loop_in_a_loop_is_named_with_the_way_out(call: Any) -> None:
    body = "async def get(): return 1\nwork = get()\ntry:\n    return asyncio.run(work)\nfinally:\n    work.close()"
    assert "write the tool as async def" in call(body)[0]


def test_a_tool_that_closes_the_output_closes_its_own(call: Any, kernel: Any) -> None:
    call("sys.stdout.close()\nsys.stderr.close()\nprint('still')")
    assert kernel.run("print('heard')").stdout == "heard\n"


def test_what_a_tool_prints_reaches_the_model_where_it_returns_nothing(call: Any) -> None:
    output, _ = call("print('total 42')\nprint('warned', file=sys.stderr)")
    assert output == "total 42\nwarned"
    output, _ = call("df.info()", before="import pandas as pd\ndf = pd.DataFrame({'price': [1.5]})")
    assert "price" in output
    assert "float64" in output
    output, _ = call("print('q' * 1_000_000)")
    assert len(output) < 25_000
    assert call("print('said')\nreturn 'returned'")[0] == "returned"
    assert call("pass")[0] == "done, no result"


@pytest.mark.parametrize(
    "body",
    [
        "os.system('echo from-below')",
        "subprocess.run(['echo', 'from-below'])",
        "subprocess.run('echo from-below >&2', shell=True)",
        "os.write(1, b'from-below\\n')",
        "get_ipython().system('echo from-below')",
    ],
)
@pytest.mark.parametrize("head", ["def", "async def"])
def test_what_a_subprocess_writes_stands_in_the_panel(call: Any, body: str, head: str) -> None:
    output, ran = call(f"print('before')\n{body}\nprint('after')", head=head)
    assert output == "before\nfrom-below\nafter"
    assert "from-below" in ran.html
    assert "from-below" not in ran.stdout


def test_a_display_stands_behind_what_a_subprocess_wrote_before_it(call: Any) -> None:
    body = "from IPython.display import HTML, display\nfor n in range(20):\n"
    body += "    os.write(1, f'below-{n}\\n'.encode())\n    display(HTML(f'<b>shown-{n}</b>'))"
    _, ran = call(body)
    found = re.findall(r"(below|shown)-(\d+)", ran.html)
    # Before them a summary of the output, and behind them the output itself.
    assert found[1:41] == [(kind, str(n)) for n in range(20) for kind in ("below", "shown")]


def test_what_was_set_up_before_with_the_stream_of_then_writes_into_the_panel_too(call: Any, kernel: Any) -> None:
    before = "import logging\nlog = logging.getLogger('app')\nlog.handlers[:] = [logging.StreamHandler()]\n"
    before += "kept = sys.stdout"
    output, ran = call("log.warning('logged')\nkept.write('kept\\n')\nprint('printed')", before=before)
    assert output == "logged\nkept\nprinted"
    assert ran.stdout == ""
    assert kernel.run("log.warning('after')\nkept.write('too\\n');").stdout == "after\ntoo\n"
    assert kernel.run("sys.stdout.write.__module__.partition('.')[0]").result != "'nbassist'"


def test_after_a_tool_the_descriptors_are_the_kernels_again(call: Any, kernel: Any) -> None:
    where = "import os\n[os.fstat(number).st_ino for number in (1, 2)]"
    before = kernel.run(where).result
    call("os.system('echo inside')")
    assert kernel.run(where).result == before
    call("os.system('echo inside')", head="async def")
    assert kernel.run(where).result == before
