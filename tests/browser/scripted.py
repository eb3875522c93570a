"""Replies written by hand, played to a view as a model would write them; imported by notebooks of the tests."""

from __future__ import annotations

import json
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbassist.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    CitationAdded,
    Event,
    ImageReady,
    ReasoningDelta,
    RunEnded,
    RunStarted,
    ServerToolEvent,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Usage,
    Warned,
)
from nbassist.core.mime import needs_page
from nbassist.display.live import view as live

ANSWER = """There are **1,204 orders**, so yes: that is more than the target of 1,000.

## How they are spread

| Region | Orders | Share |
|:-------|-------:|------:|
| North  |    512 | 42.5% |
| South  |    390 | 32.4% |
| West   |    302 | 25.1% |

Three things to note:

1. *North* grew fastest, by about 18% since March.
2. Orders with `status == "void"` are counted too; leave them out with the code below.
3. The share is computed as $s_r = \\frac{n_r}{\\sum_k n_k}$, per region.

```python
import pandas as pd

def valid(orders: pd.DataFrame) -> pd.DataFrame:
    \"\"\"Drop the orders that were voided.\"\"\"
    keep = orders["status"] != "void"
    return orders[keep].reset_index(drop=True)

print(len(valid(orders)))  # 1180
```

$$
\\bar{x} = \\frac{1}{n}\\sum_{i=1}^{n} x_i
$$

- [x] count the orders
- [ ] look at the void ones

> A quotation, for what it is worth, with a [link](https://example.org/orders).

Anything else?[^1]

[^1]: Figures as of today.
"""
TRACEBACK = """Traceback (most recent call last):
  File "cell.py", line 3, in describe
    return globals()[table].describe()
KeyError: 'ordres'"""
TABLE = (
    '<table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th>region</th><th>orders</th>'
    "</tr></thead><tbody><tr><th>0</th><td>North</td><td>512</td></tr><tr><th>1</th><td>South</td><td>390</td></tr>"
    "<tr><th>2</th><td>West</td><td>302</td></tr></tbody></table>"
)


def tokens(text: str) -> list[str]:
    """Cut a text as a model would write it."""
    return re.findall(r"\s*\S{1,6}|\s+$", text)


def call(name: str, arguments: str, output: str, call_id: str = "c1", **more: Any) -> Iterator[Event]:
    """Give a call from its first token to its result, with the turn's end between."""
    yield ToolCallStarted(call_id, name)
    for piece in tokens(arguments):
        yield ToolArgumentsDelta(call_id, piece)
    yield ToolCallReady(call_id, name, arguments)
    yield TurnEnded("tool_calls")
    yield ToolFinished(call_id, name, output, **more)


def conversation(answer: str = ANSWER) -> Iterator[Event]:
    """Give a whole run: reasoning, a word before, two calls, of which one fails, and the answer."""
    yield RunStarted("qwen2.5-coder-1.5b", "assistants")
    yield TurnStarted()
    for piece in tokens("The question needs the number of rows of `orders`. There is a tool for that."):
        yield ReasoningDelta(piece)
    for piece in tokens("Let me count the rows first."):
        yield TextDelta(piece)
    display = ({"text/html": TABLE, "text/plain": "3 rows"},)
    yield from call("row_count", '{"table": "orders"}', "1204", seconds=0.021, display=display)
    yield TurnStarted()
    yield from call(
        "describe", '{"table": "ordres", "columns": ["region", "status"]}', "KeyError: 'ordres'", "c2",
        error="KeyError: 'ordres'", seconds=0.004, traceback=TRACEBACK,
    )  # fmt: skip
    yield TurnStarted()
    yield Warned("the model's context is nearly full")
    for piece in tokens(answer):
        yield TextDelta(piece)
    yield CitationAdded("Orders handbook", "https://example.org/handbook")
    yield TurnEnded("stop", Usage(1180, 412, 640, known=True))
    yield RunEnded("completed", Usage(1180, 412, 640, known=True), "", 14.2)


QUERY = """SELECT region, count(*) AS orders
FROM orders
WHERE status != 'void'
GROUP BY region"""
CODE = """import pandas as pd
print(pd.read_csv("orders.csv").groupby("region").size())"""


