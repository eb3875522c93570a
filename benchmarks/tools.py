"""What a tool call costs above calling the function itself: python benchmarks/tools.py

One call and eight in one turn, of a plain function and of a coroutine; both sides in one go, alternately. A call reads
and validates the arguments, captures what is printed and displayed, and makes the text for the model; the last row adds
the panel: the events of the call folded and rendered as the static reply. Prints medians in microseconds, what is
above the bare function in each, and what that is beside a model's turn of one second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import statistics
import time
from collections.abc import Callable
from typing import Literal

from nbassist.core.events import RunEnded, RunStarted, ToolCallReady, ToolCallStarted, TurnEnded, TurnStarted
from nbassist.core.messages import ToolCall
from nbassist.display.static.reply import bundle
from nbassist.tools import Toolbox

ORDERS = [{"id": number, "status": "open" if number % 3 else "paid"} for number in range(200)]


def count(status: Literal["open", "paid"], least: int = 0) -> int:
    """Count the orders of a status.

    Parameters
    ----------
    status
        What they are.
    least
        The first id.
    """
    print("counting")
    return sum(order["status"] == status and order["id"] >= least for order in ORDERS)


async def acount(status: Literal["open", "paid"], least: int = 0) -> int:
    """Count the orders of a status."""
    print("counting")
    return sum(order["status"] == status and order["id"] >= least for order in ORDERS)


def calls(name: str, number: int) -> list[ToolCall]:
    return [ToolCall(f"call_{i}", name, json.dumps({"status": "open", "least": i})) for i in range(number)]


def bare(number: int) -> None:
    for i in range(number):
        count("open", i)


def abare(number: int) -> None:
    async def together() -> None:
        await asyncio.gather(*(acount("open", i) for i in range(number)))

    asyncio.run(together())


def with_panel(box: Toolbox, number: int) -> None:
    made = calls("count", number)
    events = [RunStarted(), TurnStarted()]
    for call in made:
        events += [ToolCallStarted(call.id, call.name), ToolCallReady(call.id, call.name, call.arguments)]
    events += [TurnEnded("tool_calls"), *box.run(made), RunEnded("completed")]
    assert bundle(events)["text/html"].count("<details") == number


def microseconds(work: Callable[[int], object], number: int) -> float:
    began = time.perf_counter()
    work(number)
    return (time.perf_counter() - began) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50 rounds in place of 500")
    rounds = 50 if parser.parse_args().quick else 500
    box = Toolbox([count, acount])
    print(f"{'':<34}{'function':>12}{'as a tool':>12}{'above':>12}{'a call':>10}  (µs, medians of {rounds})")
    costliest = 0.0
    for name, number, plain, tool in [
        ("plain function, 1 call", 1, bare, lambda n: list(box.run(calls("count", n)))),
        ("plain function, 8 calls", 8, bare, lambda n: list(box.run(calls("count", n)))),
        ("coroutine, 1 call", 1, abare, lambda n: list(box.run(calls("acount", n)))),
        ("coroutine, 8 calls at once", 8, abare, lambda n: list(box.run(calls("acount", n)))),
        ("plain function and panel, 1 call", 1, bare, lambda n: with_panel(box, n)),
        ("plain function and panel, 8 calls", 8, bare, lambda n: with_panel(box, n)),
    ]:
        times: tuple[list[float], list[float]] = ([], [])
        with contextlib.redirect_stdout(io.StringIO()):
            for work in (plain, tool):
                work(number)  # what is imported and built once is no part of a call
            for _ in range(rounds):  # alternately, so that both sides meet the same noise
                for side, work in zip(times, (plain, tool), strict=True):
                    side.append(microseconds(work, number))
        ours, theirs = statistics.median(times[1]), statistics.median(times[0])
        above = ours - theirs
        print(f"{name:<34}{theirs:>12.1f}{ours:>12.1f}{above:>12.1f}{above / number:>10.1f}")
        costliest = max(costliest, above / number)
    print(f"a call with its panel adds at most {costliest / 1e6:.3%} to a turn of one second")


if __name__ == "__main__":
    main()
