"""The live view beside other ways to show a streamed reply, in a real JupyterLab in Chromium.

    python benchmarks/display.py [--quick]

Each row plays one text, a token (four characters) at a time, at 200 a second for 2,000 tokens and 400 a second for
20,000. *kernel* is the processor time of the kernel beyond that of the same loop without a display; *KB* is what the
browser received over the websocket until the last token was visible; *lag* is the time from the last token to its
being visible; *long* is the sum, and *longest* the longest, of the browser's tasks over 50 ms until then (a page that
answers to nothing). `--quick` plays 2,000 tokens only. Measure on a machine that does nothing else.

chatlas is played through the display that its own `chat()` streams to in a notebook, without a model. Ways that send
the whole reply for each token may not show a long one to its end: after a minute more than the reply itself takes, or
after three minutes in all for 20,000 tokens, the row says how much of the reply the page showed by then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import TimeoutError as PageTimeoutError

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "browser"))
from lab_harness import Lab, running_chromium, running_lab

PLAYER = '''
import time
from nbassist.core.events import RunStarted, TurnStarted, TextDelta, TurnEnded, RunEnded
from nbassist.display import make_view
from IPython.display import Markdown, display

END = "The very last words of it."
MIXED = """## Section {n}

Here is a paragraph of the usual kind, with **bold**, `code`, a [link](https://example.org/{n}) and $x_{n}^2$ in it; it
runs on for a while, as paragraphs do, and then it ends.

- one thing to say about number {n}
- another thing, a little longer than the first one
- and a third

```python
def compute_{n}(values: list[float]) -> float:
    \\"\\"\\"Add the squares.\\"\\"\\"
    return sum(value * value for value in values)  # number {n}
```

| name | value | share |
|------|------:|------:|
| a    | {n}   | 12.5% |
| b    | 17    | 87.5% |

"""


def text(kind, tokens):
    if kind == "mixed":
        body, part = "", lambda n: MIXED.replace("{n}", str(n))
    elif kind == "code":
        body, part = "```python\\n", lambda n: f"value_{n} = compute(values[{n}], scale=0.5)  # step {n}\\n"
    elif kind == "table":
        body, part = "| a | b | c |\\n|---|---|--:|\\n", lambda n: f"| row {n} | `x{n}` | {n * 17} |\\n"
    else:
        body, part = "", lambda n: f"- item {n} of a long list, with **something** in it\\n"
    pieces, n, size = [body], 0, len(body)
    while size < 4 * tokens:
        pieces.append(part(n))
        size += len(pieces[-1])
        n += 1
    body = "".join(pieces)[: 4 * tokens].rpartition("\\n")[0]
    return body + ("\\n```\\n\\n" if body.startswith("```") or body.count("```") % 2 else "\\n\\n") + END


class Bare:
    def write(self, token): pass
    def end(self): pass


class Ours:
    def __init__(self):
        self.view = make_view("live", get_ipython())
        self.view.apply(RunStarted("model"))
        self.view.apply(TurnStarted())
    def write(self, token): self.view.apply(TextDelta(token))
    def end(self):
        self.view.apply(TurnEnded("stop"))
        self.view.apply(RunEnded("completed"))


class EachToken:
    interval = 0
    def __init__(self):
        self.pieces, self.last = [], 0
        self.handle = display(Markdown(""), display_id=True)
    def write(self, token):
        self.pieces.append(token)
        if time.monotonic() - self.last >= self.interval:
            self.show()
    def show(self):
        self.handle.update(Markdown("".join(self.pieces)))
        self.last = time.monotonic()
    def end(self): pass


class Often(EachToken):
    interval = 0.04


class Chatlas:
    def __init__(self):
        from chatlas._display import IPyMarkdownDisplay
        options = dict(rich_markdown={}, rich_console={}, css_styles={}, tool_result_max_height=None)
        self.shown = IPyMarkdownDisplay(options)
        self.shown.__enter__()
    def write(self, token): self.shown.echo(token)
    def end(self): self.shown.__exit__(None, None, None)


def play(way, kind, tokens, rate, bound):
    body = text(kind, tokens)
    make_view("none")
    way = way()
    used, began = time.process_time(), time.monotonic()
    for n, at in enumerate(range(0, len(body), 4)):
        way.write(body[at : at + 4])
        time.sleep(max(0, began + (n + 1) / rate - time.monotonic()))
        if time.monotonic() > began + bound:
            break
    if isinstance(way, Often):
        way.show()
    told = time.time()
    time.sleep(0.3)
    used = time.process_time() - used
    return way, used, told, body.count("## Section")
'''
WATCH = """end => {
  window.watched = {seen: 0, long: 0, longest: 0};
  new PerformanceObserver(list => {
    for (const task of list.getEntries()) {
      if (window.watched.seen && task.startTime + performance.timeOrigin > window.watched.seen) continue;
      window.watched.long += task.duration;
      window.watched.longest = Math.max(window.watched.longest, task.duration);
    }
  }).observe({type: 'longtask'});
  const look = () => {
    const area = document.querySelector('.jp-Cell:nth-of-type(1) .jp-OutputArea, .jp-OutputArea');
    if (area && area.textContent.includes(end)) window.watched.seen = Date.now();
    else setTimeout(look, 15);
  };
  look();
}"""
WAYS = {
    "Bare": "no display",
    "Ours": "nbassist, live view",
    "Often": "display(Markdown), 25 times a second",
    "EachToken": "display(Markdown) on every token",
    "Chatlas": "chatlas",
}


def measure(lab: Lab, browser: Any, way: str, kind: str, tokens: int) -> dict[str, float] | None:
    """Play one text one way in a fresh notebook; None where the way is not installed."""
    rate, bound = (200, tokens / 200 + 60) if tokens <= 2000 else (400, 180)
    out = lab.folder / "out.txt"
    for file in (out, lab.folder / "seen"):
        file.unlink(missing_ok=True)
    cell = (
        "from player import *\nimport os\n"
        f"try:\n    way, used, told, parts = play({way}, {kind!r}, {tokens}, {rate}, {bound})\n"
        "    open('out.txt', 'w').write(f'{used} {told} {parts}')\n"
        "    wait = time.monotonic()\n"
        f"    while not os.path.exists('seen') and time.monotonic() < wait + {bound}:\n        time.sleep(0.05)\n"
        "    way.end()\nexcept ImportError:\n    open('out.txt', 'w').write('')"
    )
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    frames: list[int] = []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: frames.append(len(frame))))
    try:
        lab.open(page, lab.write(f"{way}-{kind}-{tokens}.ipynb", cell))
        page.evaluate(WATCH, "no such text" if way == "Bare" else "The very last words of it.")
        begin = len(frames)
        lab.start(page)
        until = time.monotonic() + bound
        while time.monotonic() < until and not (out.exists() and (way == "Bare" or not out.read_text())):
            if way != "Bare" and now(page, "window.watched.seen", 1.0):
                break
            page.wait_for_timeout(50)
        shown = now(page, "document.querySelectorAll('.jp-OutputArea h2').length", 20.0) or 0
        watched = now(page, "window.watched", 20.0)
        sent = sum(frames[begin:])
        while not out.exists() and time.monotonic() < until + 30:
            page.wait_for_timeout(50)  # where the page answers to nothing, the kernel still does
        if not out.exists() or not out.read_text():
            return None
        used, told, parts = map(float, out.read_text().split())
        row = {"kernel": used, "KB": sent / 1000, "shown": shown / parts if parts else 1.0}
        if not watched:
            return {**row, "lag": float("inf"), "long": float("nan"), "longest": float("nan")}
        lag = watched["seen"] / 1000 - told if watched["seen"] else float("inf")
        return {**row, "lag": lag, "long": watched["long"], "longest": watched["longest"]}
    finally:
        (lab.folder / "seen").touch()
        lab.shut_down()
        page.close()


def now(page: Any, expression: str, patience: float) -> Any:
    """Return what is true of the page, as soon as it says so; None where it does not within `patience` seconds."""
    try:
        return page.wait_for_function(expression, timeout=1000 * patience, polling=50).json_value()
    except PageTimeoutError:
        return None


def main() -> None:
    """Measure every way and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 tokens only")
    parser.add_argument("--only", default="", help="one way: " + ", ".join(WAYS))
    options = parser.parse_args()
    plan = [("mixed", 2000, way) for way in WAYS]
    if not options.quick:
        plan += [("mixed", 20000, way) for way in ("Bare", "Ours", "Often", "EachToken", "Chatlas")]
        plan += [(kind, 20000, "Ours") for kind in ("code", "table", "list")]
    if options.only:
        plan = [row for row in plan if row[2] in ("Bare", options.only)]
    print(f"{'way':38}{'text':8}{'tokens':>8}{'kernel s':>10}{'KB':>9}{'lag s':>8}{'long s':>8}{'longest ms':>12}")
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "player.py").write_text(PLAYER, encoding="utf-8")
        with running_lab(Path(home), Path(folder)) as lab, running_chromium() as browser:
            idle = {}
            for kind, tokens, way in plan:
                row = measure(lab, browser, way, kind, tokens)
                if row is None:
                    print(f"{WAYS[way]:38}not installed")
                elif way == "Bare":
                    idle[tokens] = row["kernel"]
                else:
                    lag = f"{row['lag']:.2f}" if row["lag"] < 1000 else "never"
                    kernel = row["kernel"] - idle.get(tokens, 0)
                    print(
                        f"{WAYS[way]:38}{kind:8}{tokens:8,}{kernel:10.2f}{row['KB']:9,.0f}{lag:>8}"
                        f"{row['long'] / 1000:8.2f}{row['longest']:12.0f}"
                        + (f"   shown by then: {row['shown']:.0%}" if lag == "never" else ""),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