def services() -> Iterator[Event]:
    """Give a run that replaces a turn, in which the service runs tools of its own and pictures something."""
    yield RunStarted("some-model", "responses", note="replaces the turn before; 2 turns of the thread are kept")
    yield TurnStarted()
    yield ServerToolEvent("s1", "web_search", "running", "orders by region 2026")
    yield ServerToolEvent("s1", "web_search", "completed", "", "Orders handbook\nhttps://example.org/handbook")
    for piece in tokens(CODE):
        yield ServerToolEvent("s2", "code_interpreter", "running", piece)
    yield ServerToolEvent("s2", "code_interpreter", "completed", "", "North  512\nSouth  390\nWest   302\n")
    yield ImageReady("image/png", picture(60, 20), image_id="i1", partial=True)
    yield ImageReady("image/png", picture(120, 40), image_id="i1")
    for piece in tokens(
        "North leads【1†handbook】. ![A map](https://maps.example/orders.png)\n\nThat is all there is."
    ):
        yield TextDelta(piece)
    yield CitationAdded("Orders handbook", "https://example.org/handbook", "【1†handbook】")
    yield CitationAdded("A second source")
    yield TurnEnded("stop", Usage(1180, 412, 640, known=True))
    yield RunEnded("completed", Usage(1180, 412, 640, known=True), "", 14.2, 0.0012, 1)


def picture(width: int, height: int) -> bytes:
    """Return a PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x4c\x8b\xd0" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


ASKED = '{"table": "orders", "query": %s, "limit": 20, "dry_run": false}'


def asking(view: Any, answered: list[ApprovalAnswered | None]) -> Iterator[Event]:
    """Give a run in which the person is asked about a call; the answer goes into `answered`."""
    arguments = ASKED % json.dumps(QUERY)
    yield RunStarted("some-model", "chat")
    yield TurnStarted()
    yield TextDelta("I would delete the rows that are void.")
    yield ToolCallStarted("a1", "delete_rows")
    for piece in tokens(arguments):
        yield ToolArgumentsDelta("a1", piece)
    yield ToolCallReady("a1", "delete_rows", arguments)
    yield TurnEnded("tool_calls")
    asked = ApprovalAsked("a1", "delete_rows", arguments)
    yield asked
    with patience():
        answered.append(view.ask(asked))
    answer = answered[-1] or ApprovalAnswered("a1", "refused", "no one clicked")
    yield answer
    if answer.decision == "refused":
        yield ToolFinished("a1", "delete_rows", "This call was not allowed.", "not allowed")
    else:
        yield ToolFinished("a1", "delete_rows", "37 rows deleted", seconds=0.3)
    yield TurnStarted()
    yield TextDelta("That is done.")
    yield TurnEnded("stop")
    yield RunEnded("completed", seconds=4.0)


def marked(html: str) -> str:
    """Mark what a tool's own HTML does if it runs, so that it is told from what the model's text does."""
    return html.replace("hacked", "by_the_tool").replace("evil.example", "tool.example")


def hostile(payloads: list[str], own: Callable[[str], str] = str) -> Iterator[Event]:
    """Give a run in which each payload stands in the text, in reasoning, and in every part of a call.

    What only a page can draw is the tool's own, code of the notebook: it stands below the reply as a result would,
    scripts and all, where there is a page; there `own` marks it.
    """
    yield RunStarted(payloads[0], payloads[0], note=payloads[1])
    yield TurnStarted()
    for number, payload in enumerate(payloads):
        yield ReasoningDelta(payload + "\n\n")
        yield TextDelta(f"{payload}\n\n")
        call_id = f"h{number}"
        yield ToolCallStarted(call_id, payload)
        yield ToolArgumentsDelta(call_id, payload)
        yield ToolCallReady(call_id, payload, payload)
        html = {"text/html": payload}
        html = {"text/html": own(payload)} if needs_page(html) else html
        shown = (html, {"text/markdown": payload}, {"text/plain": payload})
        yield ToolFinished(call_id, payload, payload, error=payload, traceback=payload, display=shown)
        yield ServerToolEvent(f"s{number}", payload, "completed", payload, payload)
        yield ImageReady(payload, payload.encode("utf-8", "replace"), payload)
        yield CitationAdded(payload, payload, payload)
        yield Warned(payload)
    yield TextDelta("the end of it")
    yield TurnEnded("stop")
    yield RunEnded("failed", detail=payloads[0])


def play(view: Any, events: Iterator[Event], rate: float = 200, *, gate: str = "", thought: str = "") -> None:
    """Play events to a view, `rate` a second.

    Where they are named, wait for the file `thought` before the first text, and for `gate` before the last turn's end.
    """
    for event in events:
        if thought and isinstance(event, TextDelta):
            wait_for(thought)
            thought = ""
        if gate and isinstance(event, TurnEnded) and event.reason == "stop":
            wait_for(gate)
        view.apply(event)
        time.sleep(1 / rate)


@contextmanager
def patience() -> Iterator[None]:
    """Wait a minute for the browser to say that it listens: where two of them share two cores, it may take long."""
    was, live._PATIENCE = live._PATIENCE, 60.0
    yield
    live._PATIENCE = was


def wait_for(file: str) -> None:
    """Wait until a file is there, for two minutes at most."""
    deadline = time.monotonic() + 120
    while not Path(file).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
