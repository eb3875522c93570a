"""What a tool prints, displays and draws stands in its panel while it runs; over the kernel's protocol.

The tools of these tests go on when the page has been sent what they showed, and not after a time: what is never painted
while they run holds them up until the cell's own limit.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
HELPERS = """
import asyncio, pathlib, sys, time
def painted(words):
    "Wait until words were sent to the page."
    while words not in pathlib.Path('painted').read_text(): time.sleep(0.02)
async def apainted(words):
    while words not in pathlib.Path('painted').read_text(): await asyncio.sleep(0.02)
def ticked(times):
    "Wait until the clock of the call showed so many different times."
    import re
    while len(set(re.findall(CLOCK, pathlib.Path('painted').read_text()))) < times: time.sleep(0.02)
"""
CLOCK = r" · ([1-9]\d*) s\b"  # in the line of a call that runs


@pytest.fixture
def watched(start_kernel: Callable[..., Any], endpoint: Any, wire: Any, tmp_path: Path) -> Any:
    """Runs a cell whose model calls `work`; gives the messages of the live view in order, as text.

    The model says its last word when the page was sent `until`.
    """

    def run(code: str, *, until: str = "", **environ: str) -> tuple[Any, list[str]]:
        there = threading.Event()
        call = wire.answer(wire.stream(wire.call("c1", "work", "{}"), wire.delta("tool_calls")))
        pieces = wire.stream(wire.delta(content="All done."), wire.delta("stop"))
        said = wire.answer(pieces, before=lambda number: there.wait(60) if until and not number else None)
        endpoint.on("POST", "/chat/completions", call, said)
        kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_DISPLAY="live", **environ)
        decorator = "@tool" if code.startswith("(") else "@tool\n"
        (tmp_path / "painted").touch()
        made = kernel.run(f"CLOCK = {CLOCK!r}{HELPERS}{decorator}{code}")
        assert made.error is None, made.error
        seen: list[str] = []

        def watch(message: dict[str, Any]) -> None:
            if message["msg_type"] not in ("comm_msg", "display_data"):
                return
            sent = json.dumps(message["content"]["data"], ensure_ascii=False)
            with (tmp_path / "painted").open("a") as file:
                file.write(sent + "\n")
            if message["msg_type"] == "comm_msg":
                seen.append(sent)
            if until and until in sent:
                there.set()

        ran = kernel.run("%%assistant\nwork", watch=watch)
        assert "All done." in ran.html
        return ran, seen

    return run


def when(seen: list[str], words: str) -> int:
    """Return with which message words were first in the page."""
    found = [number for number, text in enumerate(seen) if words in text]
    assert found, f"{words} never came"
    return found[0]


BODY = "work() -> str:\n    'Work.'\n    print('one-1'); {wait}('one-1'); print('two-2'); {wait}('two-2'); return 'x'"
PRINTS = {
    "function": f"def {BODY.format(wait='painted')}",
    "thread": f"(thread=True)\ndef {BODY.format(wait='painted')}",
    "coroutine": f"async def {BODY.format(wait='await apainted')}",
}


OPENED, CLOSED = '"open", ""]', '"open", null]'


@pytest.mark.parametrize("kind", PRINTS)
def test_print_is_in_the_panel_as_it_comes(watched: Any, kind: str) -> None:
    ran, seen = watched(PRINTS[kind])
    assert when(seen, "one-1") < when(seen, "two-2")
    assert "one-1" in ran.html
    assert "two-2" in ran.html


def test_a_display_and_its_update_are_in_the_panel_as_they_come(watched: Any) -> None:
    ran, seen = watched(
        "def work() -> str:\n    'Work.'\n    from IPython.display import HTML, display\n"
        "    shown = display(HTML('<p>stage-one</p>'), display_id=True); painted('stage-one')\n"
        "    shown.update(HTML('<p>stage-two</p>')); painted('stage-two')\n    return 'x'"
    )
    assert when(seen, "stage-one") < when(seen, "stage-two")
    assert "stage-one" not in ran.html
    assert "stage-two" in ran.html


def test_a_progress_bar_moves_and_leaves_its_last_state(watched: Any) -> None:
    ran, seen = watched(
        "def work() -> str:\n    'Work.'\n    for done in range(4):\n"
        "        bar = f'{done * 25}% |{\"#\" * done}|'\n        sys.stderr.write('\\r' + bar); painted(bar)\n"
        "    return 'x'"
    )
    assert when(seen, "25% |#|") < when(seen, "50% |##|") < when(seen, "75% |###|")
    assert "75% |###|" in ran.html
    assert "25% |#|" not in ran.html


def test_a_slow_tool_has_a_clock_and_opens_its_panel_which_closes_at_its_end(watched: Any) -> None:
    tool = f"def work() -> str:\n    'Work.'\n    print('busy'); ticked(2); painted({OPENED!r}); return 'x'"
    ran, seen = watched(tool, until=CLOSED)
    clock = [int(shown) for text in seen[: when(seen, CLOSED)] for shown in re.findall(CLOCK, text)]
    assert clock == sorted(clock)
    assert len(set(clock)) > 1
    assert when(seen, "busy") < when(seen, OPENED), "not before it took long"
    assert "open" not in ran.html.partition("<summary")[0].rpartition("<details")[2]


def test_a_quick_tool_opens_nothing(watched: Any) -> None:
    _, seen = watched("def work() -> str:\n    'Work.'\n    print('quick'); return 'x'")
    assert not [text for text in seen if OPENED in text]


def test_a_panel_with_a_figure_stays_open_and_says_so(watched: Any) -> None:
    ran, _ = watched(
        "def work() -> str:\n    'Work.'\n    from IPython.display import display\n"
        "    import base64\n    png = base64.b64encode(b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 40).decode()\n"
        "    display({'image/png': png, 'text/plain': 'a picture'}, raw=True)\n    return 'drawn'"
    )
    assert "→ figure" in ran.html
    assert "open" in ran.html.partition("<summary")[0].rpartition("<details")[2]


def test_a_secret_is_not_shown_while_the_tool_runs_either(watched: Any) -> None:
    _, seen = watched(
        "def work() -> str:\n    'Work.'\n    import os\n    print('key', os.environ['MY_API_KEY'])\n"
        "    painted('key [MY_API_KEY]'); return 'x'",
        MY_API_KEY="sk-very-secret-1234567",
    )
    assert when(seen, "key [MY_API_KEY]")
    assert not [text for text in seen if "sk-very-secret" in text]


def test_a_widget_is_below_the_reply_while_its_tool_runs_and_once(watched: Any) -> None:
    ran, _ = watched(
        "def work() -> str:\n    'Work.'\n    import ipywidgets\n    from IPython.display import display\n"
        "    bar = ipywidgets.IntProgress(max=3); display(bar); painted('IntProgress(')\n"
        "    bar.value = 3; return 'x'"
    )
    views = [
        number
        for number, message in enumerate(ran.messages)
        if message["msg_type"] == "display_data" and "IntProgress" in str(message["content"]["data"].get("text/plain"))
    ]
    moved = [
        number
        for number, message in enumerate(ran.messages)
        if message["msg_type"] == "comm_msg" and message["content"]["data"].get("state", {}).get("value") == 3
    ]
    assert len(views) == 1
    assert views[0] < moved[0]
