"""The live view: one widget that is patched while the reply is written, and gives way to the static reply.

`apply` only puts the event in a queue. A thread of the view's own folds, paints and sends, at most 25 times a second
and for at most about a fifth of the time, so that what came last is shown even if nothing follows, and the thread
that streams never waits for the display.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import secrets
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import display, publish_display_data

from ..events import ApprovalAnswered, ApprovalAsked, Event, RunEnded
from . import tap
from .blockhtml import Cache
from .paint import Painter
from .question import Question
from .standing import Refreshes, shares_page, standing_bundle
from .static import bundle_of
from .status import status_of
from .stop import Stop
from .transcript import Transcript

_log = logging.getLogger(__name__)
_HERE = Path(__file__).parent
_INTERVAL, _LATER = 0.04, 0.07  # seconds between patches at first, and once the reply has been written for a while
_AT_FIRST = 5.0  # seconds
_PATIENCE = 3.0  # seconds that a browser has to say that it listens before a question goes elsewhere
_SHARE = 4  # the thread rests this many times as long as it painted
_RESYNC = (0.3, 1.0, 3.0, 8.0, 20.0, 60.0)  # seconds; the whole is sent then while no browser says that it listens
_COMMENT = re.compile(r"^\s*/\*.*?\*/|(?<=[;{}]) /\*.*?\*/$", re.DOTALL | re.MULTILINE)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def source(*names: str) -> str:
    """Return what a browser needs of our files: each widget sends it anew, so comments and indents stay here."""
    text = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)
    lines = (line.strip() for line in _COMMENT.sub("", text).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


class LiveReply(anywidget.AnyWidget):
    """The widget; `first` is what a browser shows until the first patch."""

    _esm = "\n".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("clicks.js", "page.js", "mount.js", "live.js")
    )
    _css = (_HERE / "live.css").read_text(encoding="utf-8")
    first = traitlets.Dict().tag(sync=True)


class LiveView:
    """A view of one run in a frontend that shows widgets.

    Attributes
    ----------
    bundle : dict or None
        The static reply, once the run has ended.
    """

    def __init__(self, shell: Any = None) -> None:
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

    def apply(self, event: Event) -> None:
        """Take the next event; the first puts the view in the cell, `RunEnded` turns it into the static reply."""
        if self._widget is None and self.bundle is None:
            self._begin()
        if self._stop is not None and isinstance(event, RunEnded):
            self._stop.end()
        self._queue.append(event)
        self._wake.set()
        if isinstance(event, RunEnded):
            self.close()

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
                self._thread.join()
        finally:
            self._fold()
            opened = [key for key, is_open in self._toggled.items() if is_open]
            self.bundle = bundle_of(self.transcript, opened=opened, cache=self._cache)
            publish_display_data(self.bundle, transient={"display_id": self._display_id}, update=True)  # type: ignore[no-untyped-call]
            self._widget = None
            tap.forget(widget.model_id)
            layout = widget.layout
            widget.close()
            layout.close()  # a widget of its own, which would stay in the kernel for each run

    def _begin(self) -> None:
        self._since = time.monotonic()
        kernel = getattr(self._shell, "kernel", None)
        self._hears = kernel is not None and tap.possible(kernel)
        if self._hears:
            self._stop = Stop()
        self._place = f"nba-{secrets.token_hex(6)}"
        beside = shares_page(self._shell)
        self._widget = LiveReply(first={**self._whole(), "place": self._place if beside else ""})
        if self._hears:
            tap.listen(self._widget.model_id, self._heard)
        bundle: dict[str, Any] = dict(standing_bundle("", self.transcript, self._place))
        if beside:
            self._refreshes = Refreshes(self._since)
        else:
            bundle[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._display_id = handle.display_id
        run = contextvars.copy_context().run  # messages carry the cell that the context belongs to
        self._thread = threading.Thread(target=run, args=(self._work,), name="nbassist-view", daemon=True)
        self._thread.start()

    def _heard(self, content: Any) -> None:
        """Take a message of the browser; called on another thread."""
        if not isinstance(content, dict):
            return
        if content.get("kind") == "sync":
            self._sync_wanted = True
            self._listening.set()
            self._wake.set()
        elif content.get("kind") == "stop" and self._stop is not None:
            self._stop.stop()
        elif content.get("kind") == "answer" and (question := self._painter.question) is not None:
            question.hear(content)
        elif content.get("kind") == "toggle":
            self._toggled[str(content.get("panel"))] = bool(content.get("open"))

    def _work(self) -> None:
        resync = [self._since + seconds for seconds in _RESYNC]
        while not self._ended.is_set():
            self._wake.wait(self._patience(bool(resync)))
            self._wake.clear()
            if self._ended.is_set():
                return
            began = time.monotonic()
            if resync and began > resync[0] and not self._listening.is_set():
                resync.pop(0)
                self._sync_wanted = True
            try:
                self._fold()
                self._send()
                self._refresh()
            except Exception:  # noqa: BLE001 - the run goes on, and the static reply is rendered apart
                _log.warning("the live view stopped", exc_info=True)
                return
            now = time.monotonic()
            interval = _INTERVAL if now - self._since < _AT_FIRST else _LATER
            self._ended.wait(max(interval, _SHARE * (now - began)))

    def _patience(self, resyncs: bool) -> float | None:
        """Return for how many seconds the thread may sleep where nothing happens."""
        if resyncs and not self._listening.is_set():
            return 0.25
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

    def _send(self) -> None:
        assert self._widget is not None
        self._painter.paint()
        operations = self._painter.canvas.take()
        status = status_of(self.transcript)
        if self._sync_wanted:
            self._sync_wanted = False
            self._sequence += 1
            self._widget.send({"kind": "sync", **self._whole()})
        elif operations or status != self._status:
            self._sequence += 1
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
