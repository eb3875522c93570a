"""Every surface on which text of a model stands: its name, and the HTML that it makes of a list of hostile texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "browser"))
from scripted import hostile

from nbassist.core.conversation import Conversation
from nbassist.core.events import (
    CitationAdded,
    Event,
    RefusalDelta,
    RunEnded,
    RunStarted,
    TextDelta,
    TurnEnded,
    TurnStarted,
)
from nbassist.core.messages import File, Image, Reasoning, Text, ToolCall, ToolOutput
from nbassist.display.grid.grid import GridCell, Progress, grid_bundle, standing_grid
from nbassist.display.live.painter import Painter
from nbassist.display.markdown.block_html import Cache
from nbassist.display.static.reply import bundle, standing_bundle
from nbassist.display.transcript import Transcript
from nbassist.export.formats import as_markdown, as_notebook, as_page
from nbassist.journal.diff import Difference
from nbassist.magics.table import Table
from nbassist.threads.history import History


def cut(text: str, size: int = 23) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def story(payloads: Sequence[str]) -> list[Event]:
    """Return a run in which each payload stands in every place that text has."""
    run = list(hostile([*payloads, *payloads[:2]]))
    # A file that an interpreter wrote, whose name is the model's, is saved from a link with its name.
    files = [
        CitationAdded(payload, "", payload, payload, data=payload.encode("utf-8", "replace")) for payload in payloads
    ]
    return [*run[:-2], *files, *run[-2:]]


def streamed(text: str) -> list[Event]:
    """Return a run of one text, in pieces."""
    pieces = [TextDelta(piece) for piece in cut(text)]
    return [RunStarted("m"), TurnStarted(), *pieces, TurnEnded("stop"), RunEnded("completed")]


def live(events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    """Give all HTML that a browser is sent while a reply is written, and the form that is saved meanwhile."""
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    for number, event in enumerate(events):
        transcript.apply(event)
        painter.paint()
        for operation in painter.canvas.take():
            if operation[0] in ("add", "html"):
                yield "live", operation[-1]
        if number % 150 == 0:
            yield "midway", standing_bundle(painter.canvas.standing(), transcript, "here")["text/html"]
    html, ends = painter.canvas.whole()
    yield "live, whole", html + "".join(operation[-1] for operation in ends)


class Grid:
    """A sweep in whose every place a payload stands."""

    def __init__(self, payloads: Sequence[str]) -> None:
        self.payloads = payloads
        self.labels = list(payloads)
        self.heads = [(payloads[0], payloads[-1]), (payloads[1],)]

    def summary(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(self.payloads[2], (self.payloads[3], self.payloads[4]))]

    def notes(self) -> list[str]:
        return list(self.payloads[:2])

    def sorts(self) -> list[str]:
        return list(self.payloads[:3])

    def progress(self) -> Progress:
        return Progress(self.payloads[5], 0.5, True)

    def cells(self, row: int, column: int) -> list[GridCell]:
        text = self.payloads[row]
        return [GridCell(row, state, text, text, text) for state in ("done", "failed", "running")]

    def whole(self, number: int) -> str:
        return bundle(streamed(self.payloads[number % len(self.payloads)]))["text/html"]


def conversation(payloads: Sequence[str]) -> Conversation:
    """Return a thread in whose every place a payload stands."""
    found = Conversation(payloads[0])
    for number, payload in enumerate(payloads):
        found.add_user(Text(payload), Text(payload, payload), File(payload, payload, b"x"), Image(payload, b"x"))
        found.fold(TurnStarted())
        found.fold(TextDelta(payload))
        found.fold(RefusalDelta(payload))
        found.fold(TurnEnded("stop"))
        call = ToolCall(f"c{number}", payload, payload)
        found.messages[-1] = type(found.messages[-1])("assistant", (Reasoning(payload), call, Text(payload)))
        found.messages.append(type(found.messages[-1])("tool", (ToolOutput(call.id, payload, payload),)))
        found.add_user(Text("on"))
    return found


def pages(payloads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give each surface's name and HTML."""
    # Some surfaces have six places, and the last of the payloads may be fewer.
    payloads = (list(payloads) * 6)[: max(6, len(payloads))]
    events = story(payloads)
    text = "\n\n".join(payloads)
    yield "static", bundle(events)["text/html"]
    yield "static, streamed", bundle(streamed(text))["text/html"]
    yield from live(events)
    yield from live(streamed(text))
    grid = Grid(payloads)
    yield "grid", grid_bundle(grid)["text/html"]  # type: ignore[arg-type]
    yield "grid, midway", standing_grid(grid, "here")["text/html"]  # type: ignore[arg-type]
    thread = conversation(payloads)
    yield "history", History.of(thread)._repr_html_()
    pieces = tuple((kind, payload) for payload in payloads for kind in ("same", "gone", "new"))
    yield "diff", Difference(payloads[0], ((payloads[1], pieces),))._repr_html_()  # type: ignore[arg-type]
    yield "table", Table((payloads[0], payloads[1]), tuple((one, one) for one in payloads), payloads[2])._repr_html_()
    yield "page", as_page(thread)
    for cell in json.loads(as_notebook(thread))["cells"]:
        yield from (("notebook", "".join(output["data"]["text/html"])) for output in cell["outputs"])
    yield "markdown", rendered(as_markdown(thread))


def rendered(markdown: str) -> str:
    """Return markdown as a viewer shows it that keeps HTML, and that links to whatever stands there."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return str(parser.render(markdown))


def plain(payloads: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give each surface's name and the text that it prints in a terminal."""
    thread = conversation(payloads)
    yield "static", bundle(story(payloads))["text/plain"]
    yield "history", repr(History.of(thread))
    yield "markdown", as_markdown(thread)
    every = " ".join(payloads)
    yield "diff", repr(Difference(every, ((every, tuple(("new", one) for one in payloads)),)))
    yield "table", repr(Table((every, ""), tuple((one, one) for one in payloads), every))
    yield "grid", grid_bundle(Grid(payloads))["text/plain"]  # type: ignore[arg-type]
