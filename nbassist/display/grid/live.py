"""The live grid: a widget that shows the rows in view, and is sent what changed in them.

The notebook's file holds a static grid at any time: of the rows that have come while the runs go on, where outputs and
widgets share a page (`display.static.reply`), and of the whole when they have ended. On the page the live grid stands
in its place as long as the kernel lives, so that cells open, rows are filtered and runs are rated there.
"""

from __future__ import annotations

import contextvars
import itertools
import json
import logging
import secrets
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import display, publish_display_data

from ...core.html_allowlist import seal
from ...core.text import clean
from ..live import clicks
from ..live.clicks import Stop
from ..live.view import WIDGET_VIEW
from ..static.reply import Refreshes, shares_page
from ..static.saved_form import SavedForm
from .grid import GridCell, Source, grid_bundle, preview, short, standing_grid

_log = logging.getLogger(__name__)
_HERE = Path(__file__).parent
_INTERVAL = 0.1  # seconds between patches
# The thread rests this many times as long as it worked: it shares the interpreter with what streams.
_SHARE = 4
_HEAD = 1.0  # seconds between the lines under the heads
# A browser may ask for any number, and each row has a cell for each variant.
_MOST = 200  # rows in view
# Each holds a thread, a widget and its runs; the page keeps the static grid of those that go.
_SIDES = 6  # replies side by side
_SHOWN = 1_200  # characters of a reply that are rendered in its cell
_KEPT = 6  # grids that stay live in a kernel
_alive: deque[LiveGrid] = deque()


class GridWidget(anywidget.AnyWidget):
    """The widget; `first` is what a browser shows until it is sent more, `name` the class of its static form.

    The form of a grid that still grows has that name with ``-standing`` after it.
    """

    _esm = "\n".join(
        (_HERE / name).read_text(encoding="utf-8")
        for name in ("../live/mount.js", "gridtable.js", "gridkeys.js", "gridside.js", "grid.js")
    )
    _css = (_HERE / "grid.css").read_text(encoding="utf-8")
    first = traitlets.Dict().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)


