"""What text costs the kernel: python benchmarks/budget.py [--quick] [--only PART ...]

More than a hundred texts that are short to write and long to show, at 10, 20 and 40 KB, beside prose of the same
length, on each way that text takes: rendered whole, painted while it streams, printed in a terminal, read from a
stream of events, searched for secrets, given as a tool's result, compared with three others. Measured is the processor
time of the thread, in milliseconds for each KB; the budget is 20 while it streams and 5 for a whole text, on a quiet
machine.

Fails where the cost of a text grows faster than the text, or is over its budget. A machine that is slower than the one
on which the budget was set is allowed for by what prose costs on it, and so is one that is busy for a while: prose is
measured again before and after each text, and a text that seems too dear is measured twice more; the least counts, as
what else goes on can only add to it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pathological import TEXTS, prose

SIZES = (10_000, 20_000, 40_000)
PIECE = 64  # characters between two paints: 1.6 KB a second, painted 25 times a second
BUDGET = {
    "whole": 5.0,
    "stream": 20.0,
    "terminal": 5.0,
    "events": 5.0,
    "secrets": 5.0,
    "results": 5.0,
    "differences": 5.0,
}
USUAL = {
    "whole": 2.5,
    "stream": 15.0,
    "terminal": 1.0,
    "events": 1.0,
    "secrets": 1.0,
    "results": 1.0,
    "differences": 1.0,
}
"""What prose cost on the machine on which the budget was set, milliseconds for each KB."""
GROWTH = 1.6  # how much dearer a KB of 40 may be than a KB of 10, where it is over a tenth of its budget


def _events(pieces: Iterator[str]) -> Iterator[object]:
    from nbassist.core.events import RunEnded, RunStarted, TextDelta, TurnEnded, TurnStarted

    yield RunStarted("m", "chat")
    yield TurnStarted()
    for piece in pieces:
        yield TextDelta(piece)
    yield TurnEnded("stop")
    yield RunEnded("completed")


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def whole(text: str) -> None:
    """Render the finished reply."""
    from nbassist.display.static.reply import bundle

    bundle(_events(iter([text])))  # type: ignore[arg-type]


def stream(text: str) -> None:
    """Paint the reply while it comes, as the live view does."""
    from nbassist.display.live.painter import Painter
    from nbassist.display.markdown.block_html import Cache
    from nbassist.display.transcript import Transcript

    transcript = Transcript()
    painter = Painter(transcript, Cache())
    for event in _events(_pieces(text)):
        transcript.apply(event)  # type: ignore[arg-type]
        painter.paint()
        painter.canvas.take()


def terminal(text: str) -> None:
    """Print the reply in a terminal while it comes."""
    import io

    from nbassist.display.terminal.view import TerminalView

    view = TerminalView(io.StringIO())
    for event in _events(_pieces(text)):
        view.apply(event)  # type: ignore[arg-type]


def events(text: str) -> None:
    """Read the text as one server-sent event that comes in small pieces, as many events, and as bare JSON in lines."""
    import json

    from nbassist.backends.http.answer_stream import chunk_of
    from nbassist.backends.http.sse import EventReader

    one = b"data: " + json.dumps(text).encode() + b"\n\n"
    many = b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in _pieces(text))
    bare = json.dumps([{"text": piece} for piece in _pieces(text)], indent=0).encode()
    for body in (one, many, bare):
        reader = EventReader()
        for at in range(0, len(body), 1000):
            for event in reader.feed(body[at : at + 1000]):
                chunk_of(event)


def secrets(text: str) -> None:
    """Look through the text for twenty secrets."""
    from nbassist.core.redaction import Redactor

    Redactor({f"KEY_{n}_TOKEN": f"{n}-abcdefghijklmnopqrstuvwxyz" for n in range(20)}).text(text)


def results(text: str) -> None:
    """Give the text to the model and to the person as a tool's result: by itself, in data, and in a deep nest."""
    from nbassist.tools.results.result import to_bundle, to_text

    data: object = {"text": text, "pieces": list(_pieces(text))}
    for _ in range(50):
        data = [data, text[:PIECE]]
    for value in (text, data):
        to_text(value)
        to_bundle(value)


def differences(text: str) -> None:
    """Compare the text with itself, changed here and there, with its words backwards, and with other words."""
    from nbassist.journal.word_diff import diff_words

    words = text.split(" ")
    for other in (
        text.replace("a", "b"),
        " ".join(words[::-1]),
        " ".join(f"x{number}" for number in range(len(words))),
    ):
        diff_words(text, other)


WAYS: dict[str, Callable[[str], None]] = {
    "whole": whole,
    "stream": stream,
    "terminal": terminal,
    "events": events,
    "secrets": secrets,
    "results": results,
    "differences": differences,
}


def cost(way: Callable[[str], None], text: str, most: float = 60.0) -> float:
    """Return milliseconds of this thread for each KB of `text`; the better of two, where the first was quick."""
    best = float("inf")
    for _ in range(2):
        began = time.thread_time()
        way(text)
        best = min(best, time.thread_time() - began)
        if best > 0.5:
            break
    return 1e6 * best / max(1, len(text))


def beside(way: str, text: str, usual: float) -> float:
    """Return what `text` costs, less what prose costs more than `usual` around it, as on a busy machine."""
    before = cost(WAYS[way], prose(SIZES[0]))
    found = cost(WAYS[way], text)
    busy = (before + cost(WAYS[way], prose(SIZES[0]))) / 2 / usual
    return found / max(1.0, busy)


def verdict(way: str, costs: list[float], scale: float) -> str:
    """Return what is wrong with the costs of one text at each size; empty where nothing is."""
    budget = BUDGET[way] * scale
    if costs[-1] > budget:
        return f"over {budget:.1f} ms for each KB"
    if costs[-1] > budget / 10 and costs[-1] > GROWTH * max(costs[0], budget / 20):
        return f"grows {costs[-1] / costs[0]:.1f} times faster than the text"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 and 20 KB only")
    parser.add_argument("--only", nargs="*", default=[], help="texts or ways with any of these in the name")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    options = parser.parse_args()
    sizes = SIZES[:2] if options.quick else SIZES
    failed = 0
    for way in options.ways:
        WAYS[way](prose(2000))  # what is imported and compiled once
        usual = [cost(WAYS[way], prose(size)) for size in sizes]
        scale = max(1.0, min(usual) / USUAL[way])
        least = min(usual)
        print(
            f"{way}: prose {' '.join(f'{one:.2f}' for one in usual)} ms for each KB; budget {BUDGET[way] * scale:.1f}"
        )
        dearest: list[tuple[float, str]] = []
        for name, make in TEXTS.items():
            if options.only and not any(word in name for word in options.only):
                continue
            costs: list[float] = []
            for size in sizes:
                costs.append(beside(way, make(size), least))
                if costs[-1] > 20 * BUDGET[way]:
                    break
            for _ in range(2):
                if verdict(way, costs, scale):
                    again = (beside(way, make(size), least) for size in sizes[: len(costs)])
                    costs = [min(pair) for pair in zip(costs, again, strict=True)]
            dearest.append((max(costs), name))
            if wrong := verdict(way, costs, scale):
                failed += 1
                print(f"  {name}: {' '.join(f'{one:.2f}' for one in costs)}: {wrong}", flush=True)
        top = ", ".join(f"{name} {one:.1f}" for one, name in sorted(dearest, reverse=True)[:5])
        print(f"  dearest: {top}")
    print(f"{failed} over their budget" if failed else "all within their budget")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
