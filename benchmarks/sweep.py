"""Sweeps: what they take beside a bare client, and what 10,000 rows do to the page.

    python benchmarks/sweep.py [--quick] [--only calls|page]

`calls` asks a server on this machine 1,000 times (300 with --quick), 32 at once: a bare `openai.AsyncOpenAI` with one
client, and a sweep with its journal, turn by turn in the same process; the ratio is of their medians. The processor
time that a call takes, of user and system, says the same on a machine that has other work, too. `page` shows a sweep of
10,000 rows in JupyterLab and tells how long the page was busy.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
JOBS = 32
SERVER = r"""
import asyncio, json, sys

def chunk(delta, finish=None):
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

words = [{"role": "assistant", "content": ""}, *({"content": w} for w in ("The ", "answer ", "is ", "yes", "."))]
chunks = [*map(chunk, words), chunk({}, "stop")]
usage = {**chunk({}), "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}}
body = "".join(f"data: {json.dumps(c)}\n\n" for c in [*chunks, usage]) + "data: [DONE]\n\n"
data = body.encode()
answer = (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(data))

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(next(l.split(b":")[1] for l in head.lower().split(b"\r\n") if l.startswith(b"content-length")))
            await reader.readexactly(length)
            await asyncio.sleep(DELAY)
            writer.write(answer + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

DELAY = float(sys.argv[1])
asyncio.run(main())
"""


async def bare(url: str, calls: int) -> None:
    """Ask with nothing but the client."""
    import openai

    waiting = iter(range(calls))
    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

        async def worker() -> None:
            for number in waiting:
                stream = await client.chat.completions.create(
                    model="m",
                    messages=[{"role": "user", "content": f"Is {number} a number?"}],
                    stream=True,
                    stream_options={"include_usage": True},
                )
                text = [part.choices[0].delta.content or "" async for part in stream if part.choices]
                assert "".join(text) == "The answer is yes."

        await asyncio.gather(*(worker() for _ in range(JOBS)))


def ours(url: str, calls: int, round_: int) -> None:
    """Ask with a sweep; each run is new to the cache, and the journal keeps it."""
    from nbassist import Assistant
    from nbassist.journal import default_journal
    from nbassist.sweep import Sweep

    assistant = Assistant(backend="chat", base_url=url, api_key="none", model="m", journal=default_journal())
    template = f"Is {{{{ item }}}} a number? {round_}"
    runs = Sweep(assistant, template, over=range(calls), jobs=JOBS).run()
    assert all(run.text == "The answer is yes." for run in runs), runs


def measured(ask: Callable[[], None], calls: int) -> tuple[float, float]:
    """Return calls a second, and milliseconds of processor time that each took."""
    began, spent = time.perf_counter(), processor()
    ask()
    return calls / (time.perf_counter() - began), 1000 * (processor() - spent) / calls


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def compare(calls: int, rounds: int, delay: float) -> float:
    """Print the rates of both, and return the ratio of ours to the bare client's."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(delay)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    rates: dict[str, list[tuple[float, float]]] = {"bare client": [], "sweep": []}
    try:
        asyncio.run(bare(url, JOBS))
        ours(url, JOBS, -1)  # what is imported once is no part of it
        for number in range(rounds):
            sides = {"bare client": lambda: asyncio.run(bare(url, calls)), "sweep": partial(ours, url, calls, number)}
            for name in sorted(sides, reverse=number % 2 == 1):
                rates[name].append(measured(sides[name], calls))
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()
    print(f"{calls:,} calls, {JOBS} at once, {1000 * delay:.0f} ms each at the server, {rounds} rounds")
    middle = {name: [statistics.median(values) for values in zip(*found, strict=True)] for name, found in rates.items()}
    for name, (rate, spent) in middle.items():
        best = max(rate for rate, _ in rates[name])
        print(f"  {name:14}{rate:8.0f} calls/s in the median, {best:4.0f} at best; {spent:5.2f} ms of processor a call")
    (bare_rate, bare_spent), (rate, spent) = middle["bare client"], middle["sweep"]
    print(
        f"  ratio         {rate / bare_rate:8.2f}   (target: 0.9); of processor time {spent / bare_spent:.2f}",
        flush=True,
    )
    return rate / bare_rate


WATCH = """() => {
  window.watched = {long: 0, longest: 0, first: 0, began: performance.now()};
  new PerformanceObserver(list => {
    for (const task of list.getEntries()) {
      window.watched.long += task.duration;
      window.watched.longest = Math.max(window.watched.longest, task.duration);
    }
  }).observe({type: 'longtask'});
  const look = () => {
    const seen = document.querySelector('.nba-grid td[data-state=done]');
    if (seen) window.watched.first = performance.now() - window.watched.began;
    else requestAnimationFrame(look);
  };
  look();
}"""
SCROLL = """() => new Promise(resolve => {
  const area = document.querySelector('.nba-gscroll');
  window.watched.long = window.watched.longest = 0;
  const frames = [];
  let last = performance.now(), step = 0;
  const tick = now => {
    frames.push(now - last);
    last = now;
    area.scrollTop += 6000;
    if (++step < 150) requestAnimationFrame(tick);
    else resolve({frames: frames.slice(1), long: window.watched.long, longest: window.watched.longest});
  };
  requestAnimationFrame(tick);
})"""


def page(rows: int) -> None:
    """Show a sweep of many rows in JupyterLab, scroll through it, and print how busy the page was."""
    browser_tests = HERE.parent / "tests" / "browser"
    sys.path.insert(0, str(browser_tests))
    from lab_harness import running_chromium, running_lab

    cell = (
        "from sweeping import *\n"
        "models = {'model': ['a', 'bb', 'ccc']}\n"
        f"r = sweep(Model(), 'Rate {{{{ item }}}}', vary=models, over=range({rows}), jobs=32)\nr"
    )
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sweeping.py").write_text((browser_tests / "sweeping.py").read_text())
        with running_lab(Path(home), Path(folder)) as lab, running_chromium() as browser:
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            lab.open(page, lab.write("many.ipynb", cell))
            page.evaluate(WATCH)
            began = time.monotonic()
            lab.start(page)
            page.wait_for_selector(".nba-grid-static .nba-grid", timeout=600_000)
            took = time.monotonic() - began
            watched = page.evaluate("window.watched")
            print(f"{rows:,} rows, 3 columns, in JupyterLab")
            print(f"  first reply on the page   {watched['first'] / 1000:8.2f} s after the cell began")
            print(f"  the whole sweep           {took:8.1f} s")
            print(
                f"  long tasks meanwhile      {watched['long'] / 1000:8.2f} s, the longest {watched['longest']:.0f} ms"
            )
            scrolled = page.evaluate(SCROLL)
            frames, long = sorted(scrolled["frames"]), scrolled["long"] / 1000
            print(f"  scrolling through it    {frames[len(frames) // 2]:8.1f} ms a frame, at most {frames[-1]:.0f} ms")
            print(f"  long tasks of that       {long:8.2f} s, the longest {scrolled['longest']:.0f} ms")


def main() -> None:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer calls and rounds")
    parser.add_argument("--only", choices=("calls", "page"), help="one of the two")
    parser.add_argument(
        "--delay", type=float, nargs="*", default=[0.15, 0.02], help="seconds that the server takes (default: both)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(NBASSIST_DATA_DIR=folder, NBASSIST_CONFIG_DIR=folder)
        if options.only != "page":
            for delay in options.delay:
                compare(300 if options.quick else 1000, 3 if options.quick else 5, delay)
        if options.only != "calls":
            page(2000 if options.quick else 10_000)


if __name__ == "__main__":
    main()
