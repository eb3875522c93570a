"""The live view: one widget that is patched while the reply is written, and gives way to the static reply.

`apply` only puts the event in a queue. A thread of the view's own folds, paints and sends, at most 25 times a second
and for at most about a fifth of the time, so that what came last is shown even if nothing follows, and the thread
that streams never waits for the display.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import display, publish_display_data

from ...core import runtime_environment
from ...core.events import ApprovalAnswered, ApprovalAsked, Event, MimeBundle, RunEnded, ToolFinished
from ...core.mime import needs_page
from ...core.protocols import Look, Metered
from ..markdown.block_html import Cache
from ..output_place import for_the_page, put_below
from ..static.panels import cost_text, rate_text
from ..static.reply import Refreshes, bundle_of, shares_page, standing_bundle
from ..static.saved_form import SavedForm
from ..transcript import Transcript, status_of
from . import clicks
from .bars import CellHistory, bars_of
from .clicks import Stop
from .page_source import page_source
from .painter import Painter
from .question import Question

_log = logging.getLogger(__name__)
_HERE = Path(__file__).parent
# Seconds between patches: 25 a second look like streaming, and after a while fewer do.
_INTERVAL, _LATER = 0.04, 0.07
_AT_FIRST = 5.0  # seconds
# Seconds that a browser has to say that it listens before a question goes elsewhere: a page may be closed.
_PATIENCE = 3.0
_LOOK = 0.1  # seconds between looks at a tool that runs
_TICK = 0.1  # seconds between paintings by an event loop
_SETTLE = 0.25  # seconds without an event after which what was put off is painted
_METER = 0.5  # seconds between two figures of the meter
_SHARE = 4  # the thread rests this many times as long as it painted
_RESYNC = (0.3, 1.0, 3.0, 8.0, 20.0, 60.0)  # seconds; the whole is sent then while no browser says that it listens
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class LiveReply(anywidget.AnyWidget):
    """The widget; `first` is what a browser shows until the first patch."""

    _esm = page_source(_HERE, "clicks.js", "page.js", "mount.js", "live.js")
    _css = page_source(_HERE, "live.css")
    first = traitlets.Dict().tag(sync=True)


class LiveView:
    """A view of one run in a frontend that shows widgets.

    Parameters
    ----------
    shell : InteractiveShell, optional
        Of the cell.
    after : bool
        Whether the static reply is a display of its own, in place of an update of the live one.

    Attributes
    ----------
    bundle : dict or None
        The static reply, once the run has ended.
    """

    def __init__(self, shell: Any = None, *, after: bool = False) -> None:
        self._after = after
        self._below: tuple[MimeBundle, ...] = ()
        self.bundle: dict[str, str] | None = None
        self.transcript = Transcript()
        self._shell = shell
        self._cache = Cache()
        self._painter = Painter(self.transcript, self._cache)
        self._queue: deque[Event] = deque()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._widget: LiveReply | None = None
        self._display_id = ""
        self._sequence = 0
        self._status: dict[str, Any] = {}
        self._since = time.monotonic()
        self._hears = False
        self._stop: Stop | None = None
        self._listening = threading.Event()
        self._sync_wanted = False
        self._toggled: dict[str, bool] = {}
        self._questions = 0
        self._place = ""
        self._refreshes: Refreshes | None = None
        self._unsettled = False
        self._resync: list[float] = []
        self._due = 0.0  # when it is to be painted next
        self._looks: dict[str, tuple[Look, float]] = {}
        self._put: list[MimeBundle] = []
        self._meter: Metered | None = None
        self._metered = 0.0
        self._putting = threading.Lock()

    def apply(self, event: Event) -> None:
        """Take the next event; the first puts the view in the cell, `RunEnded` turns it into the static reply."""
        if self._widget is None and self.bundle is None:
            self._begin()
        if self._stop is not None and isinstance(event, RunEnded):
            self._stop.end()
        if isinstance(event, ToolFinished):
            self._looks.pop(event.call_id, None)
        self._queue.append(event)
        self._wake.set()
        if self._after:
            self._below += for_the_page(event)
        else:
            self._put_below(for_the_page(event))
        if isinstance(event, RunEnded):
            self.close()
        elif not runtime_environment.THREADS and time.monotonic() >= self._due:
            self._paint()

    def tool_running(self, call_id: str, look: Look) -> None:
        """Show in the panel of a call what it shows while it runs, and for how long it has."""
        self._looks[call_id] = look, time.monotonic()
        self._wake.set()

    def metered(self, meter: Metered) -> None:
        """Show what the run takes while it goes on: tokens a second, and money so far."""
        self._meter = meter

    def _put_below(self, bundles: tuple[MimeBundle, ...]) -> None:
        """Put what only a page can draw below the reply, once: the end of a call shows again what it showed before."""
        with self._putting:
            for bundle in bundles:
                # At the end of the call it may have a picture beside it.
                live = {mime: data for mime, data in bundle.items() if not mime.startswith("image/")}
                if live not in self._put:
                    self._put.append(live)
                    put_below((bundle,))

    def ask(self, asked: ApprovalAsked) -> ApprovalAnswered | None:
        """Ask with buttons in the panel of the call, and wait for the click.

        Returns
        -------
        ApprovalAnswered or None
            None at once where no click can be heard while the cell runs, and soon where no browser listens.

        Raises
        ------
        KeyboardInterrupt
            As it comes.
        """
        if self._widget is None or not self._hears or not self._listening.wait(_PATIENCE):
            return None
        self._questions += 1
        question = Question(asked, self._questions)
        self._queue.append(asked)  # once more, for who asks without having said so; it changes nothing
        try:
            self._painter.question = question
            self._wake.set()
            return question.wait()
        finally:
            self._painter.question = None
            self._wake.set()

    def close(self) -> None:
        """Show what there is as the static reply and close the widget; does nothing the second time."""
        widget = self._widget
        if widget is None:
            return
        try:
            if self._stop is not None:
                self._stop.end()
            self._ended.set()
            self._wake.set()
            if self._thread is not None:
                # Joined before what is left is folded: two threads must not fold one queue.
                self._thread.join()
        finally:
            self._fold()
            self._form()
            assert self.bundle is not None
            # The reply stands before the widget goes, so that the cell is never empty.
            self._publish_end(self.bundle)
            self._widget = None
            clicks.forget(widget.model_id)
            layout = widget.layout
            widget.close()
            layout.close()  # a widget of its own, which would stay in the kernel for each run

    def _publish_end(self, bundle: dict[str, str]) -> None:
        """Put the static reply where the live one stood, or after it where an update would not be seen."""
        last = {"text/plain": ""} if self._after else self._named(bundle)
        publish_display_data(last, transient={"display_id": self._display_id}, update=True)  # type: ignore[no-untyped-call]
        if self._after and bundle["text/html"]:
            publish_display_data(bundle)  # type: ignore[no-untyped-call]
        put_below(self._below)

    def linger(self, history: CellHistory) -> None:
        """Put a bar below the finished reply: the earlier runs of its cell, and what a run was worth.

        Only where it was live in a page that it shares with the output; elsewhere there is none.
        """
        if self.bundle is None or not self.bundle["text/html"] or self._refreshes is None:
            return
        saved = SavedForm(self._shell, self._display_id, self._form)

        def rated(rating: str) -> None:
            if rating != self.transcript.rating:
                self.transcript.rating = rating
                saved.changed()

        bars_of(self._shell.kernel).add(self._ended_place, history, rated)

    def _form(self) -> dict[str, str]:
        opened = [key for key, is_open in self._toggled.items() if is_open]
        self.bundle = bundle_of(self.transcript, opened=opened, cache=self._cache)
        return self._named(self.bundle)

    def _named(self, bundle: dict[str, str]) -> dict[str, str]:
        """Return the bundle with a class by which the bar finds its place, where one can come."""
        if self._refreshes is None or not bundle["text/html"]:
            return bundle
        return {**bundle, "text/html": bundle["text/html"].replace('"nbassist"', f'"nbassist {self._ended_place}"', 1)}

    @property
    def _ended_place(self) -> str:
        return self._place.replace("nba-", "nba-end-")

    def _begin(self) -> None:
        self._since = time.monotonic()
        kernel = getattr(self._shell, "kernel", None)
        self._hears = kernel is not None and clicks.possible(kernel)
        if self._hears:
            self._stop = Stop()
        self._place = f"nba-{secrets.token_hex(6)}"
        beside = shares_page(self._shell) and not self._after
        self._widget = LiveReply(first={**self._whole(), "place": self._place if beside else ""})
        if self._hears:
            clicks.listen(self._widget.model_id, self._heard)
        bundle: dict[str, Any] = dict(standing_bundle("", self.transcript, self._place))
        if self._after:
            bundle["text/plain"] = ""  # a console would print it
        if beside:
            self._refreshes = Refreshes(self._since)
        else:
            bundle[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._display_id = handle.display_id
        run = contextvars.copy_context().run  # messages carry the cell that the context belongs to
        self._resync = [self._since + seconds for seconds in _RESYNC]
        if runtime_environment.THREADS:
            self._thread = threading.Thread(target=run, args=(self._work,), name="nbassist-view", daemon=True)
            self._thread.start()
        else:
            run(self._tick)

    def _heard(self, content: Any) -> None:
        """Take a message of the browser; called on another thread."""
        if not isinstance(content, dict):
            return
        if content.get("kind") == "sync":
            self._sync_wanted = True
            # A browser asks for the whole when its page is made: from then on clicks can come.
            self._listening.set()
            self._wake.set()
        elif content.get("kind") == "stop" and self._stop is not None:
            self._stop.stop()
        elif content.get("kind") == "answer" and (question := self._painter.question) is not None:
            question.hear(content)
        elif content.get("kind") == "toggle":
            self._toggled[str(content.get("panel"))] = bool(content.get("open"))

    def _work(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._patience(bool(self._resync)))
            self._wake.clear()
            if self._ended.is_set() or not self._paint():
                return
            self._ended.wait(self._due - time.monotonic())

    def _tick(self) -> None:
        """Paint what came, again and again: by the event loop, which a browser goes on with while the cell waits."""
        with suppress(RuntimeError):  # no loop runs here: `apply` paints, as events come
            loop = asyncio.get_running_loop()
            if not self._ended.is_set() and (time.monotonic() < self._due or self._paint()):
                loop.call_later(_TICK, self._tick)

    def _paint(self) -> bool:
        """Send what has changed, and set when to do so next; return whether that went well."""
        began = time.monotonic()
        # What is sent before a browser has made the widget's model is lost, and nothing tells when it has.
        if self._resync and began > self._resync[0] and not self._listening.is_set():
            self._resync.pop(0)
            self._sync_wanted = True
        try:
            came = bool(self._queue)
            self._fold()
            if not came and self._unsettled:
                self._painter.settle()
            self._unsettled = came
            self._send()
            self._refresh()
        except Exception:  # noqa: BLE001 - the run goes on, and the static reply is rendered apart
            _log.warning("the live view stopped", exc_info=True)
            self._due = float("inf")
            return False
        now = time.monotonic()
        interval = _INTERVAL if now - self._since < _AT_FIRST else _LATER
        self._due = now + max(interval, _SHARE * (now - began))
        return True

    def _patience(self, resyncs: bool) -> float | None:
        """Return for how many seconds the thread may sleep where nothing happens."""
        if resyncs and not self._listening.is_set():
            return 0.25
        if self._looks:
            return _LOOK
        if self._unsettled:
            return _SETTLE
        return 0.5 if self._refreshes is not None and self._refreshes.stale else None

    def _refresh(self) -> None:
        """Send the form that the notebook's file holds anew, where it is due."""
        refreshes, now = self._refreshes, time.monotonic()
        if refreshes is None or self._painter.question is not None or not refreshes.due(self._painter.canvas.size, now):
            return
        bundle = standing_bundle(self._painter.canvas.standing(), self.transcript, self._place)
        publish_display_data(bundle, transient={"display_id": self._display_id}, update=True)  # type: ignore[no-untyped-call]
        refreshes.sent(sum(map(len, bundle.values())), now)

    def _fold(self) -> None:
        while self._queue:
            self.transcript.apply(self._queue.popleft())
        for call_id, (look, since) in list(self._looks.items()):
            # The tool itself is not asked: its prints and displays are kept as they come, on whatever thread.
            shown = look()
            self.transcript.look_on(call_id, shown, time.monotonic() - since)
            if not self._after:
                self._put_below(tuple(filter(needs_page, shown)))  # a widget's progress moves while the tool runs

    def _read_meter(self) -> None:
        """Take what the run takes, now and then: figures that change with each word can't be read."""
        now = time.monotonic()
        if self._meter is None or now - self._metered < _METER:
            return
        self._metered = now
        self.transcript.thought(self._meter.thoughts)
        rate, cost = self._meter.rate, self._meter.cost
        parts = [rate_text(rate) if rate else "", cost_text(cost) if cost else ""]
        self.transcript.meter = " · ".join(filter(None, parts))

    def _send(self) -> None:
        assert self._widget is not None
        self._read_meter()
        self._painter.paint()
        operations = self._painter.canvas.take()
        status = status_of(self.transcript)
        if self._sync_wanted:
            self._sync_wanted = False
            self._sequence += 1
            # It stands for all patches before it: a browser goes on from its number.
            self._widget.send({"kind": "sync", **self._whole()})
        elif operations or status != self._status:
            self._sequence += 1
            # Jupyter's server drops messages past 1,000 a second. By the number a browser sees that one is missing, and
            # asks for the whole.
            message: dict[str, Any] = {"kind": "patch", "n": self._sequence, "ops": operations}
            if status != self._status:
                message["status"] = status
            self._widget.send(message)
            if self._refreshes is not None:
                self._refreshes.patched(len(json.dumps(operations)), time.monotonic())
        self._status = status

    def _whole(self) -> dict[str, Any]:
        html, operations = self._painter.canvas.whole()
        return {
            "n": self._sequence,
            "html": html,
            "ops": operations,
            "status": status_of(self.transcript),
            "stop": self._stop is not None and self._stop.possible,
            "elapsed": round(time.monotonic() - self._since, 2),
        }