class LiveGrid:
    """Shows a grid in a cell while its runs go on, and after.

    Parameters
    ----------
    source : Source
        What it shows; it may change at any time, on any thread.
    shell : InteractiveShell, optional
        Of the cell.
    after : bool
        Whether the static grid is a display of its own, in place of an update of the live one.
    """

    def __init__(self, source: Source, shell: Any = None, *, after: bool = False) -> None:
        self._after = after
        self._source = source
        self._shell = shell
        self._name = f"nba-grid-{secrets.token_hex(6)}"
        self._changed: deque[int] = deque()
        self._heard: deque[dict[str, Any]] = deque()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._range = (0, 40)
        self._filter = self._sort = ""
        self._chosen: list[int] | None = None  # rows in the order in which they are shown; None for all as they are
        self._last_head = 0.0
        self._last_progress: Any = None
        self._stop: Stop | None = None
        self._widget: GridWidget | None = None
        self._display_id = ""
        self._refreshes: Refreshes | None = None
        self._refreshing = threading.Lock()
        self._saved: SavedForm | None = None
        self._standing = 0  # bytes of the form that the notebook's file holds while the runs go on

    def begin(self, *, running: bool = True) -> None:
        """Put it into the cell."""
        kernel = getattr(self._shell, "kernel", None)
        hears = kernel is not None and clicks.possible(kernel)
        if running and hears:
            self._stop = Stop()
        self._widget = GridWidget(first=_cleaned(self._first()), name=self._name)
        if hears:
            # Heard while the cell runs; elsewhere the widget's own way hears once it has ended.
            clicks.listen(self._widget.model_id, self._hear)
        else:
            self._widget.on_msg(lambda _, content, __: self._hear(content))
        bundle: dict[str, Any] = {"text/plain": ""} if self._after else dict(self._form())
        if shares_page(self._shell) and not self._after:
            self._refreshes = Refreshes(time.monotonic())
        else:
            bundle[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._display_id = handle.display_id
        run = contextvars.copy_context().run  # messages carry the cell that the context belongs to
        threading.Thread(target=run, args=(self._work,), name="nbassist-grid", daemon=True).start()

    def changed(self, number: int) -> None:
        """Take note that a run changed."""
        self._changed.append(number)
        self._wake.set()

    def end(self) -> None:
        """The runs have ended: the static grid goes into the notebook; this one stays live on the page."""
        if self._widget is None:
            return
        if self._stop is not None:
            self._stop.end()
        # Through the queue, as if a browser had said it: only the thread looks at rows and widget.
        self._hear({"kind": "ended"})
        with self._refreshing:
            self._refreshes = None  # nothing comes after what follows
        bundle = grid_bundle(self._source, name=self._name)
        last = {"text/plain": ""} if self._after else bundle
        publish_display_data(last, transient={"display_id": self._display_id}, update=True)  # type: ignore[no-untyped-call]
        if self._after:
            publish_display_data(bundle)  # type: ignore[no-untyped-call]
            self.close()
            return
        self._saved = SavedForm(self._shell, self._display_id, lambda: grid_bundle(self._source, name=self._name))
        _alive.append(self)
        while len(_alive) > _KEPT:
            _alive.popleft().close()

    def refresh(self) -> None:
        """What it shows has changed since the end: the page gets it anew, and so does the notebook's file."""
        self._hear({"kind": "ended"})
        if self._saved is not None:
            self._saved.changed()

    def close(self) -> None:
        """Let the widget go: what is on the page is the static grid."""
        widget, self._widget = self._widget, None
        self._closed.set()
        self._wake.set()
        if widget is not None:
            clicks.forget(widget.model_id)
            layout = widget.layout
            widget.close()
            layout.close()

    def _hear(self, content: Any) -> None:
        """Take a message of the browser; called on another thread."""
        if not isinstance(content, dict):
            return
        if content.get("kind") == "stop":
            if self._stop is not None:
                self._stop.stop()
            return
        self._heard.append(content)
        self._wake.set()

    def _work(self) -> None:
        while not self._closed.is_set():
            # Once a second in any case: the time that is left changes without an event.
            self._wake.wait(None if self._stopped else 1.0)
            self._wake.clear()
            began = time.monotonic()
            try:
                while self._heard and not self._closed.is_set():
                    self._answer(self._heard.popleft())
                self._send_changes()
                self._refresh()
            except Exception:  # noqa: BLE001 - the runs go on, and the static grid is rendered apart
                _log.warning("the live grid stopped", exc_info=True)
                return
            self._closed.wait(max(_INTERVAL, _SHARE * (time.monotonic() - began)))

    @property
    def _stopped(self) -> bool:
        return not self._source.progress().running

    def _answer(self, heard: dict[str, Any]) -> None:
        kind = heard.get("kind")
        if kind == "look":
            first = max(int(heard.get("from", 0)), 0)
            self._range = (first, min(int(heard.get("to", 0)), first + _MOST))
            wanted = (str(heard.get("filter", "")), str(heard.get("sort", "")))
            if wanted != (self._filter, self._sort) or heard.get("again"):
                self._filter, self._sort = wanted
                self._choose()
            self._send(self._rows())
        elif kind == "ended":
            self._choose()
            self._send({**self._first(), "kind": "sync"})
        elif kind == "show":
            number = int(heard["number"])
            self._send({"kind": "whole", "number": number, "html": seal(self._source.whole(number))})
        elif kind == "rate":
            number = int(heard["number"])
            self._source.rate(number, str(heard.get("rating", "")))
            self._changed.append(number)
            self._last_head = 0.0
        else:
            self._answer_beside(heard)

    def _answer_beside(self, heard: dict[str, Any]) -> None:
        """Answer what goes beyond the rows: replies side by side, blind pairs, and buttons."""
        kind = heard.get("kind")
        if kind == "beside":
            numbers = [int(number) for number in heard.get("numbers", ())][:_SIDES]
            replies = self._source.beside(numbers, diff=bool(heard.get("diff")))
            self._send({"kind": "beside", "numbers": numbers, "replies": replies})
        elif kind == "pair":
            self._send({"kind": "pair", **self._source.pair(str(heard.get("choice", "")))})
        elif kind == "do":
            # On a thread of its own: what is asked anew may take long, and fills the cells meanwhile.
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._do, heard), name="nbassist-grid-button", daemon=True).start()

    def _do(self, heard: dict[str, Any]) -> None:
        said = self._source.act(str(heard.get("what", "")), int(heard.get("number", -1)))
        self._send({"kind": "said", "text": said})
        self._hear({"kind": "ended"})

    def _choose(self) -> None:
        if not self._filter and not self._sort:
            self._chosen = None
            return
        self._chosen = self._source.ordered(self._source.filtered(self._filter), self._sort)

    def _refresh(self) -> None:
        """Send the form that the notebook's file holds anew, where it is due."""
        with self._refreshing:
            refreshes, now = self._refreshes, time.monotonic()
            if refreshes is None or not refreshes.due(self._standing, now):
                return
            bundle = self._form()
            publish_display_data(bundle, transient={"display_id": self._display_id}, update=True)  # type: ignore[no-untyped-call]
            refreshes.sent(self._standing, now)

    def _form(self) -> dict[str, str]:
        bundle = standing_grid(self._source, f"{self._name}-standing")
        self._standing = sum(map(len, bundle.values()))
        return bundle

    def _send_changes(self) -> None:
        # One by one: the runs add to it on other threads, and a queue loses nothing between a look and an exchange.
        changed = {self._changed.popleft() for _ in range(len(self._changed))}
        if changed:
            seen = [cell for cell in self._cells_in_view() if cell.number in changed]
            if seen:
                cells = [_wire(cell) for cell in seen]
                self._send({"kind": "cells", "cells": cells})
                if self._refreshes is not None:
                    self._refreshes.patched(len(json.dumps(cells)), time.monotonic())
        now = time.monotonic()
        if changed and now - self._last_head > _HEAD:
            self._last_head = now
            self._send({"kind": "head", "summary": self._summary(), **self._told()})
        progress = self._progress()
        if progress != self._last_progress:
            self._last_progress = progress
            self._send({"kind": "progress", "progress": progress})

    def _cells_in_view(self) -> list[GridCell]:
        rows, columns = self._row_numbers(), range(len(self._source.heads))
        return list(itertools.chain.from_iterable(self._source.cells(row, c) for row in rows for c in columns))

    def _row_numbers(self) -> list[int]:
        first, last = self._range
        if self._chosen is not None:
            return self._chosen[first:last]
        return list(range(first, min(last, len(self._source.labels))))

    def _rows(self) -> dict[str, Any]:
        rows = [
            [
                row,
                self._source.labels[row],
                [[_wire(cell) for cell in self._source.cells(row, c)] for c in range(len(self._source.heads))],
            ]
            for row in self._row_numbers()
        ]
        count = len(self._source.labels) if self._chosen is None else len(self._chosen)
        return {"kind": "rows", "from": self._range[0], "rows": rows, "count": count}

    def _summary(self) -> list[list[Any]]:
        return [[name, list(values)] for name, values in self._source.summary()]

    def _progress(self) -> dict[str, Any]:
        now = self._source.progress()
        stop = now.running and self._stop is not None and self._stop.possible
        return {"words": now.line, "share": round(now.share, 4), "running": now.running, "stop": stop}

    def _first(self) -> dict[str, Any]:
        heads = [list(head) for head in self._source.heads]
        return {
            **self._rows(),
            "heads": heads,
            "summary": self._summary(),
            "progress": self._progress(),
            **self._told(),
        }

    def _told(self) -> dict[str, Any]:
        return {"notes": list(self._source.notes()), "sorts": list(self._source.sorts())}

    def _send(self, message: dict[str, Any]) -> None:
        if self._widget is not None:
            self._widget.send(_cleaned(message))


def _cleaned(data: Any) -> Any:
    """Return a message without control codes and lone surrogates, which no JSON of a kernel may hold.

    Labels are a person's own rows, and heads and notes quote them.
    """
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {key: _cleaned(value) for key, value in data.items()}
    return [_cleaned(value) for value in data] if isinstance(data, list | tuple) else data


def _wire(cell: GridCell) -> list[Any]:
    html = preview(cell.text, _SHOWN) if cell.state == "done" else ""
    return [cell.number, cell.state, short(cell.text, 400), cell.note, cell.rating, html, [list(m) for m in cell.marks]]
